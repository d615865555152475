"""Tensors of a stage two checkpoint of v1, v2, v2Pro and v2ProPlus, without the posterior encoder `enc_q`.

Published checkpoints do not have `enc_q`, which only training needs.
"""

from dataclasses import asdict, dataclass

from timbral.conversion.checkpoints import prior
from timbral.conversion.checkpoints.defects import DAMAGED, DefectError
from timbral.conversion.checkpoints.prior import PriorSizes, wavenet
from timbral.conversion.checkpoints.shapes import ShapeReader, Shapes, layer, normed
from timbral.conversion.checkpoints.vocoders import GeneratorSizes, channels, infer_generator, upsamplings

SIGNATURE = "dec.cond.weight"

_FLOWS = (0, 2, 4, 6)
_FLOW_LAYERS = 4
_PLUS_KERNEL = 20


@dataclass(frozen=True)
class AcousticSizes(GeneratorSizes, PriorSizes):
    """Sizes of stage two, named as in `timbral.nets.acoustic.AcousticConfig`.

    speaker: size of the speaker embedding of v2Pro and v2ProPlus, 0 for v1 and v2.
    """

    speaker: int


def infer_sizes(reader: ShapeReader) -> AcousticSizes:
    """Sizes by the tensors. Raises DefectError."""
    return AcousticSizes(
        **asdict(prior.infer_sizes(reader)),
        **asdict(infer_generator(reader, "dec.", "ups.{}", "weight_v")),
        speaker=reader.length("sv_emb.weight", 1) if reader.has("prelu.weight") else 0,
    )


def version_of(sizes: AcousticSizes) -> str:
    """The family: v1 by its phones; the Pro ones by the speaker embedding, Plus by the first upsampling."""
    symbols = prior.symbols_of(sizes)
    if not sizes.speaker:
        return symbols
    if symbols == "v1":
        raise DefectError(f"it has the phones of v1 and a speaker embedding, which only v2 has; {DAMAGED}")
    return "v2ProPlus" if sizes.upsample_kernels[0] == _PLUS_KERNEL else "v2Pro"


def shapes(sizes: AcousticSizes) -> Shapes:
    """Every tensor of the network but the posterior encoder's."""
    made = {**prior.shapes(sizes), **_flow(sizes), **_decoder(sizes)}
    if sizes.speaker:
        made |= layer("sv_emb", sizes.timbre, sizes.speaker)
        made |= layer("ge_to512", sizes.mrte_hidden, sizes.timbre)
        made["prelu.weight"] = (sizes.timbre,)
    return made


def _flow(sizes: AcousticSizes) -> Shapes:
    half = sizes.latent // 2
    made: Shapes = {}
    for index in _FLOWS:
        name = f"flow.flows.{index}"
        made |= layer(f"{name}.pre", sizes.hidden, half, 1)
        made |= layer(f"{name}.post", half, sizes.hidden, 1)
        made |= normed(wavenet(f"{name}.enc", sizes.hidden, _FLOW_LAYERS, sizes.timbre))
    return made


def _decoder(sizes: AcousticSizes) -> Shapes:
    return {
        **layer("dec.conv_pre", sizes.upsample_channels, sizes.latent, 7),
        **layer("dec.cond", sizes.upsample_channels, sizes.timbre, 1),
        **normed(upsamplings(sizes, "dec.", "ups.{}")),
        **layer("dec.conv_post", 1, channels(sizes)[-1] // 2, 7, bias=False),
    }
