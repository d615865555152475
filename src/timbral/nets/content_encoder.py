"""The content encoder of sovits-tiny: semantic tokens and F0 of a recording, distilled from Whisper and
SwiftF0.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.nets.convnext import FilmConvNextBlock
from timbral.nets.log_mel import LogMel
from timbral.nets.timbre_encoder import RATE, TimbreEncoder

TOKEN_RATE = 25
"""Semantic tokens a second."""
FRAMES_PER_TOKEN = 4
_TOKEN_SAMPLES = RATE // TOKEN_RATE


@dataclass(frozen=True)
class ContentConfig:
    """Sizes of the content encoder. vocabulary: number of semantic tokens without the end token."""

    vocabulary: int = 2048
    hidden: int = 256
    blocks: int = 5
    kernel: int = 7
    expansion: int = 3
    bands: int = 80


class ContentEncoder(nn.Module):
    """Samples [batch, 640 T] at 16 kHz → token logits [batch, T, vocabulary], log2 F0 and voicing logits,
    both [batch, 4 T].

    The mean spectrum of the recording conditions all blocks, since tokens are relative to the voice.
    """

    def __init__(self, config: ContentConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden
        self.mel = LogMel(RATE, n_fft=640, hop=160, bands=config.bands)
        self.enter = nn.Conv1d(config.bands, hidden, 9, stride=FRAMES_PER_TOKEN, padding=3)
        self.whole = nn.Sequential(
            nn.Linear(config.bands, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, hidden)
        )
        self.blocks = nn.ModuleList(
            FilmConvNextBlock(hidden, config.kernel, config.expansion, hidden) for _ in range(config.blocks)
        )
        self.norm = nn.LayerNorm(hidden)
        self.to_tokens = nn.Linear(hidden, config.vocabulary)
        self.to_pitch = nn.Linear(hidden, 2 * FRAMES_PER_TOKEN)

    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        level = audio.square().mean(-1, keepdim=True).clamp_min(1e-9).sqrt()
        mel = self.mel(audio / level * 0.05)
        condition = self.whole(mel.mean(2))
        x = F.gelu(self.enter(mel), approximate="tanh")
        for block in self.blocks:
            x = block(x, condition)
        x = self.norm(x.transpose(1, 2))
        pitch, voicing = (
            self.to_pitch(x).unflatten(-1, (2, FRAMES_PER_TOKEN)).transpose(1, 2).flatten(2).unbind(1)
        )
        return self.to_tokens(x), 7.5 + pitch, voicing


class ReferenceEncoder(nn.Module):
    """Content and timbre of a reference: samples [1, n] at 16 kHz → tokens [1, n / 640] and timbre [1, 417]."""

    def __init__(self, config: ContentConfig) -> None:
        super().__init__()
        self.content = ContentEncoder(config)
        self.timbre = TimbreEncoder()

    def tokens_and_f0(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens [1, n / 640] and F0 in Hz [1, n / 160], 0 where there is none."""
        logits, pitch, voicing = self.content(_whole_tokens(audio))
        return logits.argmax(-1), torch.exp2(pitch) * (voicing > 0)

    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        logits, pitch, voicing = self.content(_whole_tokens(audio))
        voiced = torch.sigmoid(8 * voicing)
        mean = (pitch * voiced).sum(1, keepdim=True) / voiced.sum(1, keepdim=True).clamp_min(1e-3)
        return logits.argmax(-1), self.timbre(audio, mean)


def _whole_tokens(audio: Tensor) -> Tensor:
    return audio[:, : audio.shape[1] // _TOKEN_SAMPLES * _TOKEN_SAMPLES]
