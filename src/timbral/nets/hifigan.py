"""The vocoder of all families but v3: the generator of HiFi-GAN (Kong et al. 2020,
https://github.com/jik876/hifi-gan).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from timbral.nets.normalization import NormedConv1d, NormedConvTranspose1d

SLOPE = 0.1


class ResidualBlock(nn.Module):
    """Pairs of convolutions, the first of each dilated, with residuals; keeps [batch, channels, time]."""

    def __init__(self, channels: int, kernel: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(NormedConv1d(channels, channels, kernel, step) for step in dilations)
        self.convs2 = nn.ModuleList(NormedConv1d(channels, channels, kernel) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            inner = dilated(functional.leaky_relu(x, SLOPE))
            x = x + plain(functional.leaky_relu(inner, SLOPE))
        return x


class Generator(nn.Module):
    """Frames of a latent or of mel to samples, upsampled in stages whose channels halve.

    timbre: size of the timbre that is added to the frames, 0 for none.
    reach: frames on each side that a sample depends on.
    rates, kernels: of each upsampling; block_kernels, block_dilations: of the residual blocks after each,
    whose outputs are averaged; output_bias: whether the last convolution has a bias.
    """

    def __init__(
        self,
        latent: int,
        channels: int,
        rates: Sequence[int],
        kernels: Sequence[int],
        block_kernels: Sequence[int],
        block_dilations: Sequence[Sequence[int]],
        timbre: int,
        output_bias: bool = False,
    ) -> None:
        super().__init__()
        self.blocks_per_stage = len(block_kernels)
        self.reach = reach_of(rates, kernels, block_kernels, block_dilations)
        self.conv_pre = nn.Conv1d(latent, channels, 7, padding=3)
        self.cond = nn.Conv1d(timbre, channels, 1) if timbre else None
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        for rate, kernel in zip(rates, kernels, strict=True):
            self.ups.append(NormedConvTranspose1d(channels, channels // 2, kernel, rate))
            channels //= 2
            self.resblocks.extend(
                ResidualBlock(channels, width, dilations)
                for width, dilations in zip(block_kernels, block_dilations, strict=True)
            )
        self.conv_post = nn.Conv1d(channels, 1, 7, padding=3, bias=output_bias)

    def forward(self, z: Tensor, timbre: Tensor | None = None) -> Tensor:
        """Samples [batch, 1, frames * product of rates] of z [batch, latent, frames].

        timbre: [batch, timbre, 1], exactly if the generator has been made for one.
        """
        x = self.conv_pre(z)
        if self.cond is not None:
            x = x + self.cond(timbre)
        for stage, up in enumerate(self.ups):
            x = up(functional.leaky_relu(x, SLOPE))
            first, *others = self.resblocks[
                stage * self.blocks_per_stage : (stage + 1) * self.blocks_per_stage
            ]
            total = first(x)
            for block in others:
                total = total + block(x)
            x = total / self.blocks_per_stage
        return torch.tanh(self.conv_post(functional.leaky_relu(x)))


def reach_of(
    rates: Sequence[int],
    kernels: Sequence[int],
    block_kernels: Sequence[int],
    block_dilations: Sequence[Sequence[int]],
) -> int:
    """Frames on each side that the generator sees around a sample, rounded up."""
    frames, rate = 3.0, 1
    for factor, kernel in zip(rates, kernels, strict=True):
        frames += kernel / factor / rate
        rate *= factor
        seen = (
            (width - 1) // 2 * (sum(dilations) + len(dilations))
            for width, dilations in zip(block_kernels, block_dilations, strict=True)
        )
        frames += max(seen) / rate
    return math.ceil(frames + 3 / rate)
