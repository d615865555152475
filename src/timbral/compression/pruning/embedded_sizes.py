"""Which sizes a bundle of the embedded family has without a share of its parameters."""

import math
from dataclasses import replace

from timbral.compression.distillation.sizes import (
    ConvNextSize,
    EmbeddedSizes,
    SemanticSize,
    SourceFilterSize,
)
from timbral.compression.pruning.embedded import parameters
from timbral.models import Bundle, files
from timbral.models.weights import read_parameters
from timbral.nets.content_encoder import ContentConfig, ContentEncoder
from timbral.nets.semantic import SemanticConfig, SemanticTransformer
from timbral.nets.source_filter import LatentNet, SourceFilterConfig, SourceFilterVocoder
from timbral.training.networks import restore_reference, restore_semantic, restore_source_filter

_HALVINGS = 6
_CHANNELS, _NEURONS = 8, 64
"""Channels come in multiples of so many; quantised products and kernels want whole blocks of neurons."""


def pruned_embedded_sizes(bundle: Bundle, amount: float) -> EmbeddedSizes:
    """The largest sizes with at most `1 - amount` of the parameters of a bundle; layers and tokens stay."""
    semantic = restore_semantic(bundle).config
    acoustic = restore_source_filter(bundle)[0].config
    content = restore_reference(bundle).content.config
    whole = _sizes(semantic, acoustic, content, 1.0)
    counted = _count(semantic, acoustic, content, whole)
    allowed = counted - amount * (counted + _fixed(bundle))
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        fits = _count(semantic, acoustic, content, _sizes(semantic, acoustic, content, middle)) <= allowed
        low, high = (middle, high) if fits else (low, middle)
    return _sizes(semantic, acoustic, content, low)


def _sizes(
    semantic: SemanticConfig, acoustic: SourceFilterConfig, content: ContentConfig, share: float
) -> EmbeddedSizes:
    """Sizes with about this share of the weights of all blocks."""
    width = share**0.5
    return EmbeddedSizes(
        semantic.eos,
        SemanticSize(
            semantic.layers,
            semantic.hidden,
            max(1, round(semantic.heads * share)),
            _multiple(semantic.feed_forward * share, _NEURONS),
        ),
        SourceFilterSize(
            _multiple(acoustic.hidden * width, _CHANNELS),
            _multiple(acoustic.latent * width, _CHANNELS),
            _multiple(acoustic.condition * width, _CHANNELS),
            acoustic.token_blocks,
            acoustic.frame_blocks,
            acoustic.vocoder_blocks,
        ),
        ConvNextSize(_multiple(content.hidden * width, _CHANNELS), content.blocks),
        None,
        acoustic.passes,
    )


def _count(
    semantic: SemanticConfig, acoustic: SourceFilterConfig, content: ContentConfig, sizes: EmbeddedSizes
) -> int:
    """Parameters of the networks of these sizes."""
    one, two = sizes.semantic, sizes.acoustic
    stage_one = SemanticTransformer(replace(semantic, heads=one.heads, feed_forward=one.feed_forward))
    config = replace(acoustic, hidden=two.hidden, latent=two.latent, condition=two.condition)
    encoder = ContentEncoder(replace(content, hidden=sizes.content.hidden))
    return parameters(stage_one, LatentNet(config), SourceFilterVocoder(config), encoder)


def _fixed(bundle: Bundle) -> int:
    """Parameters that pruning leaves as they are: the duration model and the speaker encoder."""
    durations = read_parameters(bundle.path(files.DURATIONS)).values()
    speaker = parameters(restore_reference(bundle).timbre)
    return speaker + sum(math.prod(parameter.shape) for parameter in durations)


def _multiple(value: float, of: int) -> int:
    return max(of, of * round(value / of))
