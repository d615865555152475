"""Sizes of students of the official families, by the shapes of the weights of their parent."""

from collections.abc import Mapping
from types import MappingProxyType

from timbral.compression.distillation.sizes import OfficialSizes, SemanticSize, SizeName, VitsSize
from timbral.errors import CompressionError
from timbral.models import Bundle, files
from timbral.models.weights import read_parameters

_DEPTH_AND_WIDTH: Mapping[SizeName, tuple[float, float, float]] = MappingProxyType(
    {"small": (1 / 3, 0.875, 0.5), "tiny": (1 / 4, 0.625, 0.375), "micro": (1 / 6, 0.5, 0.25)}
)
"""Share of the layers of stage one, of the units of its dimensions, and of the channels of stage two."""
_VOCODER = "dec.conv_pre.weight"
_BLOCK = 64
"""Quantised products and kernels want whole blocks of so many channels."""


def official_sizes(bundle: Bundle, size: SizeName) -> OfficialSizes:
    """The sizes of a student: stage one has about 27, 11 or 5 % of the weights of an official one."""
    depth, width, channels = _DEPTH_AND_WIDTH[size]
    shape = bundle.manifest.semantic
    heads = max(1, round(shape.heads * width))
    return OfficialSizes(
        SemanticSize(
            layers=max(1, round(shape.layers * depth)),
            hidden=_rounded(shape.hidden * width, shape.hidden),
            heads=heads,
            feed_forward=_rounded(_neurons(bundle) * width, _neurons(bundle)),
        ),
        _vits(bundle, channels, channels),
    )


def pruned_official_sizes(bundle: Bundle, amount: float) -> OfficialSizes:
    """The sizes of a bundle without about this share of the weights of both stages; layers and streams stay."""
    shape, rest = bundle.manifest.semantic, 1 - amount
    neurons = _neurons(bundle)
    return OfficialSizes(
        SemanticSize(
            shape.layers, shape.hidden, max(1, round(shape.heads * rest)), _rounded(neurons * rest, neurons)
        ),
        _vits(bundle, rest, rest**0.5),
    )


def _neurons(bundle: Bundle) -> int:
    return _size(bundle, files.SEMANTIC_PREFILL, "h.layers.0.linear1.weight")


def _vits(bundle: Bundle, neurons: float, channels: float) -> VitsSize | None:
    if bundle.manifest.acoustic.kind != "vits":
        return None
    feed_forward = _size(bundle, files.LATENT, "enc_p.encoder_text.ffn_layers.0.conv_1.weight")
    flow = _size(bundle, files.LATENT, "flow.flows.0.pre.weight")
    if _VOCODER not in read_parameters(bundle.path(files.VOCODER)):
        raise CompressionError(
            f"{bundle.manifest.name} has a light vocoder already: prune or distil a model before its vocoder is exchanged"
        )
    vocoder = _size(bundle, files.VOCODER, _VOCODER)
    return VitsSize(
        feed_forward=_rounded(feed_forward * neurons, feed_forward),
        flow_hidden=_rounded(flow * channels, flow, 16),
        upsample_channels=_rounded(vocoder * channels, vocoder, 32),
    )


def _size(bundle: Bundle, graph: str, name: str) -> int:
    """The first axis of a weight."""
    return read_parameters(bundle.path(graph))[name].shape[0]


def _rounded(wanted: float, whole: int, multiple: int = _BLOCK) -> int:
    """A size near the wanted one, at most the whole: a multiple, or the whole where that is no larger."""
    return min(whole, max(multiple, multiple * round(wanted / multiple))) if whole > multiple else whole
