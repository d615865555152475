"""Speaker adaptation: fine-tunes a model on a training set and returns a voice."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from timbral.data.listing import Line
from timbral.errors import SettingError
from timbral.models import Manifest
from timbral.paths import sha256
from timbral.synthesizer import Synthesizer
from timbral.training.base_checkpoints import BaseCheckpoints
from timbral.training.checkpoint import FORMAT
from timbral.training.finetuned_voice import finetuned_voice
from timbral.training.reference_voice import reference_voice
from timbral.training.run import CONFIG, TrainedStage, train_stages
from timbral.training.settings import EMBEDDED, Stage, TrainingSettings, family_of
from timbral.training.task import ProgressCallback, no_progress
from timbral.training.trained_weights import TrainedWeights
from timbral.voices.voice import Consent, Voice

_DIGITS = 16
"""Hexadecimal digits in the name of a run."""


@dataclass(frozen=True)
class Adapted:
    """A fine-tuned voice, and the stages that were trained for it."""

    voice: Voice
    trained: tuple[TrainedStage, ...]


def default_stages(manifest: Manifest, checkpoints: BaseCheckpoints) -> tuple[Stage, ...]:
    """The stages to train for a voice.

    Stage two alone determines the speaker in the embedded family. In the official families it can be trained
    only from its checkpoint.
    """
    if family_of(manifest) == EMBEDDED:
        return ("acoustic",)
    return ("semantic", "acoustic") if checkpoints.sovits else ("semantic",)


def adapt_voice(
    synthesizer: Synthesizer,
    recordings: Sequence[Line],
    run: Path,
    settings: TrainingSettings,
    *,
    stages: Sequence[Stage] | None = None,
    checkpoints: BaseCheckpoints | None = None,
    consent: Consent | None = None,
    resume: bool = False,
    device: str = "auto",
    on_progress: ProgressCallback = no_progress,
) -> Adapted | None:
    """Fine-tunes a voice on recordings of its speaker; arguments are as for `train_stages`.

    stages: by default those of `default_stages`. Returns None in every process but the first. Raises
    SettingError: a full training, which a voice cannot hold; and the errors of `train_stages` and
    `reference_voice`.
    """
    checkpoints = checkpoints or BaseCheckpoints()
    stages = tuple(stages or default_stages(synthesizer.manifest, checkpoints))
    if any(
        settings.of(stage).method != "lora" or getattr(settings.of(stage), "whole", ()) for stage in stages
    ):
        raise SettingError(
            "a voice holds low-rank updates; use method lora without `whole`, or give a folder as -o for a full training"
        )
    voice = reference_voice(synthesizer, recordings, consent)
    trained = train_stages(
        recordings,
        synthesizer.bundle,
        run,
        settings,
        stages=stages,
        checkpoints=checkpoints,
        resume=resume,
        device=device,
        for_voice=True,
        on_progress=on_progress,
    )
    if not trained:
        return None
    results = [TrainedWeights.load(one.path) for one in trained]
    return Adapted(finetuned_voice(voice, results, synthesizer.bundle), tuple(trained))


def adaptation_run(
    folder: Path,
    recordings: Sequence[Line],
    settings: TrainingSettings,
    base: str,
    checkpoints: BaseCheckpoints,
) -> tuple[Path, bool]:
    """The folder in `folder` of the run with these inputs, named by their hash, and whether it exists.

    Removes other runs in `folder`, which cannot be resumed with these inputs.
    """
    files = (checkpoints.gpt, checkpoints.sovits, checkpoints.discriminator)
    parts = [str(FORMAT), settings.model_dump_json(), base]
    parts += [sha256(path) if path else "" for path in files]
    parts += [f"{sha256(r.audio)}|{r.language}|{r.text}" for r in recordings]
    run = folder / hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_DIGITS]
    if folder.is_dir():
        for other in folder.iterdir():
            is_run = len(other.name) == _DIGITS and not set(other.name) - set("0123456789abcdef")
            if is_run and other != run and (other / CONFIG).is_file():
                shutil.rmtree(other, ignore_errors=True)
    return run, (run / CONFIG).is_file()
