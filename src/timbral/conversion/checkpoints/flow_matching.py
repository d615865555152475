"""Tensors of a stage two checkpoint of v3 and v4: the prior, then flow matching towards a mel spectrogram."""

from dataclasses import asdict, dataclass

from timbral.conversion.checkpoints import prior
from timbral.conversion.checkpoints.defects import DAMAGED, DefectError
from timbral.conversion.checkpoints.prior import PriorSizes, wavenet
from timbral.conversion.checkpoints.shapes import ShapeReader, Shapes, layer, layer_norm, normed

SIGNATURE = "cfm.estimator.proj_out.weight"
ESTIMATOR = "cfm.estimator"
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
"""The linear layers of an attention, which a LoRA changes."""

_WAVENET_LAYERS = 8
_TIME_SIZE = 256
_POSITION_GROUPS = 16
_POSITION_KERNEL = 31
_HEAD_SIZE = 64


@dataclass(frozen=True)
class FlowMatchingSizes(PriorSizes):
    """Sizes of stage two of v3 and v4.

    mels: bands of the spectrogram; condition: width of the frames that it is made from.
    width, depth, attention_heads, head_size, expansion: of the diffusion transformer.
    condition_blocks: its ConvNeXt blocks on the condition.
    """

    mels: int
    condition: int
    width: int
    depth: int
    attention_heads: int
    head_size: int
    expansion: int
    condition_blocks: int


def infer_sizes(reader: ShapeReader) -> FlowMatchingSizes:
    """Sizes by the tensors. Raises DefectError."""
    block = f"{ESTIMATOR}.transformer_blocks.0"
    width = reader.length(SIGNATURE, 1)
    return FlowMatchingSizes(
        **asdict(prior.infer_sizes(reader)),
        mels=reader.length(SIGNATURE, 0),
        condition=reader.length("bridge.0.weight", 0),
        width=width,
        depth=reader.count(f"{ESTIMATOR}.transformer_blocks.{{}}.attn.to_q.weight"),
        attention_heads=reader.length(f"{block}.attn.to_q.weight", 0) // _HEAD_SIZE,
        head_size=_HEAD_SIZE,
        expansion=reader.length(f"{block}.ff.ff.0.0.weight", 0) // width,
        condition_blocks=reader.count(f"{ESTIMATOR}.text_embed.text_blocks.{{}}.norm.weight"),
    )


def check_symbols(sizes: FlowMatchingSizes) -> None:
    """Raises DefectError: not the symbol table of v2, which v3 and v4 have."""
    if prior.symbols_of(sizes) != "v2":
        raise DefectError(f"it has the phones of v1, which neither v3 nor v4 has; {DAMAGED}")


def shapes(sizes: FlowMatchingSizes) -> Shapes:
    """Every tensor of the network."""
    condition = sizes.condition
    return {
        **prior.shapes(sizes),
        **layer("bridge.0", condition, sizes.latent, 1),
        **layer("wns1.pre", condition, condition, 1),
        **normed(wavenet("wns1.enc", condition, _WAVENET_LAYERS, sizes.timbre)),
        **layer("wns1.proj", condition, condition, 1),
        **layer("linear_mel", sizes.mels, condition, 1),
        **_estimator(sizes),
    }


def _estimator(sizes: FlowMatchingSizes) -> Shapes:
    width = sizes.width
    made = {
        **layer(f"{ESTIMATOR}.input_embed.proj", width, 2 * sizes.mels + sizes.condition),
        **layer(f"{ESTIMATOR}.norm_out.linear", 2 * width, width),
        **layer(SIGNATURE.removesuffix(".weight"), sizes.mels, width),
        f"{ESTIMATOR}.rotary_embed.inv_freq": (sizes.head_size // 2,),
    }
    for part in ("time_embed", "d_embed"):
        made |= layer(f"{ESTIMATOR}.{part}.time_mlp.0", width, _TIME_SIZE)
        made |= layer(f"{ESTIMATOR}.{part}.time_mlp.2", width, width)
    for index in (0, 2):
        name = f"{ESTIMATOR}.input_embed.conv_pos_embed.conv1d.{index}"
        made |= layer(name, width, width // _POSITION_GROUPS, _POSITION_KERNEL)
    for index in range(sizes.condition_blocks):
        made |= _condition_block(f"{ESTIMATOR}.text_embed.text_blocks.{index}", sizes.condition)
    for index in range(sizes.depth):
        made |= _transformer_block(f"{ESTIMATOR}.transformer_blocks.{index}", sizes)
    return made


def _condition_block(name: str, size: int) -> Shapes:
    return {
        **layer(f"{name}.dwconv", size, 1, 7),
        **layer_norm(f"{name}.norm", size),
        **layer(f"{name}.pwconv1", 2 * size, size),
        f"{name}.grn.gamma": (1, 1, 2 * size),
        f"{name}.grn.beta": (1, 1, 2 * size),
        **layer(f"{name}.pwconv2", size, 2 * size),
    }


def _transformer_block(name: str, sizes: FlowMatchingSizes) -> Shapes:
    width, inner = sizes.width, sizes.attention_heads * sizes.head_size
    made = {
        **layer(f"{name}.attn_norm.linear", 6 * width, width),
        **layer(f"{name}.attn.to_out.0", width, inner),
        **layer(f"{name}.ff.ff.0.0", sizes.expansion * width, width),
        **layer(f"{name}.ff.ff.2", width, sizes.expansion * width),
    }
    for part in ("to_q", "to_k", "to_v"):
        made |= layer(f"{name}.attn.{part}", inner, width)
    return made
