"""The vocoder of v3: BigVGAN v2 (Lee et al. 2023, https://github.com/NVIDIA/BigVGAN).

HiFi-GAN whose activations are periodic and free of aliases; its output is cut off at full scale.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from timbral.nets.normalization import NormedConv1d, NormedConvTranspose1d
from timbral.nets.snake import AliasFreeSnake


class PeriodicBlock(nn.Module):
    """Pairs of convolutions, the first of each dilated, with residuals; keeps [batch, channels, time]."""

    def __init__(self, channels: int, kernel: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(NormedConv1d(channels, channels, kernel, step) for step in dilations)
        self.convs2 = nn.ModuleList(NormedConv1d(channels, channels, kernel) for _ in dilations)
        self.activations = nn.ModuleList(AliasFreeSnake(channels) for _ in range(2 * len(dilations)))

    def forward(self, x: Tensor) -> Tensor:
        pairs = zip(self.convs1, self.convs2, self.activations[::2], self.activations[1::2], strict=True)
        for dilated, plain, first, second in pairs:
            x = x + plain(second(dilated(first(x))))
        return x


class BigVgan(nn.Module):
    """Mel to samples, upsampled in stages whose channels halve; the arguments are those of `Generator`."""

    def __init__(
        self,
        mel: int,
        channels: int,
        rates: Sequence[int],
        kernels: Sequence[int],
        block_kernels: Sequence[int],
        block_dilations: Sequence[Sequence[int]],
    ) -> None:
        super().__init__()
        self.blocks_per_stage = len(block_kernels)
        self.conv_pre = NormedConv1d(mel, channels, 7)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        for rate, kernel in zip(rates, kernels, strict=True):
            # Checkpoints have room for several upsamplings in a stage.
            self.ups.append(nn.ModuleList([NormedConvTranspose1d(channels, channels // 2, kernel, rate)]))
            channels //= 2
            self.resblocks.extend(
                PeriodicBlock(channels, width, dilations)
                for width, dilations in zip(block_kernels, block_dilations, strict=True)
            )
        self.activation_post = AliasFreeSnake(channels)
        self.conv_post = NormedConv1d(channels, 1, 7, bias=False)

    def forward(self, mel: Tensor) -> Tensor:
        """Samples [batch, 1, frames * product of rates] of a log mel spectrogram [batch, mel, frames]."""
        x = self.conv_pre(mel)
        for stage, ups in enumerate(self.ups):
            x = ups[0](x)  # type: ignore[index]
            blocks = self.resblocks[stage * self.blocks_per_stage : (stage + 1) * self.blocks_per_stage]
            total = torch.zeros_like(x)
            for block in blocks:
                total = total + block(x)
            x = total / self.blocks_per_stage
        samples: Tensor = self.conv_post(self.activation_post(x))
        return samples.clamp(-1, 1)
