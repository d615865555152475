"""Stage one as its checkpoints hold it."""

from dataclasses import dataclass

from timbral.conversion.checkpoints.defects import DAMAGED, DefectError
from timbral.conversion.checkpoints.shapes import Ruler, Shapes, layer, layer_norm

LANDMARK = "ar_text_embedding.word_embeddings.weight"
_OFFICIAL_HEADS = 16
_PHONEMES = {512: "v1", 732: "v2"}


@dataclass(frozen=True)
class SemanticSizes:
    """Sizes of stage one, named as in `timbral.nets.semantic.SemanticConfig`.

    heads: by the configuration in the file, else the official 16: shapes do not tell.
    """

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    phonemes: int
    bert: bool


def measure(ruler: Ruler) -> SemanticSizes:
    """Sizes by the tensors. Raises DefectError."""
    hidden = ruler.length(LANDMARK, 1)
    heads = ruler.number("model", "head", default=_OFFICIAL_HEADS)
    if hidden % (2 * heads):
        raise DefectError(f"its width {hidden} is no multiple of twice its {heads} heads; {DAMAGED}")
    return SemanticSizes(
        hidden=hidden,
        layers=ruler.count("h.layers.{}.linear1.weight"),
        heads=heads,
        feed_forward=ruler.length("h.layers.0.linear1.weight", 0),
        vocabulary=ruler.length("ar_predict_layer.weight", 0),
        phonemes=ruler.length(LANDMARK, 0),
        bert=ruler.has("bert_proj.weight"),
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
        LANDMARK: (sizes.phonemes, hidden),
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
