"""The speaker encoder of the Pro families: ERes2NetV2 (Chen et al. 2024, arXiv:2406.02167), w24, s4, e4.

Parameter names are those of modelscope/3D-Speaker. Its statistics pooling and its last layer are left out:
the official models read the mean over time of the map before them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from timbral.nets.kaldi import KaldiFilterbank


@dataclass(frozen=True)
class SpeakerConfig:
    """Sizes of ERes2NetV2; the defaults are the official ones, whose embedding has 20480 numbers.

    bands: of the mel scale; blocks: in each of the four stages, whose width doubles from `channels` on.
    base_width: channels of one of the `scale` branches of a block, for 64 of its width; expansion: of a
    block's output.
    """

    bands: int = 80
    channels: int = 64
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    base_width: int = 24
    scale: int = 4
    expansion: int = 4

    @property
    def embedding(self) -> int:
        """Numbers of the embedding: channels of the last map times its bands, an eighth of all."""
        return 8 * self.channels * self.expansion * (self.bands // 8)


class Fusion(nn.Module):
    """Two maps [batch, channels, bands, time] weighed against each other at every place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 4
        self.local_att = nn.Sequential(
            nn.Conv2d(2 * channels, inner, 1),
            nn.BatchNorm2d(inner),
            nn.SiLU(),
            nn.Conv2d(inner, channels, 1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        balance = self.local_att(torch.cat([x, y], dim=1)).tanh()
        return x * (1 + balance) + y * (1 - balance)  # type: ignore[no-any-return]


class Block(nn.Module):
    """A residual block whose branches each see the result of the one before them.

    fused: whether a branch weighs what it is given against that result, or adds it.
    """

    def __init__(self, inputs: int, planes: int, stride: int, config: SpeakerConfig, *, fused: bool) -> None:
        super().__init__()
        scale, outputs = config.scale, planes * config.expansion
        width = planes * config.base_width // 64
        self.conv1 = nn.Conv2d(inputs, width * scale, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(width * scale)
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(scale))
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(scale))
        self.fuse_models = nn.ModuleList(Fusion(width) for _ in range(scale - 1)) if fused else None
        self.conv3 = nn.Conv2d(width * scale, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        branches: list[Tensor] = []
        parts = _clipped(self.bn1(self.conv1(x))).chunk(len(self.convs), dim=1)
        for at, (part, convolution, norm) in enumerate(zip(parts, self.convs, self.bns, strict=True)):
            if not at:
                joined = part
            elif self.fuse_models is None:
                joined = branches[-1] + part
            else:
                joined = self.fuse_models[at - 1](branches[-1], part)
            branches.append(_clipped(norm(convolution(joined))))
        return _clipped(self.bn3(self.conv3(torch.cat(branches, dim=1))) + self.shortcut(x))


class SpeakerNetwork(nn.Module):
    """Samples at 16 kHz to a speaker embedding."""

    def __init__(self, config: SpeakerConfig) -> None:
        super().__init__()
        self.config = config
        self.filterbank = KaldiFilterbank(config.bands)
        widths = [config.channels << stage for stage in range(4)]
        last = widths[3] * config.expansion
        self.conv1 = nn.Conv2d(1, config.channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(config.channels)
        self.layer1 = self._stage(config.channels, widths[0], 0)
        self.layer2 = self._stage(widths[0] * config.expansion, widths[1], 1)
        self.layer3 = self._stage(widths[1] * config.expansion, widths[2], 2)
        self.layer4 = self._stage(widths[2] * config.expansion, widths[3], 3)
        self.layer3_ds = nn.Conv2d(widths[2] * config.expansion, last, 3, stride=2, padding=1, bias=False)
        self.fuse34 = Fusion(last)

    def forward(self, samples: Tensor) -> Tensor:
        """The embedding [batch, 20480] of samples [batch, n] within [-1, 1], n at least 400 (25 ms)."""
        return self.embed(self.filterbank(samples))

    def embed(self, filterbank: Tensor) -> Tensor:
        """The embedding of log-mel energies [batch, frames, bands]."""
        x = functional.relu(self.bn1(self.conv1(filterbank.transpose(1, 2)[:, None])))
        third = self.layer3(self.layer2(self.layer1(x)))
        fused: Tensor = self.fuse34(self.layer4(third), self.layer3_ds(third))
        return fused.mean(3).flatten(1)

    def _stage(self, inputs: int, planes: int, stage: int) -> nn.Sequential:
        """The blocks of a stage; from the second stage on, the first block halves bands and frames."""
        outputs, fused = planes * self.config.expansion, stage >= 2
        first = Block(inputs, planes, 2 if stage else 1, self.config, fused=fused)
        rest = (
            Block(outputs, planes, 1, self.config, fused=fused) for _ in range(self.config.blocks[stage] - 1)
        )
        return nn.Sequential(first, *rest)


def _clipped(x: Tensor) -> Tensor:
    """A ReLU that ends at 20, as 3D-Speaker has it inside its blocks."""
    return x.clamp(0, 20)


def speaker_state(checkpoint: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of `SpeakerNetwork` in a checkpoint of ERes2NetV2: without the layers above the map; float32."""
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in checkpoint.items()
        if not name.startswith("seg_")
    }
