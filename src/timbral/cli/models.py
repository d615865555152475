"""`timbral models`: which models are here; adds, shows and removes one."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from timbral.cli import terminal
from timbral.cli.options import Json
from timbral.cli.quantization import precision_with_error, quantization
from timbral.errors import BundleError
from timbral.models import Bundle, list_bundles, models_folder, read_bundle, store
from timbral.models.installing import Origin, install, origin_of
from timbral.paths import cache_folder

app = typer.Typer(help="List the models that are here; add, show or remove one.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="Name of a model, or its folder.")]
Named = Annotated[str, typer.Argument(help="Name of a model.")]
Package = Annotated[
    str, typer.Argument(metavar="FILE|URL", help="A .timbral file, or the https address of one.")
]
Digest = Annotated[
    str | None, typer.Option("--sha256", metavar="HEX", help="SHA-256 that the file must have.")
]
NewName = Annotated[str | None, typer.Option("--name", help="Name to install it under; by default its own.")]
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
def add(package: Package, sha256: Digest = None, name: NewName = None, json: Json = False) -> None:
    """Install a packed model, from a file or over https. Its SHA-256 is recorded with it."""
    from timbral.hub.packages import download, is_url

    with terminal.progress("adding") as bar:
        if is_url(package):
            cache_folder().mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=cache_folder()) as folder:
                path = Path(folder) / "model.timbral"
                bar.begin("downloading")
                download(package, path, bar.show)
                bar.begin("unpacking")
                bundle, origin = install(
                    path, source=package, name=name, expected=sha256, on_progress=bar.show
                )
        else:
            path = Path(package)
            bundle, origin = install(path, source=path.name, name=name, expected=sha256, on_progress=bar.show)
    _report(bundle, origin, json)


def _report(bundle: Bundle, origin: Origin, json: bool) -> None:
    facts = {
        "name": bundle.folder.name,
        "path": str(bundle.folder),
        "mb": round(bundle.size / 1e6, 1),
        "sha256": origin.sha256,
        "source": origin.source,
    }
    if json:
        terminal.print_json(facts)
        return
    print(f"{facts['name']}: {facts['mb']} MB in {facts['path']}")
    print(f"sha256 {origin.sha256}")


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
    origin = origin_of(bundle.folder)
    if origin is not None:
        facts |= {"source": origin.source, "sha256": origin.sha256}
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
    if origin is not None:
        shown |= {"source": origin.source, "sha256": origin.sha256}
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
