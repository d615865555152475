"""From a training set to a voice: trains what the model can learn of a speaker, and puts it into one file."""

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
from timbral.training.loop import Tell
from timbral.training.references import hear_voice
from timbral.training.result import Result
from timbral.training.run import CONFIG, Sources, Trained, train_stages
from timbral.training.settings import EMBEDDED, Stage, TrainingSettings, family_of
from timbral.training.voices import tuned_voice
from timbral.voices.voice import Consent, Voice

_NAME = 16
"""Hexadecimal digits of the name of a run."""


@dataclass(frozen=True)
class Adapted:
    """A fine-tuned voice, and the stages that were trained for it."""

    voice: Voice
    trained: tuple[Trained, ...]


def default_stages(manifest: Manifest, sources: Sources) -> tuple[Stage, ...]:
    """The stages that fine-tuning a voice should train.

    Stage two of the embedded family tells speakers apart by itself; what its stage one would gain or lose was not measured.
    Stage two of the official families needs its checkpoint.
    """
    if family_of(manifest) == EMBEDDED:
        return ("acoustic",)
    return ("semantic", "acoustic") if sources.sovits else ("semantic",)


def adapt_voice(
    synthesizer: Synthesizer,
    recordings: Sequence[Line],
    run: Path,
    settings: TrainingSettings,
    *,
    stages: Sequence[Stage] | None = None,
    sources: Sources | None = None,
    consent: Consent | None = None,
    resume: bool = False,
    device: str = "auto",
    on_progress: Tell = lambda what, share: None,
) -> Adapted | None:
    """Fine-tunes a voice on recordings of its speaker; see `train_stages`.

    stages: by default those of `default_stages`. Returns None in every process but the first. Raises SettingError: a training
    in full, which no voice can hold; and what `train_stages` and `hear_voice` raise.
    """
    sources = sources or Sources()
    stages = tuple(stages or default_stages(synthesizer.manifest, sources))
    chosen = [settings.semantic if stage == "semantic" else settings.acoustic for stage in stages]
    if any(stage.method != "lora" or getattr(stage, "whole", ()) for stage in chosen):
        raise SettingError(
            "a voice holds changes of low rank; use method lora without `whole`, or give a folder as -o for a training in full"
        )
    heard = hear_voice(synthesizer, recordings, consent)
    trained = train_stages(
        recordings,
        synthesizer.bundle,
        run,
        settings,
        stages=stages,
        sources=sources,
        resume=resume,
        device=device,
        for_voice=True,
        on_progress=on_progress,
    )
    if not trained:
        return None
    results = [Result.load(one.path) for one in trained]
    return Adapted(tuned_voice(heard, results, synthesizer.bundle), tuple(trained))


def run_of(
    folder: Path, recordings: Sequence[Line], settings: TrainingSettings, base: str, sources: Sources
) -> tuple[Path, bool]:
    """The folder of an unattended run among `folder`, named by what it depends on, and whether it has been begun.

    Runs of other recordings or settings there are removed: nobody will go on with them.
    """
    parts = [settings.model_dump_json(), base]
    parts += [sha256(path) if path else "" for path in (sources.gpt, sources.sovits, sources.discriminator)]
    parts += [f"{sha256(r.audio)}|{r.language}|{r.text}" for r in recordings]
    run = folder / hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_NAME]
    if folder.is_dir():
        for other in folder.iterdir():
            named = len(other.name) == _NAME and not set(other.name) - set("0123456789abcdef")
            if named and other != run and (other / CONFIG).is_file():
                shutil.rmtree(other, ignore_errors=True)
    return run, (run / CONFIG).is_file()
