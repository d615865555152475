"""Convolutions over time as convolutions over planes of height 1, which onnxruntime runs faster on a CPU.

Its blocked kernels (NCHWc) take two dimensions only; for one dimension it falls back to unfolding and a matrix product.
"""

import torch
from torch import nn


def convolutions_to_2d(module: nn.Module) -> None:
    """Replaces convolutions inside `module`, which then takes [batch, channels, 1, time] for [batch, channels, time].

    What lies between the convolutions has to work element by element.
    """
    for name, child in list(module.named_children()):
        if isinstance(child, (nn.Conv1d, nn.ConvTranspose1d)):
            setattr(module, name, _over_planes(child))
        else:
            convolutions_to_2d(child)


def _over_planes(line: nn.Conv1d | nn.ConvTranspose1d) -> nn.Conv2d | nn.ConvTranspose2d:
    kind = nn.Conv2d if isinstance(line, nn.Conv1d) else nn.ConvTranspose2d
    assert isinstance(line.padding[0], int)
    plane = kind(
        line.in_channels,
        line.out_channels,
        (1, line.kernel_size[0]),
        stride=(1, line.stride[0]),
        padding=(0, line.padding[0]),
        dilation=(1, line.dilation[0]),
        groups=line.groups,
        bias=line.bias is not None,
    )
    with torch.no_grad():
        plane.weight = nn.Parameter(line.weight.unsqueeze(2))
    plane.bias = line.bias
    return plane
