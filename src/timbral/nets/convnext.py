"""ConvNeXt blocks over time (Liu et al. 2022): that of v3 and v4, and that of sovits-tiny.

Both compute the same but for the additions of each; their parameters have the names that checkpoints and
bundles give them.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def depthwise_convolution(channels: int, kernel: int) -> nn.Conv1d:
    """A depthwise convolution that keeps the length."""
    return nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels)


class ConvNextBlock(nn.Module):
    """Depthwise convolution over time, layer norm, two layers over channels, and a residual.

    A variant sets the four layers, and may override `modulate` and `respond`. Maps [batch, channels, time] to
    the same shape.
    """

    approximate = "tanh"
    """Approximation of GELU."""

    def layers(self) -> tuple[nn.Conv1d, nn.LayerNorm, nn.Linear, nn.Linear]:
        """Depthwise convolution, norm, and the layers that widen and narrow the channels."""
        raise NotImplementedError

    def modulate(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """Applies the condition to the normalised channels [batch, time, channels]."""
        return x

    def respond(self, x: Tensor) -> Tensor:
        """Normalises the wide channels [batch, time, inner]."""
        return x

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        depthwise, norm, widen, narrow = self.layers()
        y = self.modulate(norm(depthwise(x).transpose(1, 2)), condition)
        more: Tensor = narrow(self.respond(F.gelu(widen(y), approximate=self.approximate)))
        return x + more.transpose(1, 2)


class FilmConvNextBlock(ConvNextBlock):
    """Block whose normalised channels are scaled and shifted by a condition [batch, size] (FiLM, Perez et al.
    2018).
    """

    def __init__(self, channels: int, kernel: int, expansion: int, condition: int) -> None:
        super().__init__()
        self.mix = depthwise_convolution(channels, kernel)
        self.norm = nn.LayerNorm(channels)
        self.film = nn.Linear(condition, 2 * channels)
        self.up = nn.Linear(channels, expansion * channels)
        self.down = nn.Linear(expansion * channels, channels)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)
        nn.init.normal_(self.down.weight, std=0.02)

    def layers(self) -> tuple[nn.Conv1d, nn.LayerNorm, nn.Linear, nn.Linear]:
        return self.mix, self.norm, self.up, self.down

    def modulate(self, x: Tensor, condition: Tensor | None) -> Tensor:
        assert condition is not None
        scale, shift = self.film(condition[:, None]).chunk(2, -1)
        return x * (1 + scale) + shift  # type: ignore[no-any-return]


class ResponseNorm(nn.Module):
    """Global response normalisation of [batch, time, channels]: channels compete by their norm over time
    (ConvNeXt V2).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        strength = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        relative = strength / (strength.mean(dim=-1, keepdim=True) + 1e-6)
        normed: Tensor = self.gamma * (x * relative) + self.beta
        return x + normed


class ConvNextV2Block(ConvNextBlock):
    """Block of ConvNeXt V2 (Woo et al. 2023), with global response normalisation."""

    approximate = "none"

    def __init__(self, channels: int, inner: int, kernel: int = 7) -> None:
        super().__init__()
        self.dwconv = depthwise_convolution(channels, kernel)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1 = nn.Linear(channels, inner)
        self.grn = ResponseNorm(inner)
        self.pwconv2 = nn.Linear(inner, channels)

    def layers(self) -> tuple[nn.Conv1d, nn.LayerNorm, nn.Linear, nn.Linear]:
        return self.dwconv, self.norm, self.pwconv1, self.pwconv2

    def respond(self, x: Tensor) -> Tensor:
        return self.grn(x)  # type: ignore[no-any-return]
