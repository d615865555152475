"""The HuBERT encoder (Hsu et al. 2021, arXiv:2106.07447): content features of a recording at 50 Hz.

The official models were trained with chinese-hubert-base (TencentGameMate), whose parameter names, those of
`HubertModel` in huggingface/transformers, are kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from timbral.nets.normalization import WeightNormed


@dataclass(frozen=True)
class HubertConfig:
    """Sizes of HuBERT; the defaults are those of the base model.

    conv_channels, conv_kernels, conv_strides: of the convolutions over samples; the strides multiply to the
    hop. position_kernel, position_groups: of the convolution for positions.
    """

    hidden: int = 768
    layers: int = 12
    heads: int = 12
    feed_forward: int = 3072
    conv_channels: int = 512
    conv_kernels: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    conv_strides: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    position_kernel: int = 128
    position_groups: int = 16


class SampleConvolution(nn.Module):
    """One convolution without bias of the front, and GELU; the first one has each channel normed over time."""

    def __init__(self, inputs: int, channels: int, kernel: int, stride: int, *, normed: bool) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, channels, kernel, stride, bias=False)
        self.layer_norm = nn.GroupNorm(channels, channels) if normed else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if self.layer_norm is not None:
            x = self.layer_norm(x)
        return functional.gelu(x)


class SampleEncoder(nn.Module):
    """Samples [batch, 1, n] to [batch, conv_channels, frames]."""

    def __init__(self, config: HubertConfig) -> None:
        super().__init__()
        shapes = zip(config.conv_kernels, config.conv_strides, strict=True)
        self.conv_layers = nn.Sequential(
            *(
                SampleConvolution(
                    config.conv_channels if at else 1, config.conv_channels, kernel, stride, normed=not at
                )
                for at, (kernel, stride) in enumerate(shapes)
            )
        )

    def forward(self, samples: Tensor) -> Tensor:
        return self.conv_layers(samples)  # type: ignore[no-any-return]


class FeatureProjection(nn.Module):
    """From the width of the convolutions to that of the transformer: [batch, frames, channels]."""

    def __init__(self, config: HubertConfig) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(config.conv_channels)
        self.projection = nn.Linear(config.conv_channels, config.hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.projection(self.layer_norm(x))  # type: ignore[no-any-return]


class PositionConvolution(WeightNormed):
    """Grouped convolution over frames [batch, hidden, frames] that keeps the length; normed for each tap."""

    direction = (0, 1)

    def __init__(self, config: HubertConfig) -> None:
        self.config = config
        super().__init__(self._plain())

    def forward(self, x: Tensor) -> Tensor:
        padding, groups = self.config.position_kernel // 2, self.config.position_groups
        return functional.conv1d(x, self.weight(), self.bias, padding=padding, groups=groups)

    def _plain(self) -> nn.Conv1d:
        width, kernel = self.config.hidden, self.config.position_kernel
        return nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=self.config.position_groups)


class PositionEmbedding(nn.Module):
    """What is around a frame: [batch, frames, hidden] to the same shape."""

    def __init__(self, config: HubertConfig) -> None:
        super().__init__()
        self.conv = PositionConvolution(config)

    def forward(self, x: Tensor) -> Tensor:
        # An even kernel leaves one frame too many at the end.
        around = self.conv(x.transpose(1, 2)).transpose(1, 2)[:, : x.shape[1]]
        return functional.gelu(around)


class Attention(nn.Module):
    """Self-attention: [batch, frames, hidden] to the same shape."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(hidden, hidden)
        self.k_proj = nn.Linear(hidden, hidden)
        self.v_proj = nn.Linear(hidden, hidden)
        self.out_proj = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            projection(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class FeedForward(nn.Module):
    """Two linear layers with a GELU between."""

    def __init__(self, hidden: int, inner: int) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(hidden, inner)
        self.output_dense = nn.Linear(inner, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.output_dense(functional.gelu(self.intermediate_dense(x)))  # type: ignore[no-any-return]


class TransformerLayer(nn.Module):
    """Attention and feed-forward, each with a norm after its residual."""

    def __init__(self, config: HubertConfig) -> None:
        super().__init__()
        self.attention = Attention(config.hidden, config.heads)
        self.layer_norm = nn.LayerNorm(config.hidden)
        self.feed_forward = FeedForward(config.hidden, config.feed_forward)
        self.final_layer_norm = nn.LayerNorm(config.hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer_norm(x + self.attention(x))
        return self.final_layer_norm(x + self.feed_forward(x))  # type: ignore[no-any-return]


class TransformerEncoder(nn.Module):
    """Frames in their context: [batch, frames, hidden] to the same shape."""

    def __init__(self, config: HubertConfig) -> None:
        super().__init__()
        self.pos_conv_embed = PositionEmbedding(config)
        self.layer_norm = nn.LayerNorm(config.hidden)
        self.layers = nn.Sequential(*(TransformerLayer(config) for _ in range(config.layers)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.layer_norm(x + self.pos_conv_embed(x)))  # type: ignore[no-any-return]


class Hubert(nn.Module):
    """Samples at 16 kHz, as they are in the file (without normalisation), to features at 50 Hz."""

    def __init__(self, config: HubertConfig) -> None:
        super().__init__()
        self.config = config
        self.feature_extractor = SampleEncoder(config)
        self.feature_projection = FeatureProjection(config)
        self.encoder = TransformerEncoder(config)

    def forward(self, samples: Tensor) -> Tensor:
        """samples [batch, n], at least 400; returns the last hidden state [batch, frames, hidden].

        At the official sizes frames = (n - 400) // 320 + 1. Rows have the same length, as padding would change the features.
        """
        x = self.feature_extractor(samples[:, None]).transpose(1, 2)
        return self.encoder(self.feature_projection(x))  # type: ignore[no-any-return]


_RENAMED = {
    "conv.parametrizations.weight.original0": "conv.weight_g",
    "conv.parametrizations.weight.original1": "conv.weight_v",
}
_PARTS = ("feature_extractor.", "feature_projection.", "encoder.")


def hubert_state(checkpoint: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of `Hubert` in a checkpoint: without unused weights, in float32.

    Weight norm may be stored under its old or its new (parametrised) names, and all names may follow
    `hubert.`.
    """
    state: dict[str, Tensor] = {}
    for key, tensor in checkpoint.items():
        name = key.removeprefix("hubert.")
        if name.startswith(_PARTS):
            for new, old in _RENAMED.items():
                name = name.replace(new, old)
            state[name] = tensor.to(torch.float32)
    return state
