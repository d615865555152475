"""Whether a fine-tuned voice may be registered: it speaks a few sentences, and a gate holds what is measured of them."""

import warnings
from pathlib import Path

from timbral.audio import Audio, read
from timbral.errors import TimbralError
from timbral.evaluation import Case, Evaluation, Gate, Row, Suite, SuiteVoice, load_suite
from timbral.evaluation.metrics import METRICS, Metric, MetricContext, Spoken, open_metrics
from timbral.evaluation.results import Figures
from timbral.serving.jobs.pipeline import CHECKING, Made, Progress, share_of

NO_GATE = "none"
_VOICE_GATE = Path(__file__).parent / "gate.yaml"
_SENTENCES, _SEED = 3, 0
_CHEAP = ("speaker", "delivery")
"""Metrics that need neither a package nor a model of their own."""


class RefusedVoiceError(TimbralError):
    """A voice that broke the gate."""


def check_voice(made: Made, gate_name: str, folder: Path, progress: Progress) -> None:
    """Raises RefusedVoiceError: the voice breaks the gate; SettingError: there is no such gate.

    gate_name: `voice`, a YAML file of bounds, or `none`.
    """
    if gate_name == NO_GATE:
        return
    gate = read_gate(gate_name)
    evaluation = _evaluate(made, _suite(made), _metrics_of(gate), folder, progress)
    if broken := gate.check(evaluation):
        lines = "; ".join(map(str, broken[:3]))
        raise RefusedVoiceError(
            f"the fine-tuned voice was not good enough to be kept ({lines}); use more or cleaner recordings of one speaker"
        )


def read_gate(name: str) -> Gate:
    """The gate of the settings; one without bounds for `none`. Raises SettingError."""
    if name == NO_GATE:
        return Gate()
    return Gate.read(_VOICE_GATE if name == "voice" else name)


def _suite(made: Made) -> Suite:
    """The first sentences of the built-in suite in a language of the model, for the new voice."""
    spoken = made.synthesizer.manifest.languages
    language = "en" if "en" in spoken else spoken[0]
    texts = dict.fromkeys(case.text for case in load_suite().spoken_in((language,)).cases)
    voice = SuiteVoice("voice", made.reference)
    cases = [
        Case(f"check-{number}", voice, text, language) for number, text in enumerate(list(texts)[:_SENTENCES])
    ]
    return Suite("voice", tuple(cases))


def _metrics_of(gate: Gate) -> tuple[str, ...]:
    """Metrics to measure: the cheap ones, and all that are installed where the gate bounds anything else."""
    bounded = {name for scope in (gate.overall, gate.language, gate.voice, gate.case) for name in scope}
    return _CHEAP if bounded <= {"similarity", "margin", "level", "pace", "seconds"} else METRICS


def _evaluate(
    made: Made, suite: Suite, names: tuple[str, ...], folder: Path, progress: Progress
) -> Evaluation:
    bundle = made.synthesizer.bundle
    metrics, notes = open_metrics(None if names == METRICS else names, MetricContext(suite.prompts))
    reference = Audio(*read(made.reference))
    rows = []
    for number, case in enumerate(suite.cases):
        progress(CHECKING, "speaking", share_of(CHECKING, number / len(suite.cases)))
        rows.append(_row(made, case, reference, metrics))
    size = bundle.size
    return Evaluation(
        model=bundle.manifest.name,
        digest="",
        suite=suite.name,
        suite_digest=suite.digest,
        seed=_SEED,
        rows=tuple(rows),
        columns=tuple(column for metric in metrics for column in metric.columns),
        figures=Figures(size=size, speaking_size=size, parameters=0, parts={}),
        folder=folder,
        bundle=bundle.folder,
        notes=tuple(notes),
    )


def _row(made: Made, case: Case, reference: Audio, metrics: list[Metric]) -> Row:
    row = Row(
        case=case.id, voice=case.voice.name, prompt=str(made.reference), language=case.language, text=case.text
    )  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            speech = made.synthesizer.say(case.text, made.voice, case.language, seed=_SEED)
    except TimbralError as error:
        return row.model_copy(update={"failed": str(error)})
    spoken = Spoken(case.text, case.language, case.voice.name, reference, speech)
    values: dict[str, float] = {}
    for metric in metrics:
        values |= {name: float(value) for name, value in metric.measure(spoken).values.items()}
    return row.model_copy(update={"values": values})
