"""Builds float32 torch networks from checkpoints."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from timbral.conversion.checkpoints import (
    AcousticSizes,
    BertSizes,
    FlowMatchingSizes,
    HubertSizes,
    Network,
    SemanticSizes,
    SpeakerSizes,
    VocoderSizes,
)
from timbral.conversion.families import MEL_FAMILIES
from timbral.nets.acoustic import AcousticConfig, AcousticNetwork
from timbral.nets.bert import UNREAD_LAYERS, Bert, BertConfig, bert_state
from timbral.nets.bigvgan import BigVgan
from timbral.nets.diffusion_transformer import TransformerConfig
from timbral.nets.eres2net import SpeakerConfig, SpeakerNetwork, speaker_state
from timbral.nets.hifigan import Generator
from timbral.nets.hubert import Hubert, HubertConfig, hubert_state
from timbral.nets.mel_acoustic import MelAcousticConfig, MelAcousticNetwork
from timbral.nets.normalization import fold_weight_norm
from timbral.nets.prior import PriorConfig
from timbral.nets.semantic import SemanticConfig, SemanticTransformer

_PHONES = "ar_text_embedding.word_embeddings.weight"
_STATISTICS = 2
"""The mean and the deviation, over which the layers of a speaker network that are left out would go on."""
_BASE = 64
"""Channels to which the width of ERes2NetV2 refers."""

Module = TypeVar("Module", bound=nn.Module)


def semantic_network(network: Network, phonemes: int) -> SemanticTransformer:
    """Stage one for `phonemes` phones: tables of v1 have unused rows beyond them."""
    assert isinstance(network.sizes, SemanticSizes)
    state = _floats(network)
    state[_PHONES] = state[_PHONES][:phonemes]
    config = SemanticConfig(**{**asdict(network.sizes), "phonemes": phonemes})
    return _filled(SemanticTransformer(config), state)


def acoustic_network(network: Network) -> AcousticNetwork:
    """Stage two of v1 to v2ProPlus."""
    assert isinstance(network.sizes, AcousticSizes)
    config = AcousticConfig(**asdict(network.sizes), posterior=False)
    return _filled(AcousticNetwork(config), _floats(network))


def mel_acoustic_network(network: Network) -> MelAcousticNetwork:
    """Stage two of v3 or v4."""
    sizes = network.sizes
    assert isinstance(sizes, FlowMatchingSizes)
    assert network.version is not None
    transformer = TransformerConfig(
        mel=sizes.mels,
        features=sizes.condition,
        width=sizes.width,
        layers=sizes.depth,
        heads=sizes.attention_heads,
        head_size=sizes.head_size,
        feed_forward=sizes.expansion,
        feature_blocks=sizes.condition_blocks,
    )
    shared = {name: size for name, size in asdict(sizes).items() if name in PriorConfig.__dataclass_fields__}
    config = MelAcousticConfig(
        **shared, mel_rate=MEL_FAMILIES[network.version].mel_rate, transformer=transformer
    )
    return _filled(MelAcousticNetwork(config), _floats(network))


def vocoder_network(network: Network) -> BigVgan | Generator:
    """The vocoder of v3 or v4."""
    sizes = network.sizes
    assert isinstance(sizes, VocoderSizes)
    shape = sizes.generator
    blocks = (shape.upsample_rates, shape.upsample_kernels, shape.block_kernels, shape.block_dilations)
    vocoder: BigVgan | Generator
    if network.version == "v3":
        vocoder = BigVgan(sizes.mels, shape.upsample_channels, *blocks)
    else:
        vocoder = Generator(
            sizes.mels, shape.upsample_channels, *blocks, timbre=0, output_bias=sizes.output_bias
        )
    if not sizes.normed:
        fold_weight_norm(vocoder)
    return _filled(vocoder, _floats(network))


def hubert_network(network: Network) -> Hubert:
    """The encoder of speech."""
    sizes = network.sizes
    assert isinstance(sizes, HubertSizes)
    config = HubertConfig(
        hidden=sizes.hidden,
        layers=sizes.layers,
        heads=sizes.heads,
        feed_forward=sizes.feed_forward,
        conv_channels=sizes.channels,
        conv_kernels=sizes.kernels,
        position_kernel=sizes.position_kernel,
        position_groups=sizes.position_groups,
    )
    return _filled(Hubert(config), hubert_state(_floats(network)))


def bert_network(network: Network) -> Bert:
    """The encoder of text, up to the layer that is read."""
    sizes = network.sizes
    assert isinstance(sizes, BertSizes)
    config = BertConfig(
        vocabulary=sizes.vocabulary,
        hidden=sizes.hidden,
        layers=sizes.layers - UNREAD_LAYERS,
        heads=sizes.heads,
        feed_forward=sizes.feed_forward,
        positions=sizes.positions,
        segments=sizes.types,
    )
    return _filled(Bert(config), bert_state(_floats(network), config))


def speaker_network(network: Network) -> SpeakerNetwork:
    """The encoder of speakers, without the layers above its map."""
    sizes = network.sizes
    assert isinstance(sizes, SpeakerSizes)
    first, second, third, fourth = sizes.blocks
    config = SpeakerConfig(
        bands=sizes.pooled // (_STATISTICS * sizes.channels * sizes.expansion),
        channels=sizes.channels,
        blocks=(first, second, third, fourth),
        base_width=sizes.width * _BASE // sizes.channels,
        scale=sizes.scale,
        expansion=sizes.expansion,
    )
    return _filled(SpeakerNetwork(config), speaker_state(_floats(network)))


def _floats(network: Network) -> dict[str, Tensor]:
    """The tensors in float32; those that are in the file share its memory."""
    return {
        name: torch.from_numpy(np.asarray(tensor, np.float32, order="C"))
        for name, tensor in network.tensors.items()
    }


def _filled(module: Module, state: Mapping[str, Tensor]) -> Module:
    # Assigned, not copied: the larger networks would not be in memory twice.
    module.load_state_dict(state, strict=True, assign=True)
    return module.eval()
