"""`timbral adapt`: raw recordings become a fine-tuned voice, unattended."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from timbral.cli import terminal
from timbral.cli.options import Json, Language
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
    check_device,
    check_stage,
    facts_of,
    training_is_installed,
)
from timbral.errors import SettingError

NewName = Annotated[str, typer.Option("--name", help="What to call the voice.")]
Separate = Annotated[bool, typer.Option("--separate", help="Take the voice out of music.")]
Denoise = Annotated[
    bool | None,
    typer.Option(
        "--denoise/--no-denoise", help="Take noise out where there is some; done where it is installed."
    ),
]
Transcriber = Annotated[
    str | None,
    typer.Option(metavar="NAME|DIR", help="Who writes down what is said; nobody if it is not needed."),
]
AtMost = Annotated[float, typer.Option(help="About how many seconds are used, the cleanest; 0 for all.")]
Work = Annotated[
    Path | None, typer.Option("--work", metavar="DIR", help="Folder for clips and training, which is kept.")
]

_AT_LEAST = 30.0
"""Seconds; what is learned from noisy or clipped speech is better than what a few seconds can teach."""


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
    """Make a fine-tuned voice of raw recordings of one speaker: prepare, train, keep. Repeat it to go on where it stopped."""
    check_device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SettingError("adapt is one process; several train with `accelerate launch -m timbral train`")
    check_stage(stage)
    with training_is_installed():
        from timbral.training.adapting import adapt_voice, default_stages, run_of
        from timbral.training.recordings import read_recordings
        from timbral.training.run import Sources as Checkpoints
        from timbral.training.settings import family_of, read_settings, stages_of
    from timbral import Consent, data, load
    from timbral.data.denoising import can_denoise
    from timbral.paths import cache_folder
    from timbral.voices import store as voice_store

    agreement = None if consent is None else Consent.of(consent)
    path = voice_store.voice_path(name)
    flags: dict[str, Any] = {"rank": rank, "epochs": epochs, "batch_size": batch_size}
    folder = work or cache_folder() / "adapt" / name
    with terminal.progress("loading") as bar:
        synthesizer = load(model, languages=())
        settings = read_settings(
            family_of(synthesizer.manifest), config, {"semantic": flags, "acoustic": flags}
        )
        checkpoints = Checkpoints(gpt, sovits, discriminator)
        stages = stages_of(stage) or default_stages(synthesizer.manifest, checkpoints)
        # Only stage one, and models that go on from a prompt, have to know what is said.
        written = "semantic" in stages or synthesizer.manifest.semantic.prompts
        prepared = data.prepare(
            recordings,
            folder / "data",
            data.Settings(
                speaker=name.replace("|", " "),
                language=lang,
                separate=separate,
                denoise=can_denoise() if denoise is None else denoise,
                transcriber=transcriber or ("whisper" if written else "none"),
                at_most=at_most,
                at_least=_AT_LEAST,
            ),
            terminal.Narrator(bar),
        )
        found, _ = read_recordings(prepared.path)
        run, begun = run_of(folder / "runs", found, settings, synthesizer.manifest.base, checkpoints)
        bar.begin("training")
        adapted = adapt_voice(
            synthesizer,
            found,
            run,
            settings,
            stages=stages,
            sources=checkpoints,
            consent=agreement,
            resume=begun,
            device=device,
            on_progress=bar.on_progress,
        )
        assert adapted is not None
        voice_store.save(adapted.voice, name, replace=True)
    rows = [facts_of(one) for one in adapted.trained]
    if json:
        terminal.print_json(
            {
                "name": name,
                "path": str(path),
                "seconds": prepared.seconds,
                "work": str(folder),
                "stages": rows,
            }
        )
        return
    for problem in (*prepared.problems, *prepared.notes):
        terminal.note(problem)
    if len(prepared.dropped):
        terminal.note(f"{len(prepared.dropped)} clips were dropped; {prepared.report} says why")
    print(
        f"{name}: {prepared.seconds:.0f} s of speech, kept as {path}; `timbral say TEXT --voice {name}` speaks with it"
    )
    print(f"{folder}: clips, report and training; remove it when it is not needed any more")
