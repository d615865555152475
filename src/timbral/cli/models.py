"""`timbral models`: which models are here; shows and removes one."""

import sys
from typing import Annotated, Any

import typer

from timbral.cli import terminal
from timbral.cli.options import Json
from timbral.cli.quantization import precision_with_error, quantization
from timbral.errors import BundleError
from timbral.models import Bundle, list_bundles, models_folder, read_bundle, store

app = typer.Typer(help="List the models that are here; show or remove one.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="Name of a model, or its folder.")]
Named = Annotated[str, typer.Argument(help="Name of a model.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.callback(invoke_without_command=True)
def models(context: typer.Context, json: Json = False) -> None:
    """List the models that are here, with size, languages, precision and quantisation error."""
    if context.invoked_subcommand is not None:
        return
    rows = [_row(name, found) for name, found in list_bundles()]
    if json:
        terminal.print_json({"folder": str(models_folder()), "models": rows})
        return
    working = [row for row in rows if "problem" not in row]
    terminal.print_table(
        [
            [
                row["name"],
                row["family"],
                f"{row['mb']} MB",
                " ".join(row["languages"]),
                precision_with_error(row),
                row["licence"],
            ]
            for row in working
        ]
    )
    for row in rows:
        if "problem" in row:
            print(f"{row['name']}  broken: {row['problem']}")


@app.command()
def show(name: Name, json: Json = False) -> None:
    """Show a model's manifest in short, and whether its files are as they should be."""
    bundle = read_bundle(store.find(name))
    manifest = bundle.manifest
    facts = {
        **_row(manifest.name, bundle),
        "version": manifest.version,
        "sample_rate": manifest.sample_rate,
        "acoustic": manifest.acoustic.kind,
        "attribution": manifest.attribution,
        "files": {name: entry.bytes for name, entry in sorted(manifest.files.items())},
    }
    if json:
        terminal.print_json(facts)
        return
    shown = {
        "name": facts["name"],
        "path": facts["path"],
        "family": facts["family"],
        "languages": " ".join(facts["languages"]),
        "sample rate": f"{facts['sample_rate']} Hz",
        "stage two": facts["acoustic"],
        "precision": precision_with_error(facts),
        "size": f"{facts['mb']} MB in {len(facts['files'])} files, all intact",
        "licence": facts["licence"],
        "attribution": facts["attribution"],
    }
    terminal.print_table([[key, str(value)] for key, value in shown.items()])


@app.command()
def remove(name: Named, yes: Yes = False) -> None:
    """Remove a model that was pulled or imported. Asks at a terminal."""
    folder = store.removable(name)
    if not yes and sys.stdin.isatty() and not typer.confirm(f"Remove the model {name} in {folder}?"):
        return
    store.remove(name)
    print(f"{name}: removed")


def _row(name: str, found: Bundle | BundleError) -> dict[str, Any]:
    if isinstance(found, BundleError):
        return {"name": name, "problem": str(found)}
    manifest = found.manifest
    return {
        "name": name,
        "family": f"{manifest.family} {manifest.version}",
        "mb": round(found.size / 1e6, 1),
        "languages": list(manifest.languages),
        "precision": manifest.precision,
        "quantization": quantization(manifest),
        "licence": manifest.licence,
        "path": str(found.folder),
    }
