"""The activation of BigVGAN: Snake, oversampled twice against aliasing.

Snake after Ziyin et al. 2020, with a magnitude of its own; resampling as in StyleGAN3 (Karras et al. 2021).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

TAPS = 12
"""Length of the low-pass filters, in samples at the doubled rate."""


class SnakeBeta(nn.Module):
    """x + sin²(a x) / b, with a and b of each channel stored as logarithms."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, channels, time] to the same shape."""
        frequency, magnitude = self.alpha.exp()[:, None], self.beta.exp()[:, None]
        return x + (x * frequency).sin().square() / (magnitude + 1e-9)


class Doubled(nn.Module):
    """Twice the rate: [batch, channels, time] to [batch, channels, 2 time]."""

    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", low_pass())

    def forward(self, x: Tensor) -> Tensor:
        edge = TAPS // 2 - 1
        x = functional.pad(x, (edge, edge), mode="replicate")
        weight = 2 * self.filter.expand(x.shape[1], 1, TAPS)
        x = functional.conv_transpose1d(x, weight, stride=2, groups=x.shape[1])
        return x[..., 3 * edge : -3 * edge]


class LowPass(nn.Module):
    """Low-pass filter and decimation by two, under the name in checkpoints."""

    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", low_pass())

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pad(x, (TAPS // 2 - 1, TAPS // 2), mode="replicate")
        return functional.conv1d(x, self.filter.expand(x.shape[1], 1, TAPS), stride=2, groups=x.shape[1])


class Halved(nn.Module):
    """Half the rate: [batch, channels, 2 time] to [batch, channels, time]."""

    def __init__(self) -> None:
        super().__init__()
        self.lowpass = LowPass()

    def forward(self, x: Tensor) -> Tensor:
        return self.lowpass(x)  # type: ignore[no-any-return]


class AliasFreeSnake(nn.Module):
    """Snake at twice the rate: [batch, channels, time] to the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.upsample = Doubled()
        self.act = SnakeBeta(channels)
        self.downsample = Halved()

    def forward(self, x: Tensor) -> Tensor:
        return self.downsample(self.act(self.upsample(x)))  # type: ignore[no-any-return]


def low_pass(cutoff: float = 0.25, half_width: float = 0.3) -> Tensor:
    """Kaiser-windowed sinc [1, 1, TAPS] that sums to 1; cutoff and half of its transition as parts of the
    rate.

    The window's shape is Kaiser's for the attenuation that so many taps reach (more than 50 dB).
    """
    attenuation = 2.285 * (TAPS // 2 - 1) * math.pi * 4 * half_width + 7.95
    window = torch.kaiser_window(TAPS, periodic=False, beta=0.1102 * (attenuation - 8.7))
    time = torch.arange(TAPS) - (TAPS - 1) / 2
    taps = window * torch.sinc(2 * cutoff * time)
    return (taps / taps.sum())[None, None]
