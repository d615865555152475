"""Metrics of speech by name, each in a file behind one interface (`Metric`)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from timbral.audio import Audio
from timbral.errors import InstallationError, SettingError
from timbral.evaluation.metrics.comparison import Difference, Pesq, Stoi
from timbral.evaluation.metrics.delivery import Delivery
from timbral.evaluation.metrics.distillmos import DistillMos
from timbral.evaluation.metrics.dnsmos import Dnsmos
from timbral.evaluation.metrics.interface import Better, Column, Measured, Metric, Spoken
from timbral.evaluation.metrics.pitch import Pitch
from timbral.evaluation.metrics.recognition import RecognitionError
from timbral.evaluation.metrics.speaker import SpeakerSimilarity
from timbral.evaluation.metrics.stages import NothingShared, StageOne, StageTwo
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle

__all__ = ["METRICS", "Better", "Column", "Measured", "Metric", "MetricContext", "Spoken", "open_metrics"]


@dataclass(frozen=True)
class MetricContext:
    """What metrics are made of.

    prompts: the recordings of the suite's voices by name. parent: digest of the parent and its speech, empty without
    one. recogniser: a name or folder that `timbral prepare --transcriber` takes. bundles: of the model and its parent,
    None where they do not share tokens.
    """

    prompts: Mapping[str, Audio]
    parent: str = ""
    recogniser: str = "whisper"
    threads: int = 0
    bundles: tuple[Bundle, Bundle] | None = None

    @property
    def sessions(self) -> SessionOptions:
        return SessionOptions(device="cpu", threads=self.threads)


_FACTORIES: Mapping[str, Callable[[MetricContext], Metric]] = {
    "recognition": lambda context: RecognitionError(context.recogniser),
    "speaker": lambda context: SpeakerSimilarity(context.prompts, context.sessions, context.parent),
    "dnsmos": lambda context: Dnsmos(context.sessions),
    "distillmos": lambda context: DistillMos(),
    "delivery": lambda context: Delivery(),
    "pitch": lambda context: Pitch(context.sessions),
    "difference": lambda context: Difference(context.parent),
    "stage_one": lambda context: _stage_one(context),
    "stage_two": lambda context: StageTwo(context.parent),
    "pesq": lambda context: Pesq(context.parent),
    "stoi": lambda context: Stoi(context.parent),
}

METRICS = tuple(_FACTORIES)
"""Names of all metrics."""

_COMPARING = frozenset({"difference", "stage_one", "stage_two", "pesq", "stoi"})
_SHARING = frozenset({"stage_one", "stage_two"})
"""Metrics that need models with the same tokens."""


def _stage_one(context: MetricContext) -> Metric:
    assert context.bundles is not None
    return StageOne(*context.bundles, context.sessions, context.parent)


def open_metrics(names: Sequence[str] | None, context: MetricContext) -> tuple[list[Metric], list[str]]:
    """Metrics by name, and why some are left out; None stands for all whose packages are installed.

    Those that compare are left out without a parent. Raises SettingError: an unknown name; InstallationError: a
    metric that was asked for lacks its package.
    """
    if unknown := [name for name in names or () if name not in METRICS]:
        raise SettingError(f"metric {unknown[0][:40]!r} is unknown; choose from {', '.join(METRICS)}")
    metrics: list[Metric] = []
    notes: list[str] = []
    for name in METRICS if names is None else [name for name in METRICS if name in names]:
        if name in _COMPARING and not context.parent:
            continue
        if name in _SHARING and context.bundles is None:
            notes.append(f"{name} says nothing: the models do not share their tokens")
            metrics.append(NothingShared(name))
            continue
        try:
            metrics.append(_FACTORIES[name](context))
        except InstallationError as error:
            if names is not None:
                raise
            notes.append(str(error))
    return metrics, notes
