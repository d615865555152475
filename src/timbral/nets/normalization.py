"""Layer norm over channels, and weight normalisation of convolutions."""

import copy
from abc import abstractmethod
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

Module = TypeVar("Module", bound=nn.Module)


class ChannelNorm(nn.Module):
    """Layer norm over the channels of [batch, channels, time]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        normed = functional.layer_norm(x.transpose(1, 2), (self.channels,), self.gamma, self.beta)
        return normed.transpose(1, 2)


class WeightNormed(nn.Module):
    """A convolution whose weight is a direction times a length, for each entry of one dimension, mostly the
    first.

    Weight normalisation (Salimans and Kingma 2016), stored as `weight_g` (length) and `weight_v` (direction).
    """

    direction: tuple[int, ...] = (1, 2)
    """The dimensions of the weight that make one direction."""

    def __init__(self, plain: nn.Conv1d | nn.ConvTranspose1d | nn.Conv2d) -> None:
        super().__init__()
        weight = plain.weight.detach()
        self.weight_g = nn.Parameter(torch.linalg.vector_norm(weight, dim=self.direction, keepdim=True))
        self.weight_v = nn.Parameter(weight)
        self.bias = plain.bias

    def weight(self) -> Tensor:
        """The weight that the convolution uses."""
        length = torch.linalg.vector_norm(self.weight_v, dim=self.direction, keepdim=True)
        weight: Tensor = self.weight_v * (self.weight_g / length)
        return weight

    def folded(self) -> nn.Module:
        """A plain convolution that computes the same."""
        plain = self._plain()
        with torch.no_grad():
            plain.weight = nn.Parameter(self.weight())
        plain.bias = self.bias
        return plain

    @abstractmethod
    def _plain(self) -> nn.Conv1d | nn.ConvTranspose1d | nn.Conv2d:
        """An untrained convolution of the same shape."""


class NormedConv1d(WeightNormed):
    """Weight-normed convolution that keeps the length: [batch, inputs, time] to [batch, outputs, time]."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int = 1, bias: bool = True) -> None:
        self.shape = (inputs, outputs, kernel)
        self.dilation = dilation
        self.has_bias = bias
        self.padding = (kernel - 1) * dilation // 2
        super().__init__(self._plain())

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv1d(x, self.weight(), self.bias, 1, self.padding, self.dilation)

    def _plain(self) -> nn.Conv1d:
        return nn.Conv1d(*self.shape, padding=self.padding, dilation=self.dilation, bias=self.has_bias)


class NormedConvTranspose1d(WeightNormed):
    """Weight-normed upsampling: [batch, inputs, time] to [batch, outputs, time * rate]."""

    def __init__(self, inputs: int, outputs: int, kernel: int, rate: int) -> None:
        self.shape = (inputs, outputs, kernel)
        self.rate = rate
        self.padding = (kernel - rate) // 2
        super().__init__(self._plain())

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv_transpose1d(x, self.weight(), self.bias, self.rate, self.padding)

    def _plain(self) -> nn.ConvTranspose1d:
        return nn.ConvTranspose1d(*self.shape, stride=self.rate, padding=self.padding)


def fold_weight_norm(module: nn.Module) -> None:
    """Replaces every weight-normed convolution inside `module` by a plain one, for inference and export."""
    for name, child in list(module.named_children()):
        if isinstance(child, WeightNormed):
            setattr(module, name, child.folded())
        else:
            fold_weight_norm(child)


def folded_copy(module: Module) -> Module:
    """A copy with weight norm folded, for export; all other tensors are those of `module`, as memory may not
    hold two.
    """
    shared = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    copied = copy.deepcopy(module, shared)
    fold_weight_norm(copied)
    return copied
