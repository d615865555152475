"""LoRA checkpoints of v3 and v4, which change the attention of the network that they were trained on.

Such a file has two thin matrices A and B for each changed weight W, which becomes W + B A (GPT-SoVITS trains
with alpha = rank, so there is no factor). It also has what was trained in full beside the attention, which
replaces the tensors of the base: GPT-SoVITS freezes `enc_p`, the codebook and the rest of `cfm`, no more.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from timbral.conversion.checkpoints.defects import DAMAGED, DefectError, quoted
from timbral.conversion.checkpoints.metadata import Value
from timbral.conversion.checkpoints.tensors import Array

_WRAPPED = "cfm.base_model.model."
_PART = re.compile(r"(cfm\..+)\.lora_([AB])\.default\.weight")


@dataclass(frozen=True)
class LoraSizes:
    """rank: rows of A and columns of B; changed: names of the weights that are changed."""

    rank: int
    changed: tuple[str, ...]


def is_lora(names: Mapping[str, Array]) -> bool:
    """Whether tensors of these names are a LoRA."""
    return any(".lora_A." in name for name in names)


def separate(tensors: Mapping[str, Array], rank: Value) -> tuple[LoraSizes, dict[str, Array]]:
    """Sizes of a LoRA and its tensors by the names in the base: `<weight>.A`, `<weight>.B`, or a replacement.

    rank: as the file says it, if it does. Raises DefectError.
    """
    named: dict[str, Array] = {}
    for full, tensor in tensors.items():
        name = full.replace(_WRAPPED, "cfm.", 1).replace(".base_layer.", ".")
        part = _PART.fullmatch(name)
        named[f"{part[1]}.weight.{part[2]}" if part else name] = tensor
    if len(named) < len(tensors):
        raise DefectError(f"two of its tensors have the same name in the base; {DAMAGED}")
    changed = sorted({name[:-2] for name in named if name.endswith((".weight.A", ".weight.B"))})
    ranks = {_rank(named, name) for name in changed}
    if len(ranks) != 1 or (rank is not None and ranks != {rank}):
        raise DefectError(
            f"its matrices have the ranks {quoted(str(sorted(ranks)))}, and it says {quoted(rank)}; {DAMAGED}"
        )
    return LoraSizes(ranks.pop(), tuple(changed)), named


def _rank(named: Mapping[str, Array], name: str) -> int:
    down, up = named.get(f"{name}.A"), named.get(f"{name}.B")
    if down is None or up is None or down.ndim != 2 or up.ndim != 2 or down.shape[0] != up.shape[1]:
        raise DefectError(f"its change to {quoted(name)} is incomplete; {DAMAGED}")
    return int(down.shape[0])


def merged(
    base: Mapping[str, Array], lora: Mapping[str, Array], changed: tuple[str, ...]
) -> dict[str, Array]:
    """The tensors of `base` with those of a LoRA (see `separate`) put in; changed ones are float32.

    Raises DefectError where they do not fit.
    """
    result = dict(base)
    matrices = {f"{name}.{side}" for name in changed for side in "AB"}
    for name, replacement in lora.items():
        if name not in matrices and not name.startswith("enc_q."):
            _check_fit(base, name, replacement.shape)
            result[name] = replacement
    for name in changed:
        down, up = lora[f"{name}.A"].astype(np.float32), lora[f"{name}.B"].astype(np.float32)
        _check_fit(base, name, (up.shape[0], down.shape[1]))
        result[name] = result[name].astype(np.float32) + up @ down
    return result


def _check_fit(base: Mapping[str, Array], name: str, shape: tuple[int, ...]) -> None:
    if name not in base:
        raise DefectError(
            f"it changes {quoted(name)}, which the base does not have; choose the base it was made for"
        )
    if base[name].shape != shape:
        raise DefectError(
            f"it changes {quoted(name)} of shape {shape}, which in the base is {base[name].shape}; "
            "choose the base it was made for"
        )
