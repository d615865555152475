"""The prior of stage two in all official families: tokens, phones and a timbre to frames.

The families differ in what they make of the frames: `timbral.nets.acoustic` goes on with a VITS,
`timbral.nets.mel_acoustic` with flow matching.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from timbral.nets.masks import length_mask
from timbral.nets.mel_style import StyleEncoder
from timbral.nets.quantizer import Quantizer
from timbral.nets.text_encoder import TextEncoder

FRAMES_PER_TOKEN = 2


@dataclass(frozen=True)
class PriorConfig:
    """Sizes of the part that the families share; the defaults are those of the official v2, v3 and v4.

    phonemes, codes: rows of the phone table and of the codebook; features: channels of the speech features.
    quantizers: codebooks, each for what the ones before it leave; stage one writes the codes of the first.
    timbre_bins: the lowest bins of a recording's spectrum, which the timbre is read off; timbre: size of ge.
    mrte_hidden: width where timbre meets content.
    """

    phonemes: int = 732
    codes: int = 1024
    features: int = 768
    quantizers: int = 1
    timbre_bins: int = 704
    latent: int = 192
    hidden: int = 192
    feed_forward: int = 768
    heads: int = 2
    layers: int = 6
    kernel: int = 3
    dropout: float = 0.1
    mrte_hidden: int = 512
    mrte_heads: int = 4
    timbre: int = 512


class PriorNetwork(nn.Module):
    """Recordings to a timbre and to tokens; tokens, phones and a timbre to frames."""

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        self.ssl_proj = nn.Conv1d(config.features, config.features, FRAMES_PER_TOKEN, stride=FRAMES_PER_TOKEN)
        self.quantizer = Quantizer(config.codes, config.features, config.quantizers)
        self.ref_enc = StyleEncoder(config.timbre_bins, config.timbre)
        self.timbre_bins = config.timbre_bins
        self.enc_p = TextEncoder(
            features=config.features,
            phonemes=config.phonemes,
            latent=config.latent,
            hidden=config.hidden,
            inner=config.feed_forward,
            heads=config.heads,
            layers=config.layers,
            kernel=config.kernel,
            dropout=config.dropout,
            mrte_hidden=config.mrte_hidden,
            mrte_heads=config.mrte_heads,
        )

    def style(self, spectrum: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What a recording's spectrum [batch, bins, frames] says of its speaker, [batch, timbre, 1].

        Bins above `timbre_bins` are not looked at; lengths: frames of each row, by default all.
        """
        mask = mask_of(spectrum, lengths)
        return self.ref_enc(spectrum[:, : self.timbre_bins], mask)  # type: ignore[no-any-return]

    def codes_of(self, features: Tensor) -> Tensor:
        """Semantic tokens [batch, time // 2] of speech features [batch, features, time] (50 Hz)."""
        return self.quantizer.encode(self.ssl_proj(features))[:, 0]

    def prior(
        self,
        codes: Tensor,
        phones: Tensor,
        ge: Tensor,
        code_lengths: Tensor | None = None,
        phone_lengths: Tensor | None = None,
    ) -> Tensor:
        """Frames [batch, hidden, 2 T] of tokens [batch, T], phones [batch, P], ge [batch, timbre, 1].

        Lengths [batch] of rows that are padded on the right; by default there is no padding.
        """
        return self.prior_of(self.quantizer.decode(codes[:, None]), phones, ge, code_lengths, phone_lengths)

    def prior_of(
        self,
        quantized: Tensor,
        phones: Tensor,
        ge: Tensor,
        code_lengths: Tensor | None = None,
        phone_lengths: Tensor | None = None,
    ) -> Tensor:
        """As `prior`, of quantised features [batch, features, T] in the place of tokens."""
        features = quantized.repeat_interleave(FRAMES_PER_TOKEN, dim=2)
        mask = mask_of(features, None if code_lengths is None else code_lengths * FRAMES_PER_TOKEN)
        phone_mask = mask_of(phones[:, None], phone_lengths)
        return self.enc_p(features, mask, phones, phone_mask, self.prior_timbre(ge))  # type: ignore[no-any-return]

    def prior_timbre(self, ge: Tensor) -> Tensor:
        """The projected timbre [batch, mrte_hidden, 1] of ge [batch, timbre, 1]."""
        return ge


def mask_of(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Mask [batch, 1, time] of x [batch, channels, time] whose rows have the given lengths, by default all."""
    if lengths is None:
        return torch.ones_like(x[:, :1], dtype=torch.float32)
    return length_mask(lengths, x.shape[2])
