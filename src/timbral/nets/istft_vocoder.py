"""A light vocoder for the official families: ConvNeXt blocks and an inverse short-time Fourier transform.

After Vocos (Siuzdak 2023, "Vocos: Closing the gap between time-domain and Fourier-based neural vocoders"): the
network works at the rate of frames, not of samples, and predicts magnitudes and phases. Frames of the input are
split into shorter ones first where they are too long for a window. It takes the place of `hifigan.Generator` and
`bigvgan.BigVgan`: the same inputs, the same samples.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from timbral.nets.convnext import FilmConvNextBlock
from timbral.nets.fourier import ShortTimeFourier

_LOUDEST = 4.6
"""Limit of the log magnitude."""


@dataclass(frozen=True)
class IstftConfig:
    """Sizes of the vocoder.

    inputs: channels of the latent or mel. timbre: size of the timbre vector, 0 for none. hop: samples a frame of
    the input; split: shorter frames that each becomes. hidden, blocks, kernel, expansion: of the ConvNeXt blocks;
    condition: width of what the timbre becomes.
    """

    inputs: int
    timbre: int
    hop: int
    split: int = 4
    hidden: int = 384
    blocks: int = 8
    kernel: int = 7
    expansion: int = 3
    condition: int = 128

    def __post_init__(self) -> None:
        if self.hop % (2 * self.split):
            raise ValueError(f"hop ({self.hop}) must be a multiple of twice split ({self.split})")

    @property
    def reach(self) -> int:
        """Frames of the input on each side that a sample depends on, rounded up."""
        frames = self.blocks * (self.kernel // 2) + 2
        return self.kernel // 2 + math.ceil(frames / self.split)


class IstftVocoder(nn.Module):
    """Latent or mel [batch, inputs, F] and timbre [batch, timbre, 1] → samples [batch, 1, F * hop]."""

    def __init__(self, config: IstftConfig) -> None:
        super().__init__()
        self.config = config
        hidden, split = config.hidden, config.split
        self.enter = nn.Conv1d(config.inputs, hidden, config.kernel, padding=config.kernel // 2)
        self.spread = nn.Linear(hidden, split * hidden)
        self.norm = nn.LayerNorm(hidden)
        self.timbre = nn.Linear(config.timbre, config.condition) if config.timbre else None
        self.blocks = nn.ModuleList(
            FilmConvNextBlock(hidden, config.kernel, config.expansion, config.condition)
            for _ in range(config.blocks)
        )
        self.last_norm = nn.LayerNorm(hidden)
        self.fourier = ShortTimeFourier(config.hop // split)
        self.head = nn.Linear(hidden, 2 * self.fourier.bins)

    def forward(self, x: Tensor, timbre: Tensor | None = None) -> Tensor:
        config = self.config
        if self.timbre is None:
            condition = x.new_ones(len(x), config.condition)
        else:
            assert timbre is not None
            condition = self.timbre(timbre[:, :, 0])
        frames: Tensor = self.spread(self.enter(x).transpose(1, 2))
        frames = self.norm(frames.reshape(len(x), -1, config.hidden)).transpose(1, 2)
        for block in self.blocks:
            frames = block(frames, condition)
        magnitude, angle = self.head(self.last_norm(frames.transpose(1, 2))).chunk(2, 2)
        magnitude = torch.exp(magnitude.clamp(max=_LOUDEST))
        samples = self.fourier.synthesise(magnitude * torch.cos(angle), magnitude * torch.sin(angle))
        return samples[:, None]
