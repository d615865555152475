"""Log-mel filterbank energies as in Kaldi (`compute-fbank-feats`), the input of speaker encoders.

All that happens to a frame before its power is linear (taking off the mean, pre-emphasis, Povey's window, the
Fourier transform), hence one convolution over the samples does it, and the features export to ONNX as they
are.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

RATE = 16000
_FRAME, _HOP, _FFT = 400, 160, 512
_PREEMPHASIS = 0.97
_LOWEST, _HIGHEST = 20.0, RATE / 2
_FLOOR = torch.finfo(torch.float32).eps


class KaldiFilterbank(nn.Module):
    """Samples at 16 kHz to log-mel energies of frames of 25 ms, 10 ms apart; no dither, whole frames only."""

    def __init__(self, bands: int = 80) -> None:
        super().__init__()
        self.register_buffer("basis", _basis().float()[:, None], persistent=False)
        self.register_buffer("filters", _filters(bands).float(), persistent=False)
        self.basis: Tensor
        self.filters: Tensor

    def forward(self, samples: Tensor) -> Tensor:
        """samples [batch, n] within [-1, 1], n at least 400; returns [batch, (n - 400) // 160 + 1, bands]."""
        real, imaginary = functional.conv1d(samples[:, None], self.basis, stride=_HOP).chunk(2, dim=1)
        power = real.square() + imaginary.square()
        return (self.filters @ power).clamp(min=_FLOOR).log().transpose(1, 2)


def _basis() -> Tensor:
    """Rows that take a frame to its spectrum below the Nyquist frequency, real then imaginary: [512, 400]."""
    identity = torch.eye(_FRAME, dtype=torch.float64)
    centred = identity - 1 / _FRAME
    return _fourier() * _povey() @ (identity - _PREEMPHASIS * _previous()) @ centred


def _previous() -> Tensor:
    """Takes a frame to the sample before each of its own; before the first is itself."""
    shift = torch.diag(torch.ones(_FRAME - 1, dtype=torch.float64), -1)
    shift[0, 0] = 1
    return shift


def _povey() -> Tensor:
    """A Hann window, zero at both ends, to the power of 0.85: [400]."""
    return torch.hann_window(_FRAME, periodic=False, dtype=torch.float64) ** 0.85


def _fourier() -> Tensor:
    """The Fourier transform of a frame padded with zeros: [512, 400]."""
    turns = torch.arange(_FFT // 2)[:, None] * torch.arange(_FRAME) % _FFT
    angles = turns.double() * (2 * torch.pi / _FFT)
    return torch.cat([angles.cos(), -angles.sin()])


def _filters(bands: int) -> Tensor:
    """Triangles, each of height 1 and equally wide on the mel scale: [bands, 256]."""
    low, high = _mel(torch.tensor([_LOWEST, _HIGHEST], dtype=torch.float64))
    corners = low + (high - low) * torch.arange(bands + 2) / (bands + 1)
    left, centre, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    bins = _mel(torch.arange(_FFT // 2, dtype=torch.float64) * (RATE / _FFT))
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return torch.minimum(rising, falling).clamp(min=0)


def _mel(hertz: Tensor) -> Tensor:
    return 1127 * (1 + hertz / 700).log()
