"""`timbral adapt`: makes a fine-tuned voice of raw recordings."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timbral.cli import terminal
from timbral.cli.options import Json, Language, say_command
from timbral.cli.prepare import Sources
from timbral.cli.train import (
    BatchSize,
    Config,
    Consenting,
    Device,
    Discriminator,
    Epochs,
    Gpt,
    Model,
    Rank,
    Sovits,
    StageName,
    check_choices,
    counted,
    facts_of,
    training_is_installed,
)
from timbral.errors import SettingError

if TYPE_CHECKING:
    from timbral.data import PreparationConfig
    from timbral.training.speaker_set import SpeakerSet

NewName = Annotated[str, typer.Option("--name", help="Name of the voice.")]
Separate = Annotated[bool, typer.Option("--separate", help="Separate the voice from music.")]
Denoise = Annotated[
    bool | None,
    typer.Option(
        "--denoise/--no-denoise", help="Denoise clips that need it; done by default where it is installed."
    ),
]
Transcriber = Annotated[
    str | None,
    typer.Option(metavar="NAME|DIR", help="Model for the transcripts; none by default if they are not used."),
]
AtMost = Annotated[float, typer.Option(help="About how many seconds to use, the cleanest; 0 for all.")]
Work = Annotated[
    Path | None, typer.Option("--work", metavar="DIR", help="Folder for clips and training, which is kept.")
]

_MAX_NAMES = 5


def adapt(
    recordings: Sources,
    name: NewName,
    model: Model = None,
    lang: Language = "auto",
    consent: Consenting = None,
    stage: StageName = "auto",
    separate: Separate = False,
    denoise: Denoise = None,
    transcriber: Transcriber = None,
    at_most: AtMost = 300.0,
    rank: Rank = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    config: Config = None,
    gpt: Gpt = None,
    sovits: Sovits = None,
    discriminator: Discriminator = None,
    work: Work = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Make a fine-tuned voice of raw recordings of one speaker. Repeat the command to resume it."""
    _check(stage, device)
    with training_is_installed():
        from timbral.training.adaptation import adapt_voice, adaptation_run, default_stages
        from timbral.training.base_checkpoints import BaseCheckpoints
        from timbral.training.settings import family_of, read_settings, stages_of
        from timbral.training.speaker_set import preparation_config
    from timbral import Consent, load
    from timbral.paths import cache_folder
    from timbral.voices import store as voice_store

    agreement = None if consent is None else Consent.of(consent)
    voice_store.voice_path(name)  # refuses unusable names
    synthesizer, folder = load(model, languages=()), work or cache_folder() / "adapt" / name
    flags = {"rank": rank, "epochs": epochs, "batch_size": batch_size}
    settings = read_settings(family_of(synthesizer.manifest), config, dict.fromkeys(stages_of("both"), flags))
    checkpoints = BaseCheckpoints(gpt, sovits, discriminator)
    stages = stages_of(stage) or default_stages(synthesizer.manifest, checkpoints)
    uses_text = "semantic" in stages or synthesizer.manifest.semantic.prompts
    cleaning: dict[str, Any] = {"separate": separate, "denoise": denoise, "at_most": at_most}
    cleaning |= {"transcriber": transcriber, "uses_text": uses_text}
    preparation = preparation_config(name, lang, **cleaning)
    speech = _prepare(recordings, folder / "data", preparation)
    run, begun = adaptation_run(
        folder / "runs", speech.lines, settings, synthesizer.manifest.base, checkpoints
    )
    chosen: dict[str, Any] = {"stages": stages, "checkpoints": checkpoints, "consent": agreement}
    with terminal.progress("training") as bar:
        chosen |= {"resume": begun, "device": device, "on_progress": bar.on_progress}
        adapted = adapt_voice(synthesizer, speech.lines, run, settings, **chosen)
    assert adapted
    facts: dict[str, Any] = {"name": name, "path": str(voice_store.save(adapted.voice, name, replace=True))}
    facts |= {"seconds": speech.seconds, "work": str(folder), "other_speakers": list(speech.others)}
    _report(facts | {"stages": [facts_of(one) for one in adapted.trained]}, model, json)


def _check(stage: str, device: str) -> None:
    check_choices(stage, device)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SettingError("adapt is one process; several train with `accelerate launch -m timbral train`")


def _report(facts: dict[str, Any], model: str | None, json: bool) -> None:
    if json:
        terminal.print_json(facts)
        return
    command = say_command(facts["name"], model)
    print(f"{facts['name']}: {facts['seconds']:.0f} s of speech, kept as {facts['path']}")
    print(f"`{command}` speaks with it")
    print(f"{facts['work']}: clips, report and training; remove it when it is not needed any more")


def _prepare(recordings: list[Path], folder: Path, settings: "PreparationConfig") -> "SpeakerSet":
    """Prepares the recordings and prints notes about them, before the training begins."""
    from timbral.training.speaker_set import prepare_speaker

    with terminal.progress("preparing") as bar:
        speech = prepare_speaker(recordings, folder, settings, terminal.Narrator(bar))
    prepared, names = speech.prepared, speech.others
    for problem in (*prepared.problems, *prepared.notes):
        terminal.note(problem)
    if prepared.dropped:
        terminal.note(f"{counted(len(prepared.dropped), 'clip')} dropped; {prepared.report} says why")
    if names:
        terminal.note(
            f"more than one speaker: {len(names)} of {len(speech.lines) + len(names)} clips are not of the one who speaks "
            f"most, and are left out ({', '.join(names[:_MAX_NAMES])}{', ...' if len(names) > _MAX_NAMES else ''})"
        )
    return speech
