"""ConvNeXt V2 blocks (Woo et al. 2023, https://github.com/facebookresearch/ConvNeXt-V2), over time."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class ResponseNorm(nn.Module):
    """Global response normalisation: lets channels compete by their strength over all frames."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, time, channels] to the same shape."""
        strength = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        relative = strength / (strength.mean(dim=-1, keepdim=True) + 1e-6)
        normed: Tensor = self.gamma * (x * relative) + self.beta
        return x + normed


class ConvNextBlock(nn.Module):
    """A depthwise convolution over time, then two layers over channels, with a residual."""

    def __init__(self, channels: int, inner: int, kernel: int = 7) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1 = nn.Linear(channels, inner)
        self.grn = ResponseNorm(inner)
        self.pwconv2 = nn.Linear(inner, channels)

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, time, channels] to the same shape."""
        near = self.dwconv(x.transpose(1, 2)).transpose(1, 2)
        wide = functional.gelu(self.pwconv1(self.norm(near)))
        return x + self.pwconv2(self.grn(wide))  # type: ignore[no-any-return]
