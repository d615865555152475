"""`timbral clone` and `timbral voices`: making, listing, showing and removing named voices."""

from typing import Annotated

import typer

from timbral.cli import terminal
from timbral.cli.options import Json, Language, Model

app = typer.Typer(help="List the voices that have names; show or remove one.", rich_markup_mode=None)

Recordings = Annotated[list[str], typer.Argument(help="Recordings of one speaker, 3 to 10 s each.")]
NewName = Annotated[str, typer.Option("--name", help="What to call the voice.")]
Transcript = Annotated[str | None, typer.Option("--text", help="What is said in the first recording.")]
Agreed = Annotated[str | None, typer.Option(help="Name of the speaker, who has agreed to be cloned.")]
Name = Annotated[str, typer.Argument(help="Name of a voice.")]


def clone(
    recordings: Recordings,
    name: NewName,
    text: Transcript = None,
    lang: Language = "auto",
    consent: Agreed = None,
    model: Model = None,
    json: Json = False,
) -> None:
    """Make a voice of recordings and keep it under a name."""
    from timbral import Consent, load
    from timbral.voices import store as voice_store

    agreement = None if consent is None else Consent.of(consent)
    path = voice_store.voice_path(name)
    with terminal.progress("listening"), terminal.quiet_libraries():
        voice = load(model, languages=()).clone(recordings, text=text, language=lang, consent=agreement)
        voice_store.keep(voice, name)
    if json:
        terminal.print_json({"name": name, "path": str(path), "model": voice.model})
    else:
        print(f"{name}: kept as {path}; `timbral say TEXT --voice {name}` speaks with it")


@app.callback(invoke_without_command=True)
def voices(context: typer.Context, json: Json = False) -> None:
    """List the voices that have names; show or remove one."""
    from timbral.voices import store as voice_store

    if context.invoked_subcommand is not None:
        return
    names = voice_store.names()
    if json:
        terminal.print_json({"voices": names})
    elif names:
        print("\n".join(names))
    else:
        terminal.note("no voices yet; `timbral clone me.wav --name me` makes one")


@app.command()
def show(name: Name, json: Json = False) -> None:
    """Show what is known of a voice."""
    from timbral.voices import store as voice_store

    voice = voice_store.recall(name)
    consent = voice.consent
    values = {
        "name": name,
        "path": str(voice_store.voice_path(name)),
        "model": voice.model,
        "family": f"{voice.family} {voice.version}",
        "recordings": list(voice.sources),
        "prompt": voice.prompt_text,
        "language": voice.prompt_language,
        "created": voice.created.isoformat(timespec="seconds"),
        "consent": consent
        and f"{consent.who}, {consent.when.isoformat(timespec='seconds')}: {consent.statement}",
    }
    if json:
        terminal.print_json(values)
        return
    for key, value in values.items():
        print(f"{key:<10}  {', '.join(value) if isinstance(value, list) else value or '-'}")


@app.command()
def remove(name: Name) -> None:
    """Remove a voice."""
    from timbral.voices import store as voice_store

    voice_store.forget(name)
    print(f"{name}: removed")
