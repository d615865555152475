"""What a model has lost to its precision, as the commands that list models say it."""

from collections.abc import Mapping
from typing import Any

from timbral.models import Manifest


def losses(manifest: Manifest) -> dict[str, Any] | None:
    """As in the manifest; None where nobody has measured it."""
    return manifest.losses.model_dump() if manifest.losses else None


def with_losses(row: Mapping[str, Any]) -> str:
    """The precision of a model, and in a few words what it has cost, where that is known."""
    precision: str = row["precision"]
    lost = row["losses"]
    if lost is None:
        return precision
    agreement, noise = lost["semantic"]["agreement"], lost["acoustic"]["signal_to_noise"]
    return f"{precision} ({agreement:.1%} of tokens as in fp32, sound {noise:.0f} dB over its noise)"
