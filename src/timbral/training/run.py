"""A training from recordings to weights: hears the recordings, trains one stage after the other, and writes the results.

RUN/config.yaml                 all settings, those that were left out too
RUN/semantic/, RUN/acoustic/    of each stage: checkpoint.pt, curves.jsonl, curves.png, samples, TensorBoard's files
RUN/semantic.safetensors, ...   what was learned; `timbral.training.result` reads it
"""

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from accelerate import PartialState

from timbral.data.listing import Line
from timbral.errors import TimbralWarning, TrainingError
from timbral.models import Bundle
from timbral.nets.acoustic import AcousticNetwork
from timbral.paths import cache_folder, sha256
from timbral.training.acoustic import AcousticTask
from timbral.training.acoustic_examples import AcousticExample
from timbral.training.adapters import count
from timbral.training.bases import acoustic_base, check_acoustic, discriminators_base, semantic_base
from timbral.training.embedded import source_filter_task
from timbral.training.features import Features, Hearer
from timbral.training.loop import Outcome, Tell, train
from timbral.training.mel_acoustic import MelAcousticTask
from timbral.training.result import Result
from timbral.training.semantic import SemanticExample, SemanticTask
from timbral.training.settings import (
    EMBEDDED,
    PART,
    STAGES,
    AcousticSettings,
    SourceFilterSettings,
    Stage,
    TrainingSettings,
    family_of,
    other_than_written,
    write_settings,
)
from timbral.training.task import Task

CONFIG = "config.yaml"


@dataclass(frozen=True)
class Sources:
    """Checkpoints to start from, in the official layouts.

    gpt: stage one; without it that of the model. sovits: stage two, which holds what training alone needs, and so cannot come
    from the model. discriminator: its adversaries; without it they begin with random weights.
    """

    gpt: Path | None = None
    sovits: Path | None = None
    discriminator: Path | None = None


@dataclass(frozen=True)
class Trained:
    """A stage that was trained: where its result is, how the run ended, and how many parameters were trained, of how many."""

    stage: Stage
    path: Path
    outcome: Outcome
    parameters: tuple[int, int]


def train_stages(
    recordings: Sequence[Line],
    bundle: Bundle,
    run: Path,
    settings: TrainingSettings,
    *,
    stages: Sequence[Stage] = STAGES,
    sources: Sources | None = None,
    resume: bool = False,
    device: str = "auto",
    for_voice: bool = False,
    on_progress: Tell = lambda what, share: None,
) -> list[Trained]:
    """Trains stages of a model on recordings of a voice.

    run: new folder, or with `resume` that of a run that has not come to its end. tell: is told what is being done, and how much
    of it. for_voice: what is learned is to be added to the weights of the model, so checkpoints have to hold the same ones.
    Recordings that cannot be used are left out, with a TimbralWarning. Raises TrainingError, CheckpointError,
    BundleError: what is wrong with recordings, settings, run, checkpoints or model.
    Returns what was trained; of several processes, the first writes and returns it.
    """
    sources = sources or Sources()
    processes = PartialState(cpu=device == "cpu")
    _check(bundle, stages, sources)
    if processes.is_main_process:
        _begin(run, settings, resume)
    processes.wait_for_everyone()
    with processes.main_process_first():
        heard, problems = _hear(bundle, stages, recordings, on_progress)
    for problem in problems:
        warnings.warn(f"left out: {problem}", TimbralWarning, stacklevel=2)
    trained = []
    for stage in stages:
        on_progress(stage, 0.0)
        if isinstance(settings.acoustic, SourceFilterSettings) and stage == "acoustic":
            task: Task = source_filter_task(bundle, recordings, settings.acoustic, on_progress)
        else:
            task = _task(stage, bundle, list(heard.values()), settings, sources, for_voice)
        network = task.networks[task.result]
        parameters = count(network)
        outcome = train(
            task,
            settings.semantic if stage == "semantic" else settings.acoustic,
            run / stage,
            fingerprint=_fingerprint(
                bundle, stage, sources, heard or [sha256(one.audio) for one in recordings]
            ),
            on_progress=lambda what, share, stage=stage: on_progress(f"{stage}, {what}", share),  # type: ignore[misc]
            device=device,
        )
        if not processes.is_main_process:
            continue
        path = run / f"{stage}.safetensors"
        network.cpu()
        task.conclude()
        Result.of(network, stage, bundle.manifest.base).save(path)
        trained.append(Trained(stage, path, outcome, parameters))
    return trained


def _hear(
    bundle: Bundle, stages: Sequence[Stage], recordings: Sequence[Line], on_progress: Tell
) -> tuple[dict[str, Features], list[str]]:
    """What the tasks need to know of recordings, by key, and what is wrong with the others.

    Stage two of the embedded family hears for itself, and says so.
    """
    if bundle.manifest.family == EMBEDDED and "semantic" not in stages:
        return {}, []
    return Hearer(bundle, cache_folder() / "features").hear(recordings, on_progress)


def _check(bundle: Bundle, stages: Sequence[Stage], sources: Sources) -> None:
    """Raises TrainingError for what cannot work, before anything is heard."""
    if bundle.manifest.family == EMBEDDED:
        if sources != Sources():
            raise TrainingError(
                f"{bundle.manifest.name} is trained as it is; leave --gpt, --sovits and --discriminator out"
            )
        return
    if "acoustic" in stages and sources.sovits is None:
        raise TrainingError(
            "stage two is trained from its checkpoint, which holds more than the model: give the published s2G*.pth as "
            "--sovits (and s2D*.pth as --discriminator), or train --stage semantic alone"
        )
    if "acoustic" in stages and sources.sovits is not None:
        check_acoustic(bundle, sources.sovits)


def _begin(run: Path, settings: TrainingSettings, resume: bool) -> None:
    """Writes the settings of a new run; a run that goes on keeps its own, and is refused others before anything is done."""
    if resume:
        if not (run / CONFIG).is_file():
            raise TrainingError(f"{run} holds no run to go on with; leave --resume out to begin one")
        changed = other_than_written(settings, run / CONFIG)
        if changed:
            raise TrainingError(
                f"{run} was begun with other settings: {', '.join(changed)}; resume without them, or begin a run with another -o"
            )
        return
    # A kill can leave the settings half written.
    if run.is_dir() and any(path.suffix != PART for path in run.iterdir()):
        raise TrainingError(f"{run} is not empty; give --resume to go on with the run in it, or another -o")
    run.mkdir(parents=True, exist_ok=True)
    write_settings(settings, run / CONFIG)


def _task(
    stage: Stage,
    bundle: Bundle,
    features: Sequence[Features],
    settings: TrainingSettings,
    sources: Sources,
    for_voice: bool,
) -> Task:
    if stage == "semantic":
        spoken = [SemanticExample(f.phones, f.tokens, f.bert) for f in features if bool(f.text)]
        return SemanticTask(semantic_base(bundle, sources.gpt, same=for_voice), spoken, settings.semantic)
    assert sources.sovits is not None
    assert isinstance(settings.acoustic, AcousticSettings)
    base = acoustic_base(bundle, sources.sovits, same=for_voice)
    examples = [AcousticExample(f.samples, f.phones, f.tokens, f.speaker, mel=f.mel) for f in features]
    if not isinstance(base.network, AcousticNetwork):
        return MelAcousticTask(base.network, examples, settings.acoustic)
    if base.new_posterior:
        warnings.warn(
            f"{sources.sovits.name} has no posterior encoder, which is now trained from nothing; the published s2G*.pth has one",
            TimbralWarning,
            stacklevel=3,
        )
    judges = None
    if settings.acoustic.adversary:
        judges = discriminators_base(family_of(bundle.manifest), sources.discriminator)
        if sources.discriminator is None:
            warnings.warn(
                "without --discriminator stage two learns from adversaries that know nothing yet; the published s2D*.pth does",
                TimbralWarning,
                stacklevel=3,
            )
    return AcousticTask(base.network, judges, examples, settings.acoustic, new_posterior=base.new_posterior)


def _fingerprint(bundle: Bundle, stage: Stage, sources: Sources, heard: Iterable[str]) -> str:
    """Of all that a run depends on beside its settings."""
    files = [sources.gpt] if stage == "semantic" else [sources.sovits, sources.discriminator]
    parts = [bundle.manifest.base, *(sha256(path) if path else "" for path in files), *heard]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
