"""Evaluates a model: speaks the cases of a suite, measures them, keeps what is done."""

import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from timbral.audio import Audio, read
from timbral.errors import (
    AudioError,
    BundleError,
    SettingError,
    SynthesisError,
    TextError,
    VoiceError,
)
from timbral.evaluation.footprint import measure_figures
from timbral.evaluation.journal import PARENT, RUN, SPEECH, Journal, read_evaluation
from timbral.evaluation.metrics import Metric, MetricContext, Spoken, open_metrics
from timbral.evaluation.mixing import share_tokens, with_stage_two
from timbral.evaluation.results import SPEED, Evaluation, Figures, Row
from timbral.evaluation.suite import Case, Suite, SuiteVoice
from timbral.evaluation.suite_files import load_suite
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle, open_bundle
from timbral.paths import is_folder
from timbral.synthesizer import Synthesizer, load
from timbral.voices import Voice

Progress = Callable[[str, float], None]
"""Name of the current step, and the share of it that is done, 0 to 1."""
Model = Synthesizer | Bundle | str | Path | None

_SAME = "same tokens"
"""Mark of the parent whose tokens a model has spoken, among the fingerprints of metrics."""
_FAILURES = (AudioError, SynthesisError, TextError, VoiceError)
"""What a case may fail with while others go on."""
_VOICES = 8
"""Cloned voices that are kept for their next case."""


def evaluate(
    model: Model = None,
    suite: Suite | None = None,
    *,
    against: "Model | Evaluation" = None,
    metrics: Sequence[str | Metric] | None = None,
    seed: int = 0,
    folder: Path | None = None,
    recogniser: str = "whisper",
    threads: int = 0,
    memory: bool = True,
    progress: Progress = lambda what, share: None,
) -> Evaluation:
    """Speaks every case of a suite with a model, and measures it.

    model: the embedded one, or one by name, folder, or loaded. suite: the built-in one by default. against: the parent
    to compare with at the same seed: a model, an earlier evaluation or its folder; None for no comparison. metrics:
    names of METRICS, or metrics of your own; all whose packages are installed by default. folder: where speech and rows
    are kept; the same call with the same folder resumes there, and measures only what is new. recogniser: a
    faster-whisper model by name or folder. threads: of each graph, 0 for all cores. memory: whether a process of its own
    measures the peak of memory.
    Raises BundleError: no such model; SettingError: an unknown metric, a folder of another evaluation; DataError:
    damaged rows; InstallationError, HubError: a metric or the recogniser is not to be had.
    """
    suite = load_suite() if suite is None else suite
    names = None if metrics is None else [one for one in metrics if isinstance(one, str)]
    own = [one for one in metrics or () if not isinstance(one, str)]
    kept = None
    if folder is None:
        kept = tempfile.TemporaryDirectory(prefix="timbral-evaluation-")
        folder = Path(kept.name)
    subject = _Subject.of(model, threads)
    setting = _Setting(suite, seed, suite.prompts, names, own, recogniser, threads, memory, progress)
    parent = None if against is None else _parent(against, setting, folder / PARENT)
    if parent and parent.digest == subject.digest and parent.suite_digest == suite.digest:
        Journal.adopt(parent.folder, folder)  # a model against itself is spoken once
    return _evaluate(subject, setting, folder, parent, kept)


@dataclass(frozen=True)
class _Setting:
    """What is the same for a model and its parent."""

    suite: Suite
    seed: int
    prompts: Mapping[str, Audio]
    names: Sequence[str] | None
    own: Sequence[Metric]
    recogniser: str
    threads: int
    memory: bool
    progress: Progress


@dataclass(frozen=True)
class _Subject:
    """A model, loaded when it is to speak."""

    bundle: Bundle
    threads: int
    loaded: Synthesizer | None = None

    @staticmethod
    def of(model: Model, threads: int) -> "_Subject":
        if isinstance(model, Synthesizer):
            return _Subject(model.bundle, threads, model)
        bundle = model if isinstance(model, Bundle) else open_bundle(model)
        return _Subject(bundle, threads)

    @property
    def digest(self) -> str:
        return bundle_digest(self.bundle)

    def load(self, suite: Suite) -> Synthesizer:
        if self.loaded is not None:
            return self.loaded
        spoken = {case.language for case in suite.cases}
        languages = [one for one in self.bundle.manifest.languages if one in spoken]
        return load(self.bundle.folder, threads=self.threads, languages=languages)


def bundle_digest(bundle: Bundle) -> str:
    """SHA-256 of the manifest, which holds those of all files, 16 digits."""
    return sha256(bundle.manifest.model_dump_json().encode()).hexdigest()[:16]


def _parent(against: "Model | Evaluation", setting: _Setting, folder: Path) -> Evaluation:
    """The evaluation of a parent, made or read. Raises SettingError: it is one of other cases or another seed."""
    if isinstance(against, str | Path) and is_folder(against) and (Path(against) / RUN).is_file():
        against = read_evaluation(Path(against))
    if not isinstance(against, Evaluation):
        return _evaluate(_Subject.of(against, setting.threads), setting, folder, None, None)
    missing = {case.id for case in setting.suite.cases} - {row.case for row in against.rows}
    if against.seed != setting.seed or missing:
        raise SettingError(
            f"the evaluation of {against.model} is of other cases or another seed; evaluate it again, or name the model instead"
        )
    return against


def _evaluate(
    subject: _Subject, setting: _Setting, folder: Path, parent: Evaluation | None, kept: Any
) -> Evaluation:
    suite, name = setting.suite, subject.bundle.manifest.name
    pair = _pair(subject.bundle, parent)
    opened, notes = open_metrics(setting.names, _context(setting, parent, pair))
    opened += [metric for metric in setting.own if parent or not metric.needs_parent]
    columns = tuple(column for metric in opened for column in metric.columns) + SPEED
    run = {"digest": subject.digest, "suite_digest": suite.digest, "seed": setting.seed}
    journal = Journal.open(folder, run)
    for language in sorted({case.language for case in suite.cases} - set(subject.bundle.manifest.languages)):
        notes.append(f"{name} does not speak {language}")
    _speak(subject, setting, journal)
    if parent and pair and parent.digest != subject.digest:
        _speak_same_tokens(pair, parent, setting, journal)
    figures = _figures(subject, setting, journal)
    _measure(setting, journal, opened, parent, name)
    facts = {"model": name, "bundle": str(subject.bundle.folder.resolve()), "suite": suite.name}
    described = facts | {"figures": figures.model_dump(), "notes": notes}
    journal.describe(run | described | {"columns": [vars(column) for column in columns]})
    return Evaluation(
        model=name,
        digest=subject.digest,
        suite=suite.name,
        suite_digest=suite.digest,
        seed=setting.seed,
        rows=tuple(journal.rows[case.id] for case in suite.cases),
        columns=columns,
        figures=figures,
        folder=folder,
        bundle=subject.bundle.folder,
        parent=parent,
        notes=tuple(notes),
        kept=kept,
    )


def _context(
    setting: _Setting, parent: Evaluation | None, pair: tuple[Bundle, Bundle] | None
) -> MetricContext:
    mark = parent.digest if parent else ""
    return MetricContext(setting.prompts, mark, setting.recogniser, setting.threads, pair)


def _pair(bundle: Bundle, parent: Evaluation | None) -> tuple[Bundle, Bundle] | None:
    """The model and its parent, where both are here and share their tokens."""
    if parent is None:
        return None
    try:
        other = open_bundle(parent.bundle)
    except BundleError:
        return None
    same = bundle_digest(other) == parent.digest and share_tokens(other, bundle)
    return (bundle, other) if same else None


def _speak(subject: _Subject, setting: _Setting, journal: Journal) -> None:
    """Speaks the cases that are not spoken yet."""
    waiting = [case for case in setting.suite.cases if case.id not in journal.rows]
    if not waiting:
        return
    what = f"speaking, {subject.bundle.manifest.name}"
    setting.progress(what, 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # notes on recordings and texts are the suite's, not the model's
        synthesizer = subject.load(setting.suite)
        voices = lru_cache(maxsize=_VOICES)(lambda voice: _clone(synthesizer, voice))
        for number, case in enumerate(waiting, 1):
            journal.add(_spoken(synthesizer, voices, case, setting.seed, journal.folder))
            setting.progress(what, number / len(waiting))


def _clone(synthesizer: Synthesizer, voice: SuiteVoice) -> Voice:
    text = (voice.transcript or None) if synthesizer.manifest.semantic.prompts else None
    return synthesizer.clone(voice.recording, text=text, language=voice.language if text else "auto")


def _spoken(
    synthesizer: Synthesizer, voices: Callable[[SuiteVoice], Voice], case: Case, seed: int, folder: Path
) -> Row:
    prompt = str(case.voice.recording.resolve())
    row = Row(case=case.id, voice=case.voice.name, prompt=prompt, language=case.language, text=case.text)
    try:
        speech = synthesizer.say(case.text, voices(case.voice), case.language, seed=seed)
        name = f"{SPEECH}/{case.id}.flac"
        speech.save(folder / name)
    except _FAILURES as error:
        return row.model_copy(update={"failed": str(error)})
    report = speech.report
    values = {"rtf": report.rtf, "first_sound": report.first_s or 0.0}
    weights = {"rtf": max(report.audio_s, 1e-3)}
    return row.model_copy(
        update={"speech": name, "retries": report.retries, "values": values, "weights": weights}
    )


def _speak_same_tokens(
    pair: tuple[Bundle, Bundle], parent: Evaluation, setting: _Setting, journal: Journal
) -> None:
    """Speaks the cases again with the parent's stage one and the model's stage two."""
    waiting = [
        case
        for case in setting.suite.cases
        if not journal.rows[case.id].failed and journal.rows[case.id].measured.get(_SAME) != parent.digest
    ]
    if not waiting:
        return
    bundle, other = pair
    what = f"speaking the parent's tokens, {bundle.manifest.name}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        synthesizer = Synthesizer(with_stage_two(other, bundle), SessionOptions(threads=setting.threads))
        voices = lru_cache(maxsize=_VOICES)(lambda voice: _clone(synthesizer, voice))
        for number, case in enumerate(waiting, 1):
            row = journal.rows[case.id]
            name = f"{SPEECH}/{case.id}.same-tokens.flac"
            try:
                sound = synthesizer.say(case.text, voices(case.voice), case.language, seed=setting.seed)
                sound.save(journal.folder / name)
            except _FAILURES:
                name = ""
            # Metrics that compare with it are measured again.
            marks = {**row.measured, _SAME: parent.digest}
            journal.add(row.model_copy(update={"same_tokens": name, "measured": marks}))
            setting.progress(what, number / len(waiting))


def _figures(subject: _Subject, setting: _Setting, journal: Journal) -> Figures:
    """Size and needs; what an earlier run found of them is kept."""
    spoken = [case for case in setting.suite.cases if not journal.rows[case.id].failed]
    case = spoken[0] if spoken and setting.memory else None
    known = journal.described.get("figures")
    if known and (known.get("memory") or case is None):
        return Figures(**known)
    return measure_figures(subject.bundle, case, setting.threads)


def _measure(
    setting: _Setting, journal: Journal, metrics: Sequence[Metric], parent: Evaluation | None, name: str
) -> None:
    """Measures what is not measured yet, from the files of the speech, so that a resumed run finds the same."""
    theirs = {row.case: row for row in parent.rows} if parent else {}
    wanted = {metric.name: metric.fingerprint for metric in metrics}
    waiting = [case for case in setting.suite.cases if _lacks(journal.rows[case.id], wanted)]
    for number, case in enumerate(waiting, 1):
        row, other = journal.rows[case.id], theirs.get(case.id)
        speech = Audio(*read(journal.folder / row.speech))
        theirs_spoken = parent.speech(other) if parent and other and other.speech else None
        same = speech if parent and parent.digest == journal.described["digest"] else None
        if row.same_tokens:
            same = Audio(*read(journal.folder / row.same_tokens))
        prompt = setting.prompts[case.voice.name]
        spoken = Spoken(case.text, case.language, case.voice.name, prompt, speech, theirs_spoken, same)
        journal.add(_measured(row, spoken, metrics))
        setting.progress(f"measuring, {name}", number / len(waiting))


def _lacks(row: Row, wanted: dict[str, str]) -> bool:
    return not row.failed and any(row.measured.get(name) != mark for name, mark in wanted.items())


def _measured(row: Row, spoken: Spoken, metrics: Sequence[Metric]) -> Row:
    values, weights, measured, heard = dict(row.values), dict(row.weights), dict(row.measured), row.heard
    for metric in metrics:
        if measured.get(metric.name) == metric.fingerprint or (metric.needs_parent and spoken.parent is None):
            continue
        found = metric.measure(spoken)
        for column in metric.columns:
            values.pop(column.name, None)
        values |= {name: round(float(v), 6) for name, v in found.values.items() if np.isfinite(v)}
        weights |= found.weights
        heard = heard if found.heard is None else found.heard
        measured[metric.name] = metric.fingerprint
    return row.model_copy(update={"values": values, "weights": weights, "measured": measured, "heard": heard})
