"""What network a checkpoint holds, decided by its tensors; each tensor's presence and shape is checked."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from timbral.conversion.checkpoints import acoustic, encoders, flow_matching, lora, semantic, vocoders
from timbral.conversion.checkpoints.acoustic import AcousticSizes
from timbral.conversion.checkpoints.checkpoint import Checkpoint
from timbral.conversion.checkpoints.defects import DAMAGED, DefectError, quoted
from timbral.conversion.checkpoints.encoders import BertSizes, HubertSizes, SpeakerSizes
from timbral.conversion.checkpoints.flow_matching import FlowMatchingSizes
from timbral.conversion.checkpoints.lora import LoraSizes
from timbral.conversion.checkpoints.semantic import SemanticSizes
from timbral.conversion.checkpoints.shapes import Shape, ShapeReader, Shapes
from timbral.conversion.checkpoints.tensors import Array, check_values
from timbral.conversion.checkpoints.vocoders import VocoderSizes
from timbral.errors import CheckpointError

Kind: TypeAlias = Literal[
    "semantic", "acoustic", "flow-matching", "lora", "vocoder", "hubert", "bert", "speaker"
]
Sizes: TypeAlias = (
    SemanticSizes
    | AcousticSizes
    | FlowMatchingSizes
    | LoraSizes
    | VocoderSizes
    | HubertSizes
    | BertSizes
    | SpeakerSizes
)

MelVersion: TypeAlias = Literal["v3", "v4"]

_MARKED: Mapping[str | None, MelVersion] = {"02": "v3", "03": "v3", "04": "v4"}
_PUBLISHED: Mapping[str, MelVersion] = {
    "43797be674a37c1c83ee81081941ed0f": "v3",  # s2Gv3.pth
    "4f26b9476d0c5033e04162c486074374": "v4",  # s2Gv4.pth
}
_SHOWN_NAMES = 3


@dataclass(frozen=True)
class Network:
    """What a checkpoint holds.

    kind: `semantic` is stage one; `acoustic` stage two of v1 to v2ProPlus; `flow-matching` that of v3 and v4.
    version: v1, v2, v2Pro, v2ProPlus, v3 or v4. For stage one it is that of the symbol table, v1 or v2; the
    encoders have none.
    sizes: the dataclass of the kind, whose fields are named as in the configurations of `timbral.nets`.
    tensors: what the network takes, by the names in it, checked against the sizes.
    """

    path: Path
    kind: Kind
    version: str | None
    sizes: Sizes
    tensors: dict[str, Array]


@dataclass(frozen=True)
class _Family:
    """How a network is recognised and checked.

    signature: a tensor that only this network has; prefix: what every name may begin with.
    ignored: optional tensors that are left out.
    """

    kind: Kind
    signature: str
    infer_sizes: Callable[[ShapeReader], Any]
    shapes: Callable[[Any], Shapes]
    version: Callable[[Any], str | None]
    prefix: str = ""
    ignored: re.Pattern[str] = re.compile(r"(?!)")


def _none(_: object) -> None:
    return None


_FAMILIES = (
    _Family(
        "semantic",
        semantic.SIGNATURE,
        semantic.infer_sizes,
        semantic.shapes,
        semantic.version_of,
        prefix="model.",
    ),
    _Family(
        "acoustic",
        acoustic.SIGNATURE,
        acoustic.infer_sizes,
        acoustic.shapes,
        acoustic.version_of,
        ignored=re.compile(r"enc_q\."),
    ),
    _Family(
        "flow-matching",
        flow_matching.SIGNATURE,
        flow_matching.infer_sizes,
        flow_matching.shapes,
        flow_matching.check_symbols,
        ignored=re.compile(r"enc_q\."),
    ),
    _Family(
        "vocoder",
        vocoders.HIFIGAN_SIGNATURE,
        vocoders.infer_hifigan,
        vocoders.hifigan_shapes,
        lambda _: "v4",
    ),
    _Family(
        "vocoder",
        vocoders.BIGVGAN_SIGNATURE,
        vocoders.infer_bigvgan,
        vocoders.bigvgan_shapes,
        lambda _: "v3",
    ),
    _Family(
        "hubert",
        encoders.HUBERT_SIGNATURE,
        encoders.infer_hubert,
        encoders.hubert_shapes,
        _none,
        prefix="hubert.",
        ignored=re.compile(r"masked_spec_embed$"),
    ),
    _Family(
        "bert",
        encoders.BERT_SIGNATURE,
        encoders.infer_bert,
        encoders.bert_shapes,
        _none,
        prefix="bert.",
        ignored=re.compile(r"cls\.|pooler\.|embeddings\.position_ids$"),
    ),
    _Family(
        "speaker",
        encoders.SPEAKER_SIGNATURE,
        encoders.infer_speaker,
        encoders.speaker_shapes,
        _none,
        ignored=re.compile(r".*\.num_batches_tracked$"),
    ),
)


def identify(checkpoint: Checkpoint, *, version: MelVersion | None = None) -> Network:
    """What network a checkpoint holds, its version and sizes.

    The tensors decide, never a file's name or size. v3 and v4 have the same tensors: there the mark over the
    beginning of the file decides (every LoRA has one), then `model.version` in the configuration, then the
    fingerprint of the two published files. `version` is for a file with none of these, and ignored for other
    kinds.

    Raises CheckpointError: an unknown network, tensors that are missing, too many, of the wrong shape, or not
    finite, and sizes that contradict the configuration.
    """
    try:
        if lora.is_lora(checkpoint.tensors):
            sizes, tensors = lora.separate(checkpoint.tensors, checkpoint.metadata.get("lora_rank"))
            check_values(tensors)
            return Network(checkpoint.path, "lora", _mel_version(checkpoint, version), sizes, tensors)
        return _recognized(checkpoint, version)
    except DefectError as defect:
        raise CheckpointError(f"{checkpoint.path}: {defect}") from None
    except ZeroDivisionError:
        raise CheckpointError(f"{checkpoint.path}: its shapes contradict each other; {DAMAGED}") from None


def _recognized(checkpoint: Checkpoint, version: MelVersion | None) -> Network:
    for family in _FAMILIES:
        if family.signature in checkpoint.tensors or family.prefix + family.signature in checkpoint.tensors:
            break
    else:
        raise DefectError(_unrecognized(checkpoint.tensors))
    tensors = _named(checkpoint.tensors, family)
    found = {name: tensor.shape for name, tensor in tensors.items()}
    sizes = family.infer_sizes(ShapeReader(found, checkpoint.metadata.get("config")))
    _compare(found, family.shapes(sizes))
    known = family.version(sizes)
    if family.kind == "flow-matching":
        known = _mel_version(checkpoint, version)
    check_values(tensors)
    return Network(checkpoint.path, family.kind, known, sizes, tensors)


def _named(tensors: Mapping[str, Array], family: _Family) -> dict[str, Array]:
    """The tensors by the names in the network; layer norms of BERT have an older name in some files."""
    named: dict[str, Array] = {}
    for full, tensor in tensors.items():
        name = full.removeprefix(family.prefix)
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        if name in named:
            raise DefectError(f"its tensor {quoted(name)} is there twice; {DAMAGED}")
        if not family.ignored.match(name):
            named[name] = tensor
    return named


def _compare(found: Mapping[str, Shape], expected: Shapes) -> None:
    """Raises DefectError with the first few differences."""
    problems = []
    if missing := [name for name in expected if name not in found]:
        problems.append(f"lacks {_listed(missing)}")
    if unexpected := [name for name in found if name not in expected]:
        problems.append(f"has the unexpected {_listed(unexpected)}")
    wrong = [name for name in expected if name in found and found[name] != expected[name]]
    if wrong:
        shapes = [f"{name} {found[name]} instead of {expected[name]}" for name in wrong]
        problems.append(f"has the wrong shape in {_listed(shapes)}")
    if problems:
        raise DefectError(f"it {', '.join(problems)}; the file is damaged, or of a version that is not known")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(ascii(name)[1:-1][:120] for name in names[:_SHOWN_NAMES]) + more


def _unrecognized(tensors: Mapping[str, Array]) -> str:
    if any(name.startswith("discriminators.") for name in tensors):
        return "it is a discriminator, which only training uses; choose the generator (s2G instead of s2D)"
    return f"it is of no network that is known here; its tensors are {_listed(list(tensors))}"


def _mel_version(checkpoint: Checkpoint, declared: MelVersion | None) -> MelVersion:
    """v3 or v4, which the tensors do not determine."""
    config = ShapeReader({}, checkpoint.metadata.get("config"))
    written = config.setting("model", "version")
    known = (
        _MARKED.get(checkpoint.mark)
        or ("v3" if written == "v3" else "v4" if written == "v4" else None)
        or _PUBLISHED.get(checkpoint.fingerprint)
    )
    if known and declared and known != declared:
        raise DefectError(f"it is of {known}, not of {declared} as declared; leave the version out")
    version = known or declared
    if version is None:
        raise DefectError("it does not say whether it is of v3 or v4, whose tensors are the same; say which")
    return version
