"""Stage two of v1, v2, v2Pro and v2ProPlus: a VITS from semantic tokens, phones and a timbre to audio.

The network is `SynthesizerTrn` of GPT-SoVITS (https://github.com/RVC-Boss/GPT-SoVITS, `module/models.py`), a
VITS whose text encoder reads semantic tokens. Its checkpoints load strictly; those that are published lack
the posterior encoder (`posterior=False`). The road through it, each step a method:

    recordings ─ timbre ─▶ ge          features of a recording ─ codes_of ─▶ semantic tokens (25 Hz)
    tokens, phones, ge ─ prior ─▶ frames (50 Hz) ─ latent ─▶ z ─ vocode ─▶ samples

The network is deterministic: noise is an input.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import torch
from torch import Tensor, nn

from timbral.nets.hifigan import Generator
from timbral.nets.prior import PriorConfig, PriorNetwork, mask_of
from timbral.nets.text_encoder import stretched
from timbral.nets.wavenet import Flow, PosteriorEncoder


@dataclass(frozen=True)
class AcousticConfig(PriorConfig):
    """Sizes of stage two; the defaults are those of the official v2.

    spectrum_bins: of a recording, for the posterior.
    speaker: size of the speaker embedding that is added to ge, 0 for none (v1, v2); without it `timbre` must
    equal `mrte_hidden`.
    upsample_*, block_*: see `timbral.nets.hifigan.Generator`.
    posterior: whether the posterior encoder, which training needs, is there.
    flow_hidden: channels of the WaveNets of the flow, 0 for `hidden`; a pruned network has fewer.
    """

    spectrum_bins: int = 1025
    speaker: int = 0
    upsample_channels: int = 512
    upsample_rates: tuple[int, ...] = (10, 8, 2, 2, 2)
    upsample_kernels: tuple[int, ...] = (16, 16, 8, 2, 2)
    block_kernels: tuple[int, ...] = (3, 7, 11)
    block_dilations: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    posterior: bool = True
    flow_hidden: int = 0

    def __post_init__(self) -> None:
        if not self.speaker and self.timbre != self.mrte_hidden:
            raise ValueError(
                f"timbre ({self.timbre}) must equal mrte_hidden ({self.mrte_hidden}) without speaker"
            )


_V2 = AcousticConfig()
_V2_PRO = replace(_V2, timbre=1024, speaker=20480)
FAMILIES: Mapping[str, AcousticConfig] = MappingProxyType(
    {
        "v1": replace(_V2, phonemes=322, timbre_bins=1025),
        "v2": _V2,
        "v2Pro": _V2_PRO,
        "v2ProPlus": replace(_V2_PRO, dropout=0.0, upsample_channels=768, upsample_kernels=(20, 16, 8, 2, 2)),
    }
)
"""The official sizes by family."""


class AcousticNetwork(PriorNetwork):
    """Semantic tokens to samples, 640 a frame at the official sizes (32 kHz)."""

    def __init__(self, config: AcousticConfig) -> None:
        super().__init__(config)
        self.config = config
        if config.speaker:
            self.sv_emb = nn.Linear(config.speaker, config.timbre)
            self.prelu = nn.PReLU(config.timbre)
            self.ge_to512 = nn.Linear(config.timbre, config.mrte_hidden)
        self.flow = Flow(config.latent, config.flow_hidden or config.hidden, 5, 4, config.timbre)
        if config.posterior:
            self.enc_q = PosteriorEncoder(
                config.spectrum_bins, config.latent, config.hidden, 5, 16, config.timbre
            )
        self.dec = Generator(
            config.latent,
            config.upsample_channels,
            config.upsample_rates,
            config.upsample_kernels,
            config.block_kernels,
            config.block_dilations,
            config.timbre,
        )

    def timbre(
        self, spectrum: Tensor, speaker: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        """The timbre ge [batch, timbre, 1] of recordings; a voice of several recordings has the mean of ge.

        spectrum: linear spectrogram [batch, spectrum_bins, frames]; lengths: frames of each row, by default
        all.
        speaker: embedding [batch, speaker], for families that have it.
        """
        if (speaker is not None) != bool(self.config.speaker):
            raise ValueError("a speaker embedding must be given exactly when the configuration asks for one")
        ge = self.style(spectrum, lengths)
        if speaker is not None:
            ge = self.prelu(ge + self.sv_emb(speaker).unsqueeze(2))
        return ge

    def prior_timbre(self, ge: Tensor) -> Tensor:
        """See `PriorNetwork.prior_timbre`."""
        return self.ge_to512(ge.transpose(1, 2)).transpose(1, 2) if self.config.speaker else ge

    def latent(self, frames: Tensor, ge: Tensor, noise: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What the vocoder speaks, z [batch, latent, F], of frames [batch, hidden, 2 T].

        noise: [batch, latent, F], standard normal times the noise scale (officially 0.5). F sets the speed,
        as frames are stretched to F; the official speed s has F = int(2 T / s) + 1, and F = 2 T for s = 1.
        lengths: F of each row, by default all.
        """
        frames = stretched(frames, noise.shape[2])
        mask = mask_of(noise, lengths)
        mean, log_deviation = self.enc_p.statistics(frames, mask)
        return self.flow.reverse(mean + noise * log_deviation.exp(), mask, ge) * mask

    def vocode(self, z: Tensor, ge: Tensor) -> Tensor:
        """Samples [batch, F * product of upsample_rates] of z [batch, latent, F]."""
        return self.dec(z, ge).squeeze(1)  # type: ignore[no-any-return]


def joined(frames: Tensor, overlap: Tensor) -> Tensor:
    """Frames [batch, hidden, n] of a stream's next piece, faded in over the end of the piece before it.

    overlap: the last frames of that piece, [batch, hidden, k], which the first k of `frames` repeat.
    """
    k = overlap.shape[2]
    window = torch.sin(torch.arange(2 * k, device=frames.device) / (2 * k) * math.pi)
    faded = window[:k] * frames[:, :, :k] + window[k:] * overlap
    return torch.cat([faded, frames[:, :, k:]], dim=2)
