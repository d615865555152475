"""The quantisation error of a model, as the commands that list models show it."""

from collections.abc import Mapping
from typing import Any

from timbral.models import Manifest


def quantization(manifest: Manifest) -> dict[str, Any] | None:
    """As in the manifest; None where it was not measured."""
    return manifest.quantization.model_dump() if manifest.quantization else None


def precision_with_error(row: Mapping[str, Any]) -> str:
    """The precision of a model, and its quantisation error where that is known."""
    precision: str = row["precision"]
    report = row["quantization"]
    if report is None:
        return precision
    agreement, noise = report["semantic"]["agreement"], report["acoustic"]["signal_to_noise"]
    return f"{precision} ({agreement:.1%} of tokens as in fp32, SNR {noise:.0f} dB)"
