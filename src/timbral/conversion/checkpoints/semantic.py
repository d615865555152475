"""Tensors of a stage one checkpoint."""

from dataclasses import dataclass

from timbral.conversion.checkpoints.defects import DAMAGED, DefectError
from timbral.conversion.checkpoints.shapes import ShapeReader, Shapes, layer, layer_norm

SIGNATURE = "ar_text_embedding.word_embeddings.weight"
_OFFICIAL_HEADS = 16
_PHONEMES = {512: "v1", 732: "v2"}


@dataclass(frozen=True)
class SemanticSizes:
    """Sizes of stage one, named as in `timbral.nets.semantic.SemanticConfig`.

    heads: by the configuration in the file, else the official 16: shapes do not determine them.
    """

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    phonemes: int
    bert: bool


def infer_sizes(reader: ShapeReader) -> SemanticSizes:
    """Sizes by the tensors. Raises DefectError."""
    hidden = reader.check(reader.length(SIGNATURE, 1), "model", "embedding_dim")
    heads = reader.number("model", "head", default=_OFFICIAL_HEADS)
    if hidden % (2 * heads):
        raise DefectError(f"its width {hidden} is no multiple of twice its {heads} heads; {DAMAGED}")
    return SemanticSizes(
        hidden=hidden,
        layers=reader.check(reader.count("h.layers.{}.linear1.weight"), "model", "n_layer"),
        heads=heads,
        feed_forward=reader.length("h.layers.0.linear1.weight", 0),
        vocabulary=reader.check(reader.length("ar_predict_layer.weight", 0), "model", "vocab_size"),
        phonemes=reader.check(reader.length(SIGNATURE, 0), "model", "phoneme_vocab_size"),
        bert=reader.has("bert_proj.weight"),
    )


def version_of(sizes: SemanticSizes) -> str:
    """The symbol table, by its phones: v1 (whose networks have room for 512), or v2 of all later versions."""
    if sizes.phonemes not in _PHONEMES:
        raise DefectError(f"its {sizes.phonemes} phones are neither those of v1 (512) nor of v2 (732)")
    return _PHONEMES[sizes.phonemes]


def shapes(sizes: SemanticSizes) -> Shapes:
    """Every tensor of the network."""
    hidden = sizes.hidden
    made: Shapes = {
        SIGNATURE: (sizes.phonemes, hidden),
        "ar_audio_embedding.word_embeddings.weight": (sizes.vocabulary, hidden),
        "ar_text_position.alpha": (1,),
        "ar_audio_position.alpha": (1,),
        "ar_predict_layer.weight": (sizes.vocabulary, hidden),
    }
    if sizes.bert:
        made |= layer("bert_proj", hidden, 1024)
    for index in range(sizes.layers):
        name = f"h.layers.{index}"
        made |= {
            f"{name}.self_attn.in_proj_weight": (3 * hidden, hidden),
            f"{name}.self_attn.in_proj_bias": (3 * hidden,),
            **layer(f"{name}.self_attn.out_proj", hidden, hidden),
            **layer(f"{name}.linear1", sizes.feed_forward, hidden),
            **layer(f"{name}.linear2", hidden, sizes.feed_forward),
            **layer_norm(f"{name}.norm1", hidden),
            **layer_norm(f"{name}.norm2", hidden),
        }
    return made
