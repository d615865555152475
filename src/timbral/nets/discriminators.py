"""The discriminators of stage two (HiFi-GAN, Kong et al. 2020), for training only.

One that looks at samples at several scales and one for each of several periods, as HiFi-GAN has them (Kong et
al. 2020, https://github.com/jik876/hifi-gan). The checkpoints of GPT-SoVITS (`s2D*.pth`,
`MultiPeriodDiscriminator`) load strictly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor, nn
from torch.nn import functional

from timbral.nets.normalization import WeightNormed

SLOPE = 0.1
Judgement = tuple[Tensor, list[Tensor]]
"""Scores [batch, n], 1 for a recording, and features: the output of each convolution."""


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Sizes; the defaults are those of the official v1 and v2.

    periods: in samples, one discriminator for each. scale_*: of the discriminator that looks at samples in a
    row; kernel, stride and groups of each convolution. period_channels: of those that look at every n-th
    sample.
    """

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    scale_channels: tuple[int, ...] = (16, 64, 256, 1024, 1024, 1024)
    scale_kernels: tuple[int, ...] = (15, 41, 41, 41, 41, 5)
    scale_strides: tuple[int, ...] = (1, 4, 4, 4, 4, 1)
    scale_groups: tuple[int, ...] = (1, 4, 16, 64, 256, 1)
    period_channels: tuple[int, ...] = (32, 128, 512, 1024, 1024)


_V2 = DiscriminatorConfig()
_PRO = DiscriminatorConfig(periods=(2, 3, 5, 7, 11, 17, 23))
DISCRIMINATORS: Mapping[str, DiscriminatorConfig] = MappingProxyType(
    {"v1": _V2, "v2": _V2, "v2Pro": _PRO, "v2ProPlus": _PRO}
)
"""The official sizes by family."""


class Discriminators(nn.Module):
    """All of them, side by side."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(
            [ScaleDiscriminator(config), *(PeriodDiscriminator(config, period) for period in config.periods)]
        )

    def forward(self, samples: Tensor) -> list[Judgement]:
        """What each says of samples [batch, 1, n]."""
        return [discriminator(samples) for discriminator in self.discriminators]


class ScaleDiscriminator(nn.Module):
    """Looks at samples in a row, further and further away."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        inputs = (1, *config.scale_channels)
        shapes = zip(
            inputs,
            config.scale_channels,
            config.scale_kernels,
            config.scale_strides,
            config.scale_groups,
            strict=False,
        )
        self.convs = nn.ModuleList(StridedConv1d(*shape) for shape in shapes)
        self.conv_post = StridedConv1d(config.scale_channels[-1], 1, 3)

    def forward(self, samples: Tensor) -> Judgement:
        return discriminated(samples, self.convs, self.conv_post)


class PeriodDiscriminator(nn.Module):
    """Looks at every n-th sample, for each of n beginnings."""

    def __init__(self, config: DiscriminatorConfig, period: int) -> None:
        super().__init__()
        self.period = period
        channels = (1, *config.period_channels)
        last = len(config.period_channels) - 1
        self.convs = nn.ModuleList(
            ColumnConv2d(channels[i], channels[i + 1], 5, 1 if i == last else 3) for i in range(last + 1)
        )
        self.conv_post = ColumnConv2d(channels[-1], 1, 3)

    def forward(self, samples: Tensor) -> Judgement:
        missing = -samples.shape[2] % self.period
        padded = functional.pad(samples, (0, missing), mode="reflect")
        columns = padded.view(*padded.shape[:2], -1, self.period)
        return discriminated(columns, self.convs, self.conv_post)


def discriminated(x: Tensor, layers: nn.ModuleList, last: nn.Module) -> Judgement:
    """Runs the layers, with a leaky ReLU after each but the last."""
    seen = []
    for layer in layers:
        x = functional.leaky_relu(layer(x), SLOPE)
        seen.append(x)
    x = last(x)
    return x.flatten(1), [*seen, x]


class StridedConv1d(WeightNormed):
    """Weight-normed convolution with a stride: [batch, inputs, n] to [batch, outputs, n / stride]."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        self.shape = (inputs, outputs, kernel)
        self.stride, self.groups, self.padding = stride, groups, kernel // 2
        super().__init__(self._plain())

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv1d(x, self.weight(), self.bias, self.stride, self.padding, 1, self.groups)

    def _plain(self) -> nn.Conv1d:
        return nn.Conv1d(*self.shape, stride=self.stride, padding=self.padding, groups=self.groups)


class ColumnConv2d(WeightNormed):
    """Weight-normed convolution along columns: [batch, inputs, n, columns] to [batch, outputs, n / stride,
    columns].
    """

    direction = (1, 2, 3)

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        self.shape = (inputs, outputs, (kernel, 1))
        self.stride, self.padding = (stride, 1), (kernel // 2, 0)
        super().__init__(self._plain())

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight(), self.bias, self.stride, self.padding)

    def _plain(self) -> nn.Conv2d:
        return nn.Conv2d(*self.shape, stride=self.stride, padding=self.padding)
