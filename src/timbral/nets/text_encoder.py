"""The text encoder of stage two (`enc_p`): mean and deviation of the latent from tokens, phones and timbre."""

import torch
from torch import Tensor, nn

from timbral.nets.relative_attention import MultiHeadAttention, RelativeEncoder


class Mrte(nn.Module):
    """Multi-reference timbre encoder: content looks at the phones, and the timbre is added.

    `hidden` is also the size of the timbre that can be added.
    """

    def __init__(self, channels: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.cross_attention = MultiHeadAttention(hidden, heads)
        self.c_pre = nn.Conv1d(channels, hidden, 1)
        self.text_pre = nn.Conv1d(channels, hidden, 1)
        self.c_post = nn.Conv1d(hidden, channels, 1)

    def forward(
        self, content: Tensor, mask: Tensor, text: Tensor, text_mask: Tensor, timbre: Tensor
    ) -> Tensor:
        """content [batch, channels, frames], text [batch, channels, phones], timbre [batch, hidden, 1]."""
        content = self.c_pre(content * mask)
        text = self.text_pre(text * text_mask)
        pairs = text_mask.unsqueeze(2) * mask.unsqueeze(3)
        x = self.cross_attention(content * mask, text * text_mask, pairs) + content + timbre
        return self.c_post(x * mask)  # type: ignore[no-any-return]


class TextEncoder(nn.Module):
    """Quantised features and phones to the mean and log deviation of the latent."""

    def __init__(
        self,
        *,
        features: int,
        phonemes: int,
        latent: int,
        hidden: int,
        inner: int,
        heads: int,
        layers: int,
        kernel: int,
        dropout: float,
        mrte_hidden: int,
        mrte_heads: int,
    ) -> None:
        super().__init__()
        self.latent = latent

        def encoder(depth: int) -> RelativeEncoder:
            return RelativeEncoder(hidden, inner, heads, depth, kernel, dropout)

        self.ssl_proj = nn.Conv1d(features, hidden, 1)
        self.encoder_ssl = encoder(layers // 2)
        self.encoder_text = encoder(layers)
        self.text_embedding = nn.Embedding(phonemes, hidden)
        self.mrte = Mrte(hidden, mrte_hidden, mrte_heads)
        self.encoder2 = encoder(layers // 2)
        self.proj = nn.Conv1d(hidden, 2 * latent, 1)

    def forward(
        self, features: Tensor, mask: Tensor, phones: Tensor, phone_mask: Tensor, timbre: Tensor
    ) -> Tensor:
        """Frames of the prior, before their projection.

        features [batch, features, frames] at 50 Hz, phones [batch, P], timbre [batch, mrte_hidden, 1]; masks
        [batch, 1, frames] and [batch, 1, P]. Returns [batch, hidden, frames].
        """
        x = self.encoder_ssl(self.ssl_proj(features * mask) * mask, mask)
        text = self.encoder_text(self.text_embedding(phones).transpose(1, 2), phone_mask)
        return self.encoder2(self.mrte(x, mask, text, phone_mask, timbre), mask)  # type: ignore[no-any-return]

    def statistics(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log deviation, each [batch, latent, frames], of frames [batch, hidden, frames]."""
        mean, log_deviation = (self.proj(frames) * mask).split(self.latent, dim=1)
        return mean, log_deviation


def stretched(x: Tensor, time: int) -> Tensor:
    """x [batch, channels, frames] as `time` frames, interpolated linearly; the same if it has that many."""
    place = (torch.arange(time, device=x.device) + 0.5) * (x.shape[2] / time) - 0.5
    return read_at(x, place.clamp(min=0))


def read_at(x: Tensor, places: Tensor) -> Tensor:
    """x [batch, channels, frames] at float places [time] from 0 on, interpolated linearly between frames."""
    before = places.floor().long()
    after = (before + 1).clamp(max=x.shape[2] - 1)
    fraction = (places - before).to(x.dtype)
    return x.index_select(2, before) * (1 - fraction) + x.index_select(2, after) * fraction
