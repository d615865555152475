"""ConvNeXt blocks over time (Liu et al. 2022): that of v3 and v4, and that of sovits-tiny.

Both compute `convnext` with an addition of their own. Their parameters have the names of checkpoints and bundles.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Channels = Callable[[Tensor], Tensor]
"""Maps [batch, time, channels]."""


def convnext(x: Tensor, depthwise: nn.Conv1d, norm: Channels, widen: Channels, narrow: Channels) -> Tensor:
    """Depthwise convolution over time, norm, two layers over channels, and a residual: [batch, channels, time]."""
    more = narrow(widen(norm(depthwise(x).transpose(1, 2))))
    return x + more.transpose(1, 2)


class FilmConvNextBlock(nn.Module):
    """Block whose normalised channels are scaled and shifted by a condition [batch, size] (FiLM, Perez et al. 2018)."""

    def __init__(self, channels: int, kernel: int, expansion: int, condition: int) -> None:
        super().__init__()
        self.mix = nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.film = nn.Linear(condition, 2 * channels)
        self.up = nn.Linear(channels, expansion * channels)
        self.down = nn.Linear(expansion * channels, channels)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)
        nn.init.normal_(self.down.weight, std=0.02)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x [batch, channels, time] to the same shape."""
        scale, shift = self.film(condition[:, None]).chunk(2, -1)
        return convnext(
            x,
            self.mix,
            lambda y: self.norm(y) * (1 + scale) + shift,
            lambda y: F.gelu(self.up(y), approximate="tanh"),
            self.down,
        )


class ResponseNorm(nn.Module):
    """Global response normalisation of [batch, time, channels]: channels compete by their norm over time."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        strength = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        relative = strength / (strength.mean(dim=-1, keepdim=True) + 1e-6)
        normed: Tensor = self.gamma * (x * relative) + self.beta
        return x + normed


class ConvNextV2Block(nn.Module):
    """Block of ConvNeXt V2 (Woo et al. 2023), with global response normalisation."""

    def __init__(self, channels: int, inner: int, kernel: int = 7) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1 = nn.Linear(channels, inner)
        self.grn = ResponseNorm(inner)
        self.pwconv2 = nn.Linear(inner, channels)

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, channels, time] to the same shape."""
        return convnext(x, self.dwconv, self.norm, lambda y: self.grn(F.gelu(self.pwconv1(y))), self.pwconv2)
