"""Merges a LoRA into the network that it was trained on."""

from dataclasses import replace

from timbral.conversion.checkpoints.defects import DefectError
from timbral.conversion.checkpoints.identify import Network
from timbral.conversion.checkpoints.lora import LoraSizes, merged
from timbral.errors import CheckpointError


def merge_lora(base: Network, lora: Network) -> Network:
    """The network `base` with a LoRA merged; changed weights are float32, others as they were.

    Raises CheckpointError where the LoRA does not fit: of another version, or other names or shapes.
    """
    if not isinstance(lora.sizes, LoraSizes):
        raise CheckpointError(f"{lora.path}: it is no LoRA but a {lora.kind} network; it needs no base")
    if base.kind != "flow-matching" or base.version != lora.version:
        found = f"{base.kind} network{' of ' + base.version if base.version else ''}"
        raise CheckpointError(
            f"{lora.path}: a LoRA of {lora.version} does not fit {base.path}, a {found}; "
            f"choose the published stage two of {lora.version}"
        )
    try:
        return replace(base, tensors=merged(base.tensors, lora.tensors, lora.sizes.changed))
    except DefectError as defect:
        raise CheckpointError(f"{lora.path}: {defect}") from None
