"""The timbre encoder of the official families: the style encoder of Meta-StyleSpeech (Min et al. 2021)."""

import math

from torch import Tensor, nn
from torch.nn import functional


class Affine(nn.Module):
    """A linear layer under the name that checkpoints give it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.fc = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)  # type: ignore[no-any-return]


class Convolution(nn.Module):
    """A convolution that keeps the length, under the name that checkpoints give it."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)  # type: ignore[no-any-return]


class GatedConvolution(nn.Module):
    """Residual convolution with a gated linear unit: [batch, channels, time] to the same shape."""

    def __init__(self, channels: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = Convolution(channels, 2 * channels, kernel)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(functional.glu(self.conv1(x), dim=1))  # type: ignore[no-any-return]


class StyleAttention(nn.Module):
    """Self-attention with a residual: [batch, time, channels] to the same shape."""

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        # The official code divides scores by the root of all channels, not of a head's.
        self.temperature = math.sqrt(channels)
        self.w_qs = nn.Linear(channels, channels)
        self.w_ks = nn.Linear(channels, channels)
        self.w_vs = nn.Linear(channels, channels)
        self.fc = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """valid: bool [batch, time], whether a frame may be looked at."""
        q, k, v = (
            projection(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for projection in (self.w_qs, self.w_ks, self.w_vs)
        )
        scores = q @ k.transpose(2, 3) / self.temperature
        weights = self.dropout(scores.masked_fill(~valid[:, None, None], -math.inf).softmax(-1))
        return x + self.dropout(self.fc((weights @ v).transpose(1, 2).flatten(2)))  # type: ignore[no-any-return]


class StyleEncoder(nn.Module):
    """A spectrum to a timbre vector."""

    def __init__(
        self, bins: int, timbre: int, hidden: int = 128, kernel: int = 5, heads: int = 2, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.spectral = nn.Sequential(
            Affine(bins, hidden),
            nn.Mish(),
            nn.Dropout(dropout),
            Affine(hidden, hidden),
            nn.Mish(),
            nn.Dropout(dropout),
        )
        self.temporal = nn.Sequential(
            GatedConvolution(hidden, kernel, dropout), GatedConvolution(hidden, kernel, dropout)
        )
        self.slf_attn = StyleAttention(hidden, heads, dropout)
        self.fc = Affine(hidden, timbre)

    def forward(self, spectrum: Tensor, mask: Tensor) -> Tensor:
        """spectrum [batch, bins, frames], mask [batch, 1, frames]; returns [batch, timbre, 1]."""
        columns = mask.transpose(1, 2)
        x = self.spectral((spectrum * mask).transpose(1, 2)).transpose(1, 2)
        # The official code lets what biases leave in the padding reach the last frames of a row; here a row
        # of a padded batch is what it is alone.
        for convolution in self.temporal:
            x = convolution(x * mask)
        x = self.fc(self.slf_attn(x.transpose(1, 2) * columns, mask.squeeze(1) > 0))
        mean = (x * columns).sum(1) / columns.sum(1)
        return mean.unsqueeze(2)  # type: ignore[no-any-return]
