"""Trains the stages of a model on a list of recordings.

    RUN/config.yaml                 all settings
    RUN/semantic/, RUN/acoustic/    of each stage: checkpoint.pt, curves.jsonl, curves.png, samples,
                                    TensorBoard files
    RUN/semantic.safetensors, ...   trained weights, read by `timbral.training.trained_weights`
"""

import hashlib
import warnings
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

from accelerate import PartialState

from timbral.data.listing import Line
from timbral.errors import TimbralWarning, TrainingError
from timbral.models import Bundle
from timbral.nets.acoustic import AcousticNetwork
from timbral.paths import cache_folder, sha256
from timbral.training.acoustic_examples import AcousticExample
from timbral.training.adapters import parameter_counts
from timbral.training.base_checkpoints import (
    BaseCheckpoints,
    check_acoustic_version,
    load_acoustic,
    load_discriminators,
    load_semantic,
)
from timbral.training.features import FeatureExtractor, Features
from timbral.training.finetuned_voice import ExchangeableWeights
from timbral.training.flow_matching import FlowMatchingTask
from timbral.training.loop import Outcome, train
from timbral.training.networks import restore_reference, restore_source_filter
from timbral.training.random_state import isolated_random_state
from timbral.training.sampled_tokens import sample_utterances
from timbral.training.semantic import SemanticExample, SemanticTask
from timbral.training.settings import (
    EMBEDDED,
    PART,
    STAGES,
    AcousticSettings,
    SourceFilterSettings,
    Stage,
    TrainingSettings,
    changed_settings,
    family_of,
    write_settings,
)
from timbral.training.source_filter import SourceFilterTask
from timbral.training.source_filter_examples import extract_examples
from timbral.training.task import ProgressCallback, Task, no_progress
from timbral.training.threads import idle_cores, torch_threads
from timbral.training.trained_weights import TrainedWeights
from timbral.training.vits import VitsTask

CONFIG = "config.yaml"


@dataclass(frozen=True)
class TrainedStage:
    """A trained stage.

    path: of its weights. outcome: of the loop. parameters: number of trained parameters, and of all.
    """

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
    checkpoints: BaseCheckpoints | None = None,
    resume: bool = False,
    device: str = "auto",
    for_voice: bool = False,
    on_progress: ProgressCallback = no_progress,
) -> list[TrainedStage]:
    """Trains stages of a model on recordings of a speaker. Unusable recordings are left out, with a
    TimbralWarning.

    run: a new folder, or with `resume` that of an unfinished run. for_voice: the result is to be applied to
    the weights of the model, so checkpoints have to hold the same ones. Returns the trained stages; with
    several processes, the first one writes and returns them. Raises TrainingError, CheckpointError,
    BundleError: unsuitable recordings, settings, run, checkpoints or model.
    """
    checkpoints = checkpoints or BaseCheckpoints()
    processes = PartialState(cpu=device == "cpu")
    _check(bundle, stages, checkpoints)
    if processes.is_main_process:
        _begin(run, settings, resume)
    processes.wait_for_everyone()
    trained = []
    with torch_threads(idle_cores()):
        with processes.main_process_first():
            inputs = _Inputs(bundle, stages, recordings, checkpoints, for_voice, on_progress)
        for stage in stages:
            on_progress(stage, 0.0)
            with isolated_random_state(settings.of(stage).seed):
                # Low-rank updates, a new posterior encoder and new discriminators have random initial
                # weights.
                task = inputs.task(stage, settings)
            network = task.networks[task.result]
            parameters = parameter_counts(network)
            outcome = train(
                task,
                settings.of(stage),
                run / stage,
                fingerprint=inputs.fingerprint(stage),
                on_progress=lambda what, share, stage=stage: on_progress(f"{stage}, {what}", share),  # type: ignore[misc]
                device=device,
            )
            if not processes.is_main_process:
                continue
            path = run / f"{stage}.safetensors"
            network.cpu()
            task.finalize()
            TrainedWeights.of(network, stage, bundle.manifest.base).save(path)
            trained.append(TrainedStage(stage, path, outcome, parameters))
    return trained


class _Inputs:
    """Model, recordings and checkpoints of a run, and the tasks that they make."""

    def __init__(
        self,
        bundle: Bundle,
        stages: Sequence[Stage],
        recordings: Sequence[Line],
        checkpoints: BaseCheckpoints,
        for_voice: bool,
        on_progress: ProgressCallback,
    ) -> None:
        self.bundle, self.recordings, self.checkpoints = bundle, recordings, checkpoints
        self.for_voice, self.on_progress = for_voice, on_progress
        self.features: dict[str, Features] = {}
        # Stage two of the embedded family has examples of its own.
        if bundle.manifest.family != EMBEDDED or "semantic" in stages:
            extractor = FeatureExtractor(bundle, cache_folder() / "features")
            self.features, problems = extractor.extract(recordings, on_progress)
            _warn_of(problems)

    def task(self, stage: Stage, settings: TrainingSettings) -> Task:
        allowed = ExchangeableWeights(self.bundle, stage) if self.for_voice else None
        if stage == "semantic":
            network = load_semantic(self.bundle, self.checkpoints.gpt, same=self.for_voice)
            examples = [
                SemanticExample(f.phones, f.tokens, f.bert) for f in self.features.values() if bool(f.text)
            ]
            return SemanticTask(network, examples, settings.semantic, allowed)
        if isinstance(settings.acoustic, SourceFilterSettings):
            return self._source_filter_task(settings.acoustic, allowed)
        return self._acoustic_task(settings.acoustic, allowed)

    def _source_filter_task(
        self, settings: SourceFilterSettings, allowed: Container[str] | None
    ) -> SourceFilterTask:
        latent, vocoder = restore_source_filter(self.bundle)
        encoder = restore_reference(self.bundle)
        examples, problems = extract_examples(self.recordings, encoder, vocoder.config.rate, self.on_progress)
        _warn_of(problems)
        self.on_progress("sampling sentences", 0.0)
        sampled = list(sample_utterances(self.bundle, idle_cores()))
        return SourceFilterTask(latent, vocoder, encoder, examples, sampled, settings, allowed)

    def _acoustic_task(self, settings: AcousticSettings, allowed: Container[str] | None) -> Task:
        sovits, discriminator = self.checkpoints.sovits, self.checkpoints.discriminator
        assert sovits is not None
        network, new_posterior = load_acoustic(self.bundle, sovits, same=self.for_voice)
        examples = [
            AcousticExample(f.samples, f.phones, f.tokens, f.speaker, mel=f.mel)
            for f in self.features.values()
        ]
        if not isinstance(network, AcousticNetwork):
            return FlowMatchingTask(network, examples, settings, allowed)
        if new_posterior:
            _warn(
                f"{sovits.name} has no posterior encoder, so a new one is trained; the published s2G*.pth has one"
            )
        discriminators = None
        if settings.adversary:
            discriminators = load_discriminators(family_of(self.bundle.manifest), discriminator)
            if discriminator is None:
                _warn(
                    "without --discriminator stage two begins with untrained discriminators; give the published s2D*.pth"
                )
        return VitsTask(
            network, discriminators, examples, settings, new_posterior=new_posterior, allowed=allowed
        )

    def fingerprint(self, stage: Stage) -> str:
        """Identifies everything that a run depends on besides its settings."""
        files = (
            [self.checkpoints.gpt]
            if stage == "semantic"
            else [self.checkpoints.sovits, self.checkpoints.discriminator]
        )
        inputs = self.features or [sha256(one.audio) for one in self.recordings]
        parts = [self.bundle.manifest.base, *(sha256(path) if path else "" for path in files), *inputs]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _warn(problem: str) -> None:
    warnings.warn(problem, TimbralWarning, stacklevel=2)


def _warn_of(problems: Sequence[str]) -> None:
    for problem in problems:
        _warn(f"left out: {problem}")


def _check(bundle: Bundle, stages: Sequence[Stage], checkpoints: BaseCheckpoints) -> None:
    """Raises TrainingError, CheckpointError: checkpoints that do not suit the model."""
    if bundle.manifest.family == EMBEDDED:
        if checkpoints != BaseCheckpoints():
            raise TrainingError(
                f"{bundle.manifest.name} is trained as it is; leave --gpt, --sovits and --discriminator out"
            )
        return
    if "acoustic" in stages:
        if checkpoints.sovits is None:
            raise TrainingError(
                "stage two is trained from its checkpoint, which holds more than the model: give the published s2G*.pth as "
                "--sovits (and s2D*.pth as --discriminator), or train --stage semantic alone"
            )
        check_acoustic_version(bundle, checkpoints.sovits)


def _begin(run: Path, settings: TrainingSettings, resume: bool) -> None:
    """Writes the settings of a new run, or checks that those of a resumed run are the same."""
    if resume:
        if not (run / CONFIG).is_file():
            raise TrainingError(f"{run} holds no run to resume; leave --resume out to begin one")
        changed = changed_settings(settings, run / CONFIG)
        if changed:
            raise TrainingError(
                f"{run} was begun with other settings: {', '.join(changed)}; resume without them, or begin a run with another -o"
            )
        return
    # A kill can leave the settings half written.
    if run.is_dir() and any(path.suffix != PART for path in run.iterdir()):
        raise TrainingError(f"{run} is not empty; give --resume to resume the run in it, or another -o")
    run.mkdir(parents=True, exist_ok=True)
    write_settings(settings, run / CONFIG)
