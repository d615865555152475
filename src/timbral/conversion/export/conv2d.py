"""One-dimensional convolutions as two-dimensional ones of height 1, which onnxruntime runs faster on a CPU.

Its blocked kernels (NCHWc) have two dimensions; for one dimension it unfolds and multiplies matrices.
"""

import torch
from torch import nn


def convolutions_to_2d(module: nn.Module) -> None:
    """Replaces convolutions inside `module`, which then takes [batch, channels, 1, time] for [batch,
    channels, time].

    The layers between the convolutions have to be elementwise.
    """
    for name, child in list(module.named_children()):
        if isinstance(child, (nn.Conv1d, nn.ConvTranspose1d)):
            setattr(module, name, _to_2d(child))
        else:
            convolutions_to_2d(child)


def _to_2d(conv: nn.Conv1d | nn.ConvTranspose1d) -> nn.Conv2d | nn.ConvTranspose2d:
    kind = nn.Conv2d if isinstance(conv, nn.Conv1d) else nn.ConvTranspose2d
    assert isinstance(conv.padding[0], int)
    flat = kind(
        conv.in_channels,
        conv.out_channels,
        (1, conv.kernel_size[0]),
        stride=(1, conv.stride[0]),
        padding=(0, conv.padding[0]),
        dilation=(1, conv.dilation[0]),
        groups=conv.groups,
        bias=conv.bias is not None,
    )
    with torch.no_grad():
        flat.weight = nn.Parameter(conv.weight.unsqueeze(2))
    flat.bias = conv.bias
    return flat
