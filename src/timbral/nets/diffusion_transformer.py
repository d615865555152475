"""The velocity estimator of flow matching in v3 and v4: a diffusion transformer (DiT).

Transformer blocks whose norms are scaled, shifted and gated by the time of the flow (DiT with adaLN-zero,
Peebles and Xie 2023), over inputs as in F5-TTS (Chen et al. 2024, https://github.com/SWivid/F5-TTS). What
does not change while a chunk is solved, the `condition` and the `rotation`, is computed apart from the
`velocity`.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from timbral.nets.convnext import ConvNextV2Block

LONGEST = 4096
"""Number of positions; later frames share the last one."""
PERIOD = 10_000.0
"""Longest period of the sinusoids for positions and times."""
TIME_SCALE = 1000.0
"""Factor on flow times, 0 to 1, before the sinusoids."""
TIME_WAVES = 256


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes of the transformer; the defaults are the official ones.

    mel: bands; features: channels of what is to be said; width, layers, heads, head_size: of the transformer;
    feed_forward: its inner width, as a multiple of `width`; feature_blocks: ConvNeXt blocks over the
    features.
    """

    mel: int = 100
    features: int = 512
    width: int = 1024
    layers: int = 22
    heads: int = 16
    head_size: int = 64
    feed_forward: int = 2
    feature_blocks: int = 4
    dropout: float = 0.1


class DiffusionTransformer(nn.Module):
    """From noise on its way to mel, and the time, to the direction in which it has to go on."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.time_embed = TimeEmbedding(config.width)
        self.d_embed = TimeEmbedding(config.width)
        self.text_embed = FeatureEmbedding(config.features, config.feature_blocks)
        self.input_embed = InputEmbedding(config.mel, config.features, config.width)
        self.rotary_embed = RotaryFrequencies(config.head_size)
        self.transformer_blocks = nn.ModuleList(TransformerBlock(config) for _ in range(config.layers))
        self.norm_out = Modulation(config.width, 2)
        self.proj_out = nn.Linear(config.width, config.mel)

    def forward(
        self,
        x: Tensor,
        prompt: Tensor,
        features: Tensor,
        time: Tensor,
        step: Tensor,
        lengths: Tensor | None = None,
    ) -> Tensor:
        """Velocity [batch, mel, n] of x [batch, mel, n]; see `condition` and `velocity` for the others.

        lengths [batch]: frames of rows that are padded on the right, by default all.
        """
        n = x.shape[2]
        seen = None if lengths is None else torch.arange(n, device=x.device) < lengths[:, None]
        return self.velocity(x, self.condition(prompt, features), self.rotation(n), time, step, seen)

    def condition(self, prompt: Tensor, features: Tensor) -> Tensor:
        """What steers all steps alike, [batch, n, width].

        prompt: mel that is known, [batch, mel, n], zero elsewhere; features [batch, features, n].
        Both zero is the condition of nothing, which guidance leads away from.
        """
        return self.input_embed.condition(prompt.transpose(1, 2), self.text_embed(features.transpose(1, 2)))

    def rotation(self, n: int) -> Tensor:
        """Cosine and sine [2, n, head_size] by which frames are rotated in attention."""
        return self.rotary_embed(n)  # type: ignore[no-any-return]

    def velocity(
        self,
        x: Tensor,
        condition: Tensor,
        rotation: Tensor,
        time: Tensor,
        step: Tensor,
        seen: Tensor | None = None,
    ) -> Tensor:
        """Velocity [batch, mel, n] of x [batch, mel, n] at the times [batch], from 0 to 1.

        step [batch]: length of the step that will be taken. seen: bool [batch, n], which frames there are.
        """
        moment = self.time_embed(time) + self.d_embed(step)
        h = self.input_embed(x.transpose(1, 2), condition)
        for block in self.transformer_blocks:
            h = block(h, moment, rotation, seen)
        scale, shift = self.norm_out(moment)
        velocity: Tensor = self.proj_out(modulated(h, scale, shift))
        return velocity.transpose(1, 2)


class TimeEmbedding(nn.Module):
    """A time or a length of time, [batch], as sinusoids and two layers: [batch, width]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.time_mlp = nn.Sequential(nn.Linear(TIME_WAVES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, time: Tensor) -> Tensor:
        half = TIME_WAVES // 2
        rates = torch.exp(torch.arange(half, device=time.device) * -(math.log(PERIOD) / (half - 1)))
        angle = TIME_SCALE * time[:, None] * rates
        return self.time_mlp(torch.cat([angle.sin(), angle.cos()], dim=-1))  # type: ignore[no-any-return]


class FeatureEmbedding(nn.Module):
    """Adds positions to content features: [batch, n, features] to the same shape."""

    def __init__(self, features: int, blocks: int) -> None:
        super().__init__()
        self.text_blocks = nn.Sequential(*(ConvNextV2Block(features, 2 * features) for _ in range(blocks)))

    def forward(self, features: Tensor) -> Tensor:
        n, channels = features.shape[1:]
        rates = 1 / PERIOD ** (torch.arange(0, channels, 2, device=features.device) / channels)
        positions = torch.arange(n, device=features.device).clamp(max=LONGEST - 1)
        angle = positions[:, None] * rates
        embedded = features + torch.cat([angle.cos(), angle.sin()], dim=-1)
        return self.text_blocks(embedded.transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]


class InputEmbedding(nn.Module):
    """Noisy mel, prompt and features to the width of the transformer, with convolutions that mark positions."""

    def __init__(self, mel: int, features: int, width: int) -> None:
        super().__init__()
        self.mel = mel
        self.proj = nn.Linear(2 * mel + features, width)
        self.conv_pos_embed = PositionConvolutions(width)

    def condition(self, prompt: Tensor, features: Tensor) -> Tensor:
        """The part of the projection that prompt and features have in it: [batch, n, width]."""
        known = torch.cat([prompt, features], dim=-1)
        return functional.linear(known, self.proj.weight[:, self.mel :], self.proj.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x [batch, n, mel], condition [batch, n, width]; returns [batch, n, width]."""
        h = functional.linear(x, self.proj.weight[:, : self.mel]) + condition
        return h + self.conv_pos_embed(h)  # type: ignore[no-any-return]


class PositionConvolutions(nn.Module):
    """Two wide grouped convolutions over time: [batch, n, width] to the same shape."""

    def __init__(self, width: int, kernel: int = 31, groups: int = 16) -> None:
        super().__init__()

        def convolution() -> nn.Conv1d:
            return nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=groups)

        self.conv1d = nn.Sequential(convolution(), nn.Mish(), convolution(), nn.Mish())

    def forward(self, x: Tensor) -> Tensor:
        return self.conv1d(x.transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]


class RotaryFrequencies(nn.Module):
    """Rotary positions (Su et al. 2021); checkpoints hold the frequencies."""

    inv_freq: Tensor

    def __init__(self, head_size: int) -> None:
        super().__init__()
        self.register_buffer("inv_freq", 1 / PERIOD ** (torch.arange(0, head_size, 2) / head_size))

    def forward(self, n: int) -> Tensor:
        """Cosine and sine [2, n, head_size], each number twice, for a pair of channels."""
        angle = torch.arange(n, device=self.inv_freq.device)[:, None] * self.inv_freq
        return torch.stack([angle.cos(), angle.sin()]).repeat_interleave(2, dim=-1)


class Attention(nn.Module):
    """Self-attention of [batch, n, width]; keeps the shape.

    The official code rotates queries and keys before it splits them into heads, so that the first head alone
    knows positions; the checkpoints were trained so.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads = config.heads
        inner = config.heads * config.head_size
        self.to_q = nn.Linear(config.width, inner)
        self.to_k = nn.Linear(config.width, inner)
        self.to_v = nn.Linear(config.width, inner)
        self.to_out = nn.ModuleList([nn.Linear(inner, config.width), nn.Dropout(config.dropout)])

    def forward(self, x: Tensor, rotation: Tensor, seen: Tensor | None) -> Tensor:
        q, k, v = rotated(self.to_q(x), rotation), rotated(self.to_k(x), rotation), self.to_v(x)
        mask = None if seen is None else seen[:, None, None]
        mixed = functional.scaled_dot_product_attention(self._split(q), self._split(k), self._split(v), mask)
        mixed = mixed.transpose(1, 2).flatten(2)
        for layer in self.to_out:
            mixed = layer(mixed)
        return mixed if seen is None else mixed.masked_fill(~seen[:, :, None], 0)

    def _split(self, x: Tensor) -> Tensor:
        """[batch, n, heads * head_size] to [batch, heads, n, head_size]."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


def rotated(x: Tensor, rotation: Tensor) -> Tensor:
    """x [batch, n, channels] with its first head_size channels rotated in pairs; rotation [2, n, head_size]."""
    size = rotation.shape[2]
    first = x[..., :size]
    even, odd = first.reshape(*first.shape[:2], -1, 2).unbind(3)
    turned = torch.stack([-odd, even], dim=3).flatten(2)
    cosine, sine = rotation
    return torch.cat([first * cosine + turned * sine, x[..., size:]], dim=2)


class FeedForward(nn.Module):
    """Two layers with a GELU between: [batch, n, width] to the same shape."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        inner = config.feed_forward * config.width
        self.ff = nn.Sequential(
            nn.Sequential(nn.Linear(config.width, inner), nn.GELU(approximate="tanh")),
            nn.Dropout(config.dropout),
            nn.Linear(inner, config.width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.ff(x)  # type: ignore[no-any-return]


class TransformerBlock(nn.Module):
    """Attention and feed-forward, whose inputs and outputs the moment of the flow scales."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attn_norm = Modulation(config.width, 6)
        self.attn = Attention(config)
        self.ff = FeedForward(config)

    def forward(self, x: Tensor, moment: Tensor, rotation: Tensor, seen: Tensor | None) -> Tensor:
        """x [batch, n, width], moment [batch, width], rotation [2, n, head_size], seen bool [batch, n]."""
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = self.attn_norm(moment)
        x = x + gate_1 * self.attn(modulated(x, scale_1, shift_1), rotation, seen)
        return x + gate_2 * self.ff(modulated(x, scale_2, shift_2))  # type: ignore[no-any-return]


class Modulation(nn.Module):
    """What a moment of the flow [batch, width] does to a block: `parts` tensors [batch, 1, width]."""

    def __init__(self, width: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.linear = nn.Linear(width, parts * width)

    def forward(self, moment: Tensor) -> tuple[Tensor, ...]:
        parts: Tensor = self.linear(functional.silu(moment)).unsqueeze(1)
        return parts.chunk(self.parts, dim=-1)


def modulated(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """x [batch, n, width], normalised, then scaled and shifted by [batch, 1, width]."""
    return functional.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift
