"""Tensors of HiFi-GAN generators: in stage two of v1 to v2ProPlus, and the vocoders of v3 (BigVGAN) and v4."""

from dataclasses import dataclass

from timbral.conversion.checkpoints.defects import DAMAGED, DefectError, quoted
from timbral.conversion.checkpoints.shapes import ShapeReader, Shapes, layer, normed, upsampling

HIFIGAN_SIGNATURE = "ups.0.weight"
BIGVGAN_SIGNATURE = "activation_post.act.alpha"

_RATES = {
    (16, 16, 8, 2, 2): (10, 8, 2, 2, 2),
    (20, 16, 8, 2, 2): (10, 8, 2, 2, 2),
    (20, 12, 4, 4, 4): (10, 6, 2, 2, 2),
    (8, 8, 4, 4, 4, 4): (4, 4, 2, 2, 2, 2),
}
"""Rates of the official generators by the kernels of their upsamplings, from which they do not follow."""


@dataclass(frozen=True)
class GeneratorSizes:
    """Sizes of a generator, named as in `timbral.nets.acoustic.AcousticConfig`.

    upsample_rates, block_dilations: by the configuration in the file, else the official ones: shapes do not
    determine them.
    """

    upsample_channels: int
    upsample_rates: tuple[int, ...]
    upsample_kernels: tuple[int, ...]
    block_kernels: tuple[int, ...]
    block_dilations: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class VocoderSizes:
    """Sizes of a mel vocoder.

    normed: whether the file keeps weight norm; output_bias: whether the last convolution has a bias.
    """

    mels: int
    generator: GeneratorSizes
    normed: bool
    output_bias: bool


def infer_generator(reader: ShapeReader, prefix: str, up: str, suffix: str) -> GeneratorSizes:
    """Sizes of the generator at `prefix`.

    up: name of an upsampling, with `{}` for its index. suffix: last part of the names of weights.
    Raises DefectError.
    """
    ups = reader.count(f"{prefix}{up}.{suffix}")
    block = f"{prefix}resblocks.{{}}.convs1.0.{suffix}"
    blocks = reader.count(block)
    if blocks % ups:
        raise DefectError(f"it has {blocks} residual blocks for {ups} upsamplings; {DAMAGED}")
    kernels = tuple(reader.length(f"{prefix}{up}.{suffix}".format(i), 2) for i in range(ups))
    rates = reader.numbers("model", "upsample_rates", count=ups) or _RATES.get(kernels)
    if rates is None:
        raise DefectError(
            f"its upsamplings with the kernels {quoted(str(kernels))} are of no official version"
        )
    per_stage = blocks // ups
    depths = [reader.count(f"{prefix}resblocks.{i}.convs1.{{}}.{suffix}") for i in range(per_stage)]
    return GeneratorSizes(
        upsample_channels=reader.length(f"{prefix}conv_pre.bias", 0),
        upsample_rates=rates,
        upsample_kernels=kernels,
        block_kernels=tuple(reader.length(block.format(i), 2) for i in range(per_stage)),
        block_dilations=_dilations(reader, depths),
    )


def _dilations(reader: ShapeReader, depths: list[int]) -> tuple[tuple[int, ...], ...]:
    """Of each residual block of a stage; officially 1, 3, 5."""
    given = reader.setting("model", "resblock_dilation_sizes")
    if isinstance(given, list) and len(given) == len(depths):
        rows = [item if isinstance(item, list) else [] for item in given]
    else:
        rows = [[1, 3, 5] for _ in depths]
    dilations = []
    for row, depth in zip(rows, depths, strict=True):
        numbers = tuple(n for n in row if type(n) is int and 0 < n < 1000)
        if len(numbers) != depth or len(row) != depth:
            raise DefectError(f"its residual blocks do not have one convolution for each dilation; {DAMAGED}")
        dilations.append(numbers)
    return tuple(dilations)


def upsamplings(sizes: GeneratorSizes, prefix: str, up: str) -> Shapes:
    """The upsamplings and the convolutions of the residual blocks: what can have weight norm everywhere."""
    made: Shapes = {}
    for stage, (kernel, inputs) in enumerate(zip(sizes.upsample_kernels, channels(sizes), strict=True)):
        made |= upsampling(f"{prefix}{up.format(stage)}", inputs, inputs // 2, kernel)
        for index, (width, dilations) in enumerate(
            zip(sizes.block_kernels, sizes.block_dilations, strict=True)
        ):
            block = f"{prefix}resblocks.{stage * len(sizes.block_kernels) + index}"
            for depth in range(len(dilations)):
                for part in ("convs1", "convs2"):
                    made |= layer(f"{block}.{part}.{depth}", inputs // 2, inputs // 2, width)
    return made


def channels(sizes: GeneratorSizes) -> list[int]:
    """Channels that enter each upsampling."""
    return [sizes.upsample_channels >> stage for stage in range(len(sizes.upsample_kernels))]


def infer_hifigan(reader: ShapeReader) -> VocoderSizes:
    """Sizes of the vocoder of v4. Raises DefectError."""
    return VocoderSizes(
        mels=reader.length("conv_pre.weight", 1),
        generator=infer_generator(reader, "", "ups.{}", "weight"),
        normed=False,
        output_bias=reader.has("conv_post.bias"),
    )


def hifigan_shapes(sizes: VocoderSizes) -> Shapes:
    """Every tensor of the vocoder of v4, whose file has no weight norm."""
    last = channels(sizes.generator)[-1] // 2
    return {
        **layer("conv_pre", sizes.generator.upsample_channels, sizes.mels, 7),
        **upsamplings(sizes.generator, "", "ups.{}"),
        **layer("conv_post", 1, last, 7, bias=sizes.output_bias),
    }


def infer_bigvgan(reader: ShapeReader) -> VocoderSizes:
    """Sizes of the vocoder of v3. Raises DefectError."""
    normed_file = reader.has("conv_pre.weight_v")
    suffix = "weight_v" if normed_file else "weight"
    return VocoderSizes(
        mels=reader.length(f"conv_pre.{suffix}", 1),
        generator=infer_generator(reader, "", "ups.{}.0", suffix),
        normed=normed_file,
        output_bias=reader.has("conv_post.bias"),
    )


def bigvgan_shapes(sizes: VocoderSizes) -> Shapes:
    """Every tensor of the vocoder of v3."""
    last = channels(sizes.generator)[-1] // 2
    convolutions = {
        **layer("conv_pre", sizes.generator.upsample_channels, sizes.mels, 7),
        **upsamplings(sizes.generator, "", "ups.{}.0"),
        **layer("conv_post", 1, last, 7, bias=sizes.output_bias),
    }
    made = normed(convolutions) if sizes.normed else convolutions
    made |= _activation("activation_post", last)
    for stage, inputs in enumerate(channels(sizes.generator)):
        for index, dilations in enumerate(sizes.generator.block_dilations):
            block = f"resblocks.{stage * len(sizes.generator.block_dilations) + index}"
            for step in range(2 * len(dilations)):
                made |= _activation(f"{block}.activations.{step}", inputs // 2)
    return made


def _activation(name: str, size: int) -> Shapes:
    """A periodic activation between an upsampling and a downsampling filter."""
    return {
        f"{name}.act.alpha": (size,),
        f"{name}.act.beta": (size,),
        f"{name}.upsample.filter": (1, 1, 12),
        f"{name}.downsample.lowpass.filter": (1, 1, 12),
    }
