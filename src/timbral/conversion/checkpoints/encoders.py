"""Tensors of the encoders' checkpoints: HuBERT (speech), RoBERTa (Chinese text), ERes2NetV2 (speakers)."""

from dataclasses import dataclass

from timbral.conversion.checkpoints.shapes import ShapeReader, Shapes, batch_norm, layer, layer_norm

HUBERT_SIGNATURE = "feature_extractor.conv_layers.0.conv.weight"
BERT_SIGNATURE = "embeddings.word_embeddings.weight"
SPEAKER_SIGNATURE = "fuse34.local_att.0.weight"

_HEAD_SIZE = 64


@dataclass(frozen=True)
class HubertSizes:
    """Sizes of HuBERT; kernels: of the convolutions on samples; heads have 64 channels.

    position_kernel, position_groups: of the positional convolution.
    weight_names: how its weight norm is named, which newer versions of torch do differently.
    """

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    channels: int
    kernels: tuple[int, ...]
    position_kernel: int
    position_groups: int
    weight_names: tuple[str, str]


def infer_hubert(reader: ShapeReader) -> HubertSizes:
    """Sizes by the tensors. Raises DefectError."""
    hidden = reader.length("feature_projection.projection.weight", 0)
    convolutions = reader.count("feature_extractor.conv_layers.{}.conv.weight")
    new = ("parametrizations.weight.original0", "parametrizations.weight.original1")
    position = "encoder.pos_conv_embed.conv"
    names = new if reader.has(f"{position}.{new[1]}") else ("weight_g", "weight_v")
    return HubertSizes(
        hidden=hidden,
        layers=reader.count("encoder.layers.{}.attention.q_proj.weight"),
        heads=hidden // _HEAD_SIZE,
        feed_forward=reader.length("encoder.layers.0.feed_forward.intermediate_dense.weight", 0),
        channels=reader.length(HUBERT_SIGNATURE, 0),
        kernels=tuple(
            reader.length(f"feature_extractor.conv_layers.{i}.conv.weight", 2) for i in range(convolutions)
        ),
        position_kernel=reader.length(f"{position}.{names[1]}", 2),
        position_groups=hidden // reader.length(f"{position}.{names[1]}", 1),
        weight_names=names,
    )


def hubert_shapes(sizes: HubertSizes) -> Shapes:
    """Every tensor of the network but the embedding of masked frames, which only training uses."""
    hidden, channels = sizes.hidden, sizes.channels
    position = "encoder.pos_conv_embed.conv"
    made: Shapes = {
        **layer_norm("feature_extractor.conv_layers.0.layer_norm", channels),
        **layer_norm("feature_projection.layer_norm", channels),
        **layer("feature_projection.projection", hidden, channels),
        f"{position}.bias": (hidden,),
        f"{position}.{sizes.weight_names[0]}": (1, 1, sizes.position_kernel),
        f"{position}.{sizes.weight_names[1]}": (
            hidden,
            hidden // sizes.position_groups,
            sizes.position_kernel,
        ),
        **layer_norm("encoder.layer_norm", hidden),
    }
    for index, kernel in enumerate(sizes.kernels):
        inputs = channels if index else 1
        made |= layer(f"feature_extractor.conv_layers.{index}.conv", channels, inputs, kernel, bias=False)
    for index in range(sizes.layers):
        name = f"encoder.layers.{index}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            made |= layer(f"{name}.attention.{part}", hidden, hidden)
        made |= layer(f"{name}.feed_forward.intermediate_dense", sizes.feed_forward, hidden)
        made |= layer(f"{name}.feed_forward.output_dense", hidden, sizes.feed_forward)
        made |= layer_norm(f"{name}.layer_norm", hidden) | layer_norm(f"{name}.final_layer_norm", hidden)
    return made


@dataclass(frozen=True)
class BertSizes:
    """Sizes of BERT and RoBERTa, whose networks are the same; heads have 64 channels."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    types: int


def infer_bert(reader: ShapeReader) -> BertSizes:
    """Sizes by the tensors. Raises DefectError."""
    hidden = reader.length(BERT_SIGNATURE, 1)
    return BertSizes(
        hidden=hidden,
        layers=reader.count("encoder.layer.{}.attention.self.query.weight"),
        heads=hidden // _HEAD_SIZE,
        feed_forward=reader.length("encoder.layer.0.intermediate.dense.weight", 0),
        vocabulary=reader.length(BERT_SIGNATURE, 0),
        positions=reader.length("embeddings.position_embeddings.weight", 0),
        types=reader.length("embeddings.token_type_embeddings.weight", 0),
    )


def bert_shapes(sizes: BertSizes) -> Shapes:
    """Every tensor of the network but the pooler's and the heads', which the features do not need."""
    hidden = sizes.hidden
    made: Shapes = {
        BERT_SIGNATURE: (sizes.vocabulary, hidden),
        "embeddings.position_embeddings.weight": (sizes.positions, hidden),
        "embeddings.token_type_embeddings.weight": (sizes.types, hidden),
        **layer_norm("embeddings.LayerNorm", hidden),
    }
    for index in range(sizes.layers):
        name = f"encoder.layer.{index}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            made |= layer(f"{name}.attention.{part}", hidden, hidden)
        made |= layer(f"{name}.intermediate.dense", sizes.feed_forward, hidden)
        made |= layer(f"{name}.output.dense", hidden, sizes.feed_forward)
        made |= layer_norm(f"{name}.attention.output.LayerNorm", hidden)
        made |= layer_norm(f"{name}.output.LayerNorm", hidden)
    return made


@dataclass(frozen=True)
class SpeakerSizes:
    """Sizes of ERes2NetV2; blocks: residual blocks in each of four stages, whose channels double.

    width, scale: channels and number of the convolutions in a block of the first stage.
    """

    channels: int
    blocks: tuple[int, ...]
    width: int
    scale: int
    expansion: int
    embedding: int
    pooled: int


_FUSED_STAGE = 3
_REDUCTION = 4


def infer_speaker(reader: ShapeReader) -> SpeakerSizes:
    """Sizes by the tensors. Raises DefectError."""
    channels = reader.length("conv1.weight", 0)
    return SpeakerSizes(
        channels=channels,
        blocks=tuple(reader.count(f"layer{stage}.{{}}.conv1.weight") for stage in range(1, 5)),
        width=reader.length("layer1.0.convs.0.weight", 0),
        scale=reader.count("layer1.0.convs.{}.weight"),
        expansion=reader.length("layer1.0.conv3.weight", 0) // channels,
        embedding=reader.length("seg_1.weight", 0),
        pooled=reader.length("seg_1.weight", 1),
    )


def speaker_shapes(sizes: SpeakerSizes) -> Shapes:
    """Every tensor of the network but the counts of batches, which only training uses."""
    top = 8 * sizes.channels * sizes.expansion
    made: Shapes = {
        **layer("conv1", sizes.channels, 1, 3, 3, bias=False),
        **batch_norm("bn1", sizes.channels),
        **layer("layer3_ds", top, top // 2, 3, 3, bias=False),
        **_fusion("fuse34", top),
        **layer("seg_1", sizes.embedding, sizes.pooled),
    }
    inputs = sizes.channels
    for stage, blocks in enumerate(sizes.blocks, start=1):
        outputs = (sizes.channels << (stage - 1)) * sizes.expansion
        for index in range(blocks):
            made |= _block(f"layer{stage}.{index}", sizes, stage, inputs, outputs, first=index == 0)
            inputs = outputs
    return made


def _block(name: str, sizes: SpeakerSizes, stage: int, inputs: int, outputs: int, *, first: bool) -> Shapes:
    width = sizes.width << (stage - 1)
    made = {
        **layer(f"{name}.conv1", width * sizes.scale, inputs, 1, 1, bias=False),
        **batch_norm(f"{name}.bn1", width * sizes.scale),
        **layer(f"{name}.conv3", outputs, width * sizes.scale, 1, 1, bias=False),
        **batch_norm(f"{name}.bn3", outputs),
    }
    for index in range(sizes.scale):
        made |= layer(f"{name}.convs.{index}", width, width, 3, 3, bias=False)
        made |= batch_norm(f"{name}.bns.{index}", width)
    if stage >= _FUSED_STAGE:
        for index in range(sizes.scale - 1):
            made |= _fusion(f"{name}.fuse_models.{index}", width)
    if first:
        made |= layer(f"{name}.shortcut.0", outputs, inputs, 1, 1, bias=False)
        made |= batch_norm(f"{name}.shortcut.1", outputs)
    return made


def _fusion(name: str, size: int) -> Shapes:
    inner = size // _REDUCTION
    return {
        **layer(f"{name}.local_att.0", inner, 2 * size, 1, 1),
        **batch_norm(f"{name}.local_att.1", inner),
        **layer(f"{name}.local_att.3", size, inner, 1, 1),
        **batch_norm(f"{name}.local_att.4", size),
    }
