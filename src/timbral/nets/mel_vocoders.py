"""The official vocoders of v3 and v4, log mel (not normalised) to samples, by configuration."""

from timbral.nets.bigvgan import BigVgan
from timbral.nets.hifigan import Generator
from timbral.nets.normalization import fold_weight_norm

MEL_BANDS = 100
BLOCK_KERNELS = (3, 7, 11)
BLOCK_DILATIONS = ((1, 3, 5), (1, 3, 5), (1, 3, 5))


def v3_vocoder(channels: int = 1536) -> BigVgan:
    """24 kHz, 256 samples a frame: `nvidia/bigvgan_v2_24khz_100band_256x`."""
    rates, kernels = (4, 4, 2, 2, 2, 2), (8, 8, 4, 4, 4, 4)
    return BigVgan(MEL_BANDS, channels, rates, kernels, BLOCK_KERNELS, BLOCK_DILATIONS)


def v4_vocoder(channels: int = 512) -> Generator:
    """48 kHz, 480 samples a frame. Without weight norm, as its checkpoint has none."""
    rates, kernels = (10, 6, 2, 2, 2), (20, 12, 4, 4, 4)
    generator = Generator(
        MEL_BANDS, channels, rates, kernels, BLOCK_KERNELS, BLOCK_DILATIONS, timbre=0, output_bias=True
    )
    fold_weight_norm(generator)
    return generator
