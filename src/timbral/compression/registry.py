"""The steps of compression by name, and the presets that are made of them.

A step is a line in `STEPS`: its name, its settings, its function. Functions are imported when they run, since
some of them need torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from timbral.compression.distillation.settings import DistillationSettings
from timbral.compression.light_vocoder.settings import LightVocoderSettings
from timbral.compression.pruning.settings import PruningSettings
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


def _prune(parent: Path, out: Path, settings: Any, on_progress: OnProgress) -> None:
    from timbral.compression.pruning.prune import prune

    prune(parent, out, settings, on_progress)


def _distill(parent: Path, out: Path, settings: Any, on_progress: OnProgress) -> None:
    from timbral.compression.distillation.distill import distill

    distill(parent, out, settings, on_progress)


def _light_vocoder(parent: Path, out: Path, settings: Any, on_progress: OnProgress) -> None:
    from timbral.compression.light_vocoder.light_vocoder import light_vocoder

    light_vocoder(parent, out, settings, on_progress)


STEPS: Mapping[str, StepKind] = MappingProxyType(
    {
        "prune": StepKind(PruningSettings, _prune),
        "distill": StepKind(DistillationSettings, _distill),
        "light-vocoder": StepKind(LightVocoderSettings, _light_vocoder),
        "quantize": StepKind(QuantizationSettings, _quantize),
    }
)

PRESETS: Mapping[str, str] = MappingProxyType(
    {
        "desktop": "quantize:loss=0.3",
        "mobile": "quantize:loss=1",
        "smallest": "quantize:loss=3",
    }
)
"""Steps of each preset, as `--steps` takes them."""
