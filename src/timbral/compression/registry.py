"""The steps of compression by name, and the presets that are made of them.

A step is a line in `STEPS`: its name, its settings, its function. Functions are imported when they run, since
some of them need torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from timbral.compression.quantization.settings import QuantizationSettings
from timbral.compression.step import OnProgress, StepFunction, StepSettings


@dataclass(frozen=True)
class StepKind:
    """A kind of step: its settings and its function."""

    settings: type[StepSettings]
    run: StepFunction


def _quantize(parent: Path, out: Path, settings: Any, on_progress: OnProgress) -> None:
    from timbral.compression.quantization.quantize import quantize

    quantize(parent, out, settings, on_progress)


STEPS: Mapping[str, StepKind] = MappingProxyType({"quantize": StepKind(QuantizationSettings, _quantize)})

PRESETS: Mapping[str, str] = MappingProxyType(
    {
        "desktop": "quantize:loss=0.3",
        "mobile": "quantize:loss=1",
        "smallest": "quantize:loss=3",
    }
)
"""Steps of each preset, as `--steps` takes them."""
