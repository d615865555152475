"""Sizes of the networks of students."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

SizeName: TypeAlias = Literal["small", "tiny", "micro"]


@dataclass(frozen=True)
class SemanticSize:
    """Stage one: layers, channels of the residual stream, heads, neurons of a feed-forward block."""

    layers: int
    hidden: int
    heads: int
    feed_forward: int


@dataclass(frozen=True)
class SourceFilterSize:
    """Stage two of the embedded family, see `timbral.nets.source_filter.SourceFilterConfig`."""

    hidden: int
    latent: int
    condition: int
    token_blocks: int
    frame_blocks: int
    vocoder_blocks: int


@dataclass(frozen=True)
class ConvNextSize:
    """A stack of ConvNeXt blocks: its channels and blocks."""

    hidden: int
    blocks: int


@dataclass(frozen=True)
class EmbeddedSizes:
    """A student of the embedded family.

    vocabulary: semantic tokens, which are merged ones of the teacher. content: the content encoder. durations: the
    duration model, None for that of the teacher. passes: of the latent network, see `SourceFilterConfig`.
    """

    vocabulary: int
    semantic: SemanticSize
    acoustic: SourceFilterSize
    content: ConvNextSize
    durations: ConvNextSize | None
    passes: int = 1


@dataclass(frozen=True)
class VitsSize:
    """Stage two of v1 to v2ProPlus: neurons of the prior's feed-forward blocks, channels of the flow's WaveNets and of
    the first stage of the vocoder.
    """

    feed_forward: int
    flow_hidden: int
    upsample_channels: int


@dataclass(frozen=True)
class OfficialSizes:
    """A student of an official family; acoustic: None for stage two of the teacher, as in v3 and v4."""

    semantic: SemanticSize
    acoustic: VitsSize | None


EMBEDDED_SIZES: Mapping[SizeName, EmbeddedSizes] = MappingProxyType(
    {
        "small": EmbeddedSizes(
            1024,
            SemanticSize(3, 256, 4, 768),
            SourceFilterSize(224, 96, 128, 2, 4, 2),
            ConvNextSize(160, 4),
            ConvNextSize(96, 4),
        ),
        "tiny": EmbeddedSizes(
            512,
            SemanticSize(2, 192, 3, 512),
            SourceFilterSize(144, 64, 96, 1, 4, 2),
            ConvNextSize(96, 3),
            ConvNextSize(64, 4),
        ),
        "micro": EmbeddedSizes(
            256,
            SemanticSize(2, 128, 2, 256),
            SourceFilterSize(112, 48, 64, 1, 3, 2),
            ConvNextSize(64, 3),
            ConvNextSize(48, 3),
        ),
    }
)
"""About 30, 15 and 10 % of the parameters of sovits-tiny, its speaker encoder of 1.4 million included."""
