"""The content encoder of sovits-tiny: semantic tokens and F0 of a recording, distilled from Whisper and
SwiftF0, and the time that the model would take to say the same.
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
    """Sizes of the content encoder.

    vocabulary: number of semantic tokens without the end token. usual: width of `UsualTime`, 0 without it.
    """

    vocabulary: int = 2048
    hidden: int = 256
    blocks: int = 5
    kernel: int = 7
    expansion: int = 3
    bands: int = 80
    usual: int = 0


class UsualTime(nn.Module):
    """Features [batch, T, hidden] → seconds [batch, T] that the duration predictor gives to what is said in
    each token's time.

    Their sum, beside the time that the speaker took, is the speaker's pace; the words need not be known.
    """

    def __init__(self, hidden: int, width: int, kernel: int = 5) -> None:
        super().__init__()
        self.enter = nn.Conv1d(hidden, width, kernel, padding=kernel // 2)
        self.leave = nn.Conv1d(width, 1, 1)
        assert self.leave.bias is not None
        nn.init.constant_(self.leave.bias, -3.2)

    def forward(self, features: Tensor) -> Tensor:
        x = F.gelu(self.enter(features.transpose(1, 2)), approximate="tanh")
        return F.softplus(self.leave(x))[:, 0]


class ContentEncoder(nn.Module):
    """Samples [batch, 640 T] at 16 kHz → token logits [batch, T, vocabulary], log2 F0 and voicing logits,
    both [batch, 4 T]; if `timed`, also the seconds [batch, T] of `UsualTime`.

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
        self.usual = UsualTime(hidden, config.usual) if config.usual else None

    def forward(self, audio: Tensor, timed: bool = False) -> tuple[Tensor, ...]:
        features = self.features(self.spectrum(audio))
        parts = self.read_out(features)
        return (*parts, self.usual(features)) if timed and self.usual is not None else parts

    def spectrum(self, audio: Tensor) -> Tensor:
        """Log-mel [batch, bands, 4 T] at a fixed level."""
        level = audio.square().mean(-1, keepdim=True).clamp_min(1e-9).sqrt()
        mel: Tensor = self.mel(audio / level * 0.05)
        return mel

    def features(self, mel: Tensor) -> Tensor:
        """What all outputs are read from: [batch, T, hidden]."""
        condition = self.whole(mel.mean(2))
        x = F.gelu(self.enter(mel), approximate="tanh")
        for block in self.blocks:
            x = block(x, condition)
        features: Tensor = self.norm(x.transpose(1, 2))
        return features

    def read_out(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Token logits, log2 F0 and voicing logits of features."""
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

    def hear(self, audio: Tensor) -> tuple[Tensor, ...]:
        """Tokens [1, n / 640], F0 in Hz [1, n / 160], 0 where there is none, and `UsualTime` [1, n / 640]
        where there is one.
        """
        content = self.content
        features = content.features(content.spectrum(_whole_tokens(audio)))
        logits, pitch, voicing = content.read_out(features)
        usual = () if content.usual is None else (content.usual(features),)
        return logits.argmax(-1), torch.exp2(pitch) * (voicing > 0), *usual

    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        logits, pitch, voicing = self.content(_whole_tokens(audio))
        voiced = torch.sigmoid(8 * voicing)
        mean = (pitch * voiced).sum(1, keepdim=True) / voiced.sum(1, keepdim=True).clamp_min(1e-3)
        return logits.argmax(-1), self.timbre(audio, mean)


def _whole_tokens(audio: Tensor) -> Tensor:
    return audio[:, : audio.shape[1] // _TOKEN_SAMPLES * _TOKEN_SAMPLES]
