"""Linear and mel spectrograms of the official networks: for the timbre, losses, v3 and v4."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from timbral.nets.log_mel import FourierBasis


@dataclass(frozen=True)
class SpectrogramConfig:
    """rate in Hz; n_fft (also the Hann window) and hop in samples; bands of the mel scale up to rate / 2."""

    rate: int = 32000
    n_fft: int = 2048
    hop: int = 640
    bands: int = 128


TIMBRE = SpectrogramConfig()
"""What v1, v2 and the Pro versions read a timbre off (linear) and compare in training (mel)."""
V3 = SpectrogramConfig(rate=24000, n_fft=1024, hop=256, bands=100)
V4 = SpectrogramConfig(rate=32000, n_fft=1280, hop=320, bands=100)

LOWEST, HIGHEST = -12.0, 2.0
"""Range of a log mel spectrogram that v3 and v4 normalise."""


def linear_spectrogram(samples: Tensor, config: SpectrogramConfig = TIMBRE) -> Tensor:
    """Magnitudes [batch, n_fft // 2 + 1, n // hop] of samples [batch, n]; frames are centred."""
    padded = _padded(samples, config)
    window = torch.hann_window(config.n_fft, dtype=samples.dtype, device=samples.device)
    spectrum = torch.stft(padded, config.n_fft, config.hop, window=window, center=False, return_complex=True)
    return torch.sqrt(torch.view_as_real(spectrum).square().sum(-1) + 1e-8)


class LinearSpectrogram(nn.Module):
    """`linear_spectrogram` as a matrix product, for export: onnxruntime's STFT is too coarse for n_fft 1280."""

    def __init__(self, config: SpectrogramConfig = TIMBRE) -> None:
        super().__init__()
        self.config = config
        self.basis = FourierBasis(config.n_fft)

    def forward(self, samples: Tensor) -> Tensor:
        padded = _padded(samples, self.config)[:, None]
        parts = functional.conv1d(padded, self.basis()[:, None], stride=self.config.hop).chunk(2, dim=1)
        return torch.sqrt(parts[0].square() + parts[1].square() + 1e-8)


def _padded(samples: Tensor, config: SpectrogramConfig) -> Tensor:
    """Samples [batch, n] reflected at both ends, so that the first frame is centred in the first hop."""
    edge = (config.n_fft - config.hop) // 2
    return functional.pad(samples[:, None], (edge, edge), mode="reflect")[:, 0]


def log_mel(linear: Tensor, config: SpectrogramConfig = TIMBRE) -> Tensor:
    """Logarithm of mel magnitudes, [batch, bands, frames], of a linear spectrogram [batch, bins, frames]."""
    return _logarithm(mel_filters(config).to(linear) @ linear)


def _logarithm(mel: Tensor) -> Tensor:
    return mel.clamp(min=1e-5).log()


class MelSpectrogram(nn.Module):
    """`log_mel` of samples [batch, n], for export."""

    filters: Tensor

    def __init__(self, config: SpectrogramConfig) -> None:
        super().__init__()
        self.linear = LinearSpectrogram(config)
        self.register_buffer("filters", mel_filters(config), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        return _logarithm(self.filters @ self.linear(samples))


def normalized(mel: Tensor) -> Tensor:
    """A log mel spectrogram as the flow matching of v3 and v4 sees it: -12 to 2 becomes -1 to 1."""
    return (mel - LOWEST) / (HIGHEST - LOWEST) * 2 - 1


def denormalized(mel: Tensor) -> Tensor:
    """The inverse of `normalized`."""
    return (mel + 1) / 2 * (HIGHEST - LOWEST) + LOWEST


@lru_cache
def mel_filters(config: SpectrogramConfig) -> Tensor:
    """Triangular filters [bands, n_fft // 2 + 1] of equal area on Slaney's mel scale (as in librosa)."""
    # They are kept, so they must not be tensors of the mode that the first caller happens to be in.
    with torch.inference_mode(False):
        return _mel_filters(config)


def _mel_filters(config: SpectrogramConfig) -> Tensor:
    bins = torch.linspace(0, config.rate / 2, config.n_fft // 2 + 1, dtype=torch.float64)
    top = _to_mel(torch.tensor(config.rate / 2, dtype=torch.float64))
    corners = _to_hertz(torch.linspace(0, 1, config.bands + 2, dtype=torch.float64) * top)
    low, centre, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    return (torch.minimum(rising, falling).clamp(min=0) * 2 / (high - low)).float()


_LINEAR_HERTZ = 200 / 3
_KNEE_HERTZ = 1000.0
_KNEE = _KNEE_HERTZ / _LINEAR_HERTZ
_LOG_STEP = torch.log(torch.tensor(6.4, dtype=torch.float64)).item() / 27


def _to_mel(hertz: Tensor) -> Tensor:
    above = _KNEE + (hertz.clamp(min=_KNEE_HERTZ) / _KNEE_HERTZ).log() / _LOG_STEP
    return torch.where(hertz < _KNEE_HERTZ, hertz / _LINEAR_HERTZ, above)


def _to_hertz(mel: Tensor) -> Tensor:
    above = _KNEE_HERTZ * (_LOG_STEP * (mel - _KNEE)).exp()
    return torch.where(mel < _KNEE, mel * _LINEAR_HERTZ, above)
