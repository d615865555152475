"""The encoder blocks of stage two: attention with relative positions (Shaw et al. 2018), and convolutions.

Relative positions within a window after Shaw et al. 2018, as VITS uses them
(https://github.com/jaywalnut310/vits, `attentions.py`); here the window alone is computed, not every distance
of the sequence.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from timbral.nets.normalization import ChannelNorm

MASKED = -1e4
"""Score of masked positions."""


class MultiHeadAttention(nn.Module):
    """Attention of [batch, channels, queries] over [batch, channels, keys].

    window: up to this distance, keys and values are shifted by an embedding of the distance (then queries and
    keys must be the same sequence); 0 for none.
    """

    def __init__(self, channels: int, heads: int, dropout: float = 0.0, window: int = 0) -> None:
        super().__init__()
        self.heads = heads
        self.head_size = channels // heads
        self.window = window
        self.conv_q = nn.Conv1d(channels, channels, 1)
        self.conv_k = nn.Conv1d(channels, channels, 1)
        self.conv_v = nn.Conv1d(channels, channels, 1)
        self.conv_o = nn.Conv1d(channels, channels, 1)
        self.drop = nn.Dropout(dropout)
        for convolution in (self.conv_q, self.conv_k, self.conv_v):
            nn.init.xavier_uniform_(convolution.weight)
        if window:
            scale = self.head_size**-0.5
            self.emb_rel_k = nn.Parameter(torch.randn(1, 2 * window + 1, self.head_size) * scale)
            self.emb_rel_v = nn.Parameter(torch.randn(1, 2 * window + 1, self.head_size) * scale)

    def forward(self, x: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """mask [batch, 1, queries, keys], zero where a query may not look; returns the shape of x."""
        q, k, v = (
            self._split(self.conv_q(x)),
            self._split(self.conv_k(context)),
            self._split(self.conv_v(context)),
        )
        q = q / math.sqrt(self.head_size)
        scores = q @ k.transpose(2, 3)
        if self.window:
            distance, near = self._distances(x.shape[2], x.device)
            by_distance = q @ self.emb_rel_k.transpose(1, 2)
            shifts = by_distance.gather(3, distance.expand(*scores.shape[:2], -1, -1))
            scores = scores + shifts * near
        weights = self.drop(scores.masked_fill(mask == 0, MASKED).softmax(-1))
        mixed = weights @ v
        if self.window:
            mixed = mixed + self._near_weights(weights) @ self.emb_rel_v
        return self.conv_o(mixed.transpose(2, 3).flatten(1, 2))  # type: ignore[no-any-return]

    def _split(self, x: Tensor) -> Tensor:
        """[batch, channels, time] to [batch, heads, time, head_size]."""
        return x.view(x.shape[0], self.heads, self.head_size, x.shape[2]).transpose(2, 3)

    def _distances(self, time: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """For each query and key, the row of the distance embeddings, and whether they are near."""
        index = torch.arange(time, device=device)
        distance = index[None, :] - index[:, None] + self.window
        near = (distance >= 0) & (distance <= 2 * self.window)
        return distance.clamp(0, 2 * self.window), near

    def _near_weights(self, weights: Tensor) -> Tensor:
        """Weights [batch, heads, time, time] by distance: [batch, heads, time, 2 * window + 1]."""
        index = torch.arange(weights.shape[3], device=weights.device)
        offset = torch.arange(-self.window, self.window + 1, device=weights.device)
        column = index[:, None] + offset
        inside = (column >= 0) & (column <= index[-1])
        column = column.clamp(min=0).minimum(index[-1])
        return weights.gather(3, column.expand(*weights.shape[:2], -1, -1)) * inside


class FeedForward(nn.Module):
    """Two convolutions with a ReLU between: [batch, channels, time] to the same shape."""

    def __init__(self, channels: int, inner: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.pad = ((kernel - 1) // 2, kernel // 2)
        self.conv_1 = nn.Conv1d(channels, inner, kernel)
        self.conv_2 = nn.Conv1d(inner, channels, kernel)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """mask [batch, 1, time]."""
        x = self.drop(functional.relu(self.conv_1(functional.pad(x * mask, self.pad))))
        x = self.conv_2(functional.pad(x * mask, self.pad))
        return x * mask


class RelativeEncoder(nn.Module):
    """Layers of attention within a window of distances and of feed-forward, each with a norm after it."""

    def __init__(
        self, channels: int, inner: int, heads: int, layers: int, kernel: int, dropout: float, window: int = 4
    ) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.attn_layers = nn.ModuleList(
            MultiHeadAttention(channels, heads, dropout, window) for _ in range(layers)
        )
        self.norm_layers_1 = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))
        self.ffn_layers = nn.ModuleList(FeedForward(channels, inner, kernel, dropout) for _ in range(layers))
        self.norm_layers_2 = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x [batch, channels, time], mask [batch, 1, time]; returns the shape of x."""
        pairs = mask.unsqueeze(2) * mask.unsqueeze(3)
        x = x * mask
        for attention, norm_1, feed_forward, norm_2 in zip(
            self.attn_layers, self.norm_layers_1, self.ffn_layers, self.norm_layers_2, strict=True
        ):
            x = norm_1(x + self.drop(attention(x, x, pairs)))
            x = norm_2(x + self.drop(feed_forward(x, mask)))
        return x * mask
