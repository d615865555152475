"""`timbral voices`: listing, showing, copying and removing named voices, and taking them elsewhere."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from timbral.cli import terminal
from timbral.cli.options import Json, complete_voice
from timbral.errors import VoiceError

app = typer.Typer(help="List the voices that have names; show, copy or remove one.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="Name of a voice.", autocompletion=complete_voice)]
NewName = Annotated[str, typer.Argument(metavar="NEW", help="Another name.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A .voice file.")]
Target = Annotated[Path | None, typer.Option("-o", "--output", help="NAME.voice by default.")]
Named = Annotated[str | None, typer.Option("--name", help="What to call it; by default as the file.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.callback(invoke_without_command=True)
def voices(context: typer.Context, json: Json = False) -> None:
    """List the voices that have names; show, copy or remove one."""
    from timbral.voices import VoiceInfo, store

    if context.invoked_subcommand is not None:
        return
    found = store.infos()
    if json:
        names = store.names()
        details = {name: _facts(one) for name, one in found.items()}
        terminal.print_json({"voices": names, "details": details})
        return
    rows = []
    for name, one in found.items():
        if not isinstance(one, VoiceInfo):
            terminal.note(f"{name}: {one}")
            continue
        kind = "fine-tuned" if one.fine_tuned else "cloned"
        consent = f"consent of {one.consent.who}" if one.consent else "no consent noted"
        rows.append([name, one.model, kind, f"{one.bytes / 1e6:.2f} MB", consent])
    terminal.print_table(rows)


@app.command()
def show(name: Name, json: Json = False) -> None:
    """Show what is known of a voice."""
    from timbral.voices import Voice, store

    path = store.find(name)
    voice = Voice.load(path)
    consent = voice.consent
    values = {
        "name": name,
        "path": str(path),
        "model": voice.model,
        "family": f"{voice.family} {voice.version}",
        "fine-tuned": "yes" if voice.adapter else "no",
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
    terminal.print_table(
        [
            [key, ", ".join(value) if isinstance(value, list) else value or "-"]
            for key, value in values.items()
        ]
    )


@app.command()
def remove(name: Name, yes: Yes = False) -> None:
    """Remove a voice, which `restore` can bring back for 30 days. Asks at a terminal."""
    from timbral.voices import store

    store.find(name)
    if not yes and sys.stdin.isatty() and not typer.confirm(f"Remove the voice {name}?"):
        return
    store.remove(name)
    print(f"{name}: removed; `timbral voices restore {terminal.quoted(name)}` brings it back")


@app.command()
def restore(name: Name) -> None:
    """Bring back a voice that was removed or replaced."""
    from timbral.voices import store

    print(f"{name}: restored as {store.restore(name)}")


@app.command()
def rename(name: Name, new: NewName) -> None:
    """Give a voice another name."""
    from timbral.voices import store

    print(f"{name}: now {new}, {store.rename(name, new)}")


@app.command()
def copy(name: Name, new: NewName, force: Force = False) -> None:
    """Copy a voice to another name."""
    from timbral.voices import store

    print(f"{new}: kept as {store.save(store.load(name), new, replace=force)}")


@app.command("import")
def import_voice(file: File, name: Named = None, force: Force = False) -> None:
    """Keep a .voice file under a name."""
    from timbral.voices import Voice, store

    voice = Voice.load(file)
    name = file.stem if name is None else name
    print(f"{name}: kept as {store.save(voice, name, replace=force)}")


@app.command()
def export(name: Name, output: Target = None, force: Force = False) -> None:
    """Write a voice to a .voice file."""
    from timbral.voices import store

    target = Path(f"{name}.voice") if output is None else output
    if target.exists() and not force:
        raise VoiceError(f"{target}: there is such a file already; choose another name, or --force")
    store.load(name).save(target)
    print(f"{name}: written to {target}")


def _facts(one: Any) -> dict[str, Any]:
    """What a voice says of itself, as JSON."""
    if isinstance(one, VoiceError):
        return {"problem": str(one)}
    return {
        "path": str(one.path),
        "bytes": one.bytes,
        "model": one.model,
        "family": f"{one.family} {one.version}",
        "fine_tuned": one.fine_tuned,
        "created": one.created.isoformat(timespec="seconds"),
        "consent": one.consent and one.consent.who,
    }
