"""`timbral clone`: recordings become a voice with a name."""

from typing import Annotated

import typer

from timbral.cli import terminal
from timbral.cli.options import Device, Json, Language, Model, Threads, load_model, say_command

Recordings = Annotated[list[str], typer.Argument(help="Recordings of one speaker, 3 to 10 s each.")]
NewName = Annotated[str, typer.Option("--name", help="What to call the voice.")]
Transcript = Annotated[str | None, typer.Option("--text", help="What is said in the first recording.")]
Agreed = Annotated[str | None, typer.Option(help="Name of the speaker, who has agreed to be cloned.")]
Force = Annotated[
    bool, typer.Option("--force", help="Replace a voice of this name; `voices restore` undoes it.")
]


def clone(
    recordings: Recordings,
    name: NewName,
    text: Transcript = None,
    lang: Language = "auto",
    consent: Agreed = None,
    model: Model = None,
    force: Force = False,
    device: Device = "auto",
    threads: Threads = 0,
    json: Json = False,
) -> None:
    """Make a voice of recordings and keep it under a name."""
    from timbral import Consent
    from timbral.voices import store

    agreement = None if consent is None else Consent.of(consent)
    path = store.voice_path(name) if force else store.check_free(name)
    with terminal.progress("listening"), terminal.quiet_libraries():
        synthesizer = load_model(model, None, device, threads)
        voice = synthesizer.clone(recordings, text=text, language=lang, consent=agreement)
        store.save(voice, name, replace=force)
    if json:
        values = {"name": name, "path": str(path), "model": voice.model, "notes": terminal.notes()}
        terminal.print_json(values)
    else:
        print(f"{name}: kept as {path}; `{say_command(name, model)}` speaks with it")
