"""`timbral models`: which models are here."""

from typing import Any

from timbral.cli import terminal
from timbral.cli.options import Json
from timbral.cli.quantization import precision_with_error, quantization
from timbral.errors import BundleError
from timbral.models import Bundle, list_bundles, models_folder


def models(json: Json = False) -> None:
    """List the models that are here, with size, languages, precision and what it has cost."""
    rows = [_row(name, found) for name, found in list_bundles()]
    if json:
        terminal.print_json({"folder": str(models_folder()), "models": rows})
        return
    for row in rows:
        if "problem" in row:
            print(f"{row['name']}  broken: {row['problem']}")
        else:
            languages = " ".join(row["languages"])
            print(
                f"{row['name']}  {row['family']}  {row['mb']} MB  {languages}  {precision_with_error(row)}  {row['licence']}"
            )


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
