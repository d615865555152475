"""From the recordings of a job to a voice: prepare, fine-tune. Needs `timbral[train,data]`.

Every step leaves its result in the folder of the job, so that a second attempt there goes on where the first one ended.
"""

import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from timbral.errors import InstallationError, TimbralWarning, TrainingError
from timbral.paths import atomic_write
from timbral.serving.config import JobsConfig
from timbral.serving.jobs.options import JobOptions
from timbral.serving.storage.objects import Objects
from timbral.synthesizer import Synthesizer, load
from timbral.voices import Consent, Voice

T = TypeVar("T")

Progress = Callable[[str, str, float], None]
"""Called with the stage, the step in it, and the share of the whole job that is done, 0 to 1."""
Notes = Callable[[list[str]], None]

_PREPARING, _TRAINING, CHECKING = "preparing", "training", "checking"
_SHARES = {_PREPARING: (0.0, 0.15), _TRAINING: (0.15, 0.9), CHECKING: (0.9, 0.99)}


@dataclass(frozen=True)
class Assignment:
    """What is to be made. recordings: as the record of the job has them. folder: of the job on this machine."""

    name: str
    options: JobOptions
    recordings: Sequence[dict[str, str]]
    consent: Consent | None
    folder: Path


@dataclass(frozen=True, eq=False)
class Made:
    """A fine-tuned voice, the model that speaks with it, and a clip of the speaker to compare it with."""

    voice: Voice
    synthesizer: Synthesizer
    reference: Path


def share_of(stage: str, share: float) -> float:
    """The share of the whole job."""
    begin, end = _SHARES[stage]
    return begin + (end - begin) * min(1.0, max(0.0, share))


def make_voice(
    assignment: Assignment, objects: Objects, config: JobsConfig, progress: Progress, note: Notes
) -> Made:
    """Makes the voice, or goes on making it. Raises TimbralError: unusable recordings or settings; what `progress` raises."""
    try:
        from timbral.training.adaptation import adapt_voice, adaptation_run, default_stages
        from timbral.training.base_checkpoints import BaseCheckpoints
        from timbral.training.settings import family_of, read_settings, stages_of
        from timbral.training.speaker_set import preparation_config, prepare_speaker
    except ModuleNotFoundError as error:
        raise InstallationError(
            f"jobs need {error.name}, which is not installed; pip install 'timbral[train,data]' brings it"
        ) from None

    def step(stage: str) -> Callable[[str, float], None]:
        return lambda what, share: progress(stage, what, share_of(stage, share))

    options, folder = assignment.options, assignment.folder
    progress(_PREPARING, "loading the model", 0.0)
    synthesizer, checkpoints = load(options.model, languages=()), BaseCheckpoints()
    manifest = synthesizer.manifest
    flags = {"epochs": options.epochs}
    settings = read_settings(family_of(manifest), config.training, dict.fromkeys(stages_of("both"), flags))
    stages = default_stages(manifest, checkpoints)
    preparation = preparation_config(
        assignment.name,
        options.language,
        uses_text="semantic" in stages or manifest.semantic.prompts,
        denoise=options.denoise,
        at_most=config.at_most_s,
    )
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always", TimbralWarning)
        files = _fetch(assignment, objects)
        speech = prepare_speaker(files, folder / "data", preparation, step(_PREPARING))
        prepared = speech.prepared
        note([*prepared.problems, *prepared.notes, *_others(speech.others, len(speech.lines))])
        run, begun = adaptation_run(folder / "runs", speech.lines, settings, manifest.base, checkpoints)
        adapt = partial(
            adapt_voice,
            synthesizer,
            speech.lines,
            run,
            settings,
            stages=stages,
            consent=assignment.consent,
            on_progress=step(_TRAINING),
        )
        adapted = _resumed(adapt, run) if begun else adapt()
    note([str(one.message) for one in noted if issubclass(one.category, TimbralWarning)])
    assert adapted is not None  # one process alone
    return Made(adapted.voice, synthesizer, speech.lines[0].audio)


def _fetch(assignment: Assignment, objects: Objects) -> list[Path]:
    """The recordings as files, those that are not there yet from the object store."""
    folder = assignment.folder / "recordings"
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for recording in assignment.recordings:
        path = folder / recording["object"].rpartition("/")[2]
        if not path.exists():
            with atomic_write(path) as part:
                part.write_bytes(objects.get(recording["object"]))
        paths.append(path)
    return paths


def _resumed(adapt: Callable[..., T], run: Path) -> T:
    """Goes on with a training; begins anew where that cannot be: another version of this package has written the checkpoint."""
    try:
        return adapt(resume=True)
    except TrainingError:
        shutil.rmtree(run)
        return adapt()


def _others(others: Sequence[str], kept: int) -> list[str]:
    if not others:
        return []
    return [
        f"{len(others)} of {kept + len(others)} clips are not of the speaker who speaks most, and are left out"
    ]
