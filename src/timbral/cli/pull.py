"""`timbral pull`: published models by name."""

from typing import Annotated, Any

import typer

from timbral.cli import terminal
from timbral.cli.options import Json, read_precision
from timbral.cli.quantization import precision_with_error, quantization
from timbral.errors import SettingError
from timbral.models import Bundle, Precision

Names = Annotated[
    list[str] | None, typer.Argument(metavar="NAME...", help="v1, v2, v2Pro, v2ProPlus, v3, v4.")
]


def pull(
    names: Names = None,
    precision: Annotated[
        str | None,
        typer.Option(help="Of the weights: fp32, fp16 (as published), int8 or int4; int8 by default."),
    ] = None,
    g2pw: Annotated[
        bool, typer.Option("--g2pw", help="Also get G2PW, which reads ambiguous Chinese characters.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the downloads for later pulls.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the published models.")] = False,
    json: Json = False,
) -> None:
    """Get published GPT-SoVITS models by name and import them, or list them."""
    if listing == bool(names):
        raise SettingError("give the names of models, or --list, which shows them")
    rows = (
        _list()
        if listing
        else _pull(names or [], None if precision is None else read_precision(precision), g2pw, keep)
    )
    if json:
        terminal.print_json({"models": rows})
        return
    terminal.print_table([_cells(row) for row in rows])


def _list() -> list[dict[str, Any]]:
    from timbral.hub import catalog, installed

    return [
        {
            "name": model.name,
            "download_mb": round(sum(file.bytes for file in model.files) / 1e6),
            "languages": list(model.languages),
            "sample_rate": model.sample_rate,
            "licence": catalog.LICENCE,
            "installed": _precision_of(installed(model.name, verify=False)),
        }
        for model in catalog.MODELS
    ]


def _pull(names: list[str], precision: Precision | None, g2pw: bool, keep: bool) -> list[dict[str, Any]]:
    from timbral import hub

    wanted = list(dict.fromkeys(hub.find(name) for name in names))
    here = {model.name: hub.installed(model.name) for model in wanted}
    for name, bundle in here.items():
        if bundle and precision and bundle.manifest.precision != precision:
            terminal.note(
                f"{name} is here in {bundle.manifest.precision}; remove {bundle.folder} to pull it in {precision}"
            )
    missing = [model for model in wanted if here[model.name] is None]
    for model in missing:
        if g2pw and model.g2pw is None:
            terminal.note(f"{model.name} was trained without G2PW, and goes without")
    if missing:
        with terminal.progress("pulling") as bar:
            on_progress = terminal.Narrator(bar)
            pulled = hub.pull(
                missing, precision or "int8", with_g2pw=g2pw, keep=keep, on_progress=on_progress
            )
        here |= {model.name: bundle for model, bundle in zip(missing, pulled, strict=True)}
    new = {model.name for model in missing}
    return [_row(name, bundle, name in new) for name, bundle in here.items() if bundle]


def _row(name: str, bundle: Bundle, new: bool) -> dict[str, Any]:
    return {
        "name": name,
        "state": "pulled" if new else "already here",
        "mb": round(bundle.size / 1e6, 1),
        "precision": bundle.manifest.precision,
        "quantization": quantization(bundle.manifest),
        "path": str(bundle.folder),
    }


def _cells(row: dict[str, Any]) -> list[str]:
    if "state" in row:
        return [row["name"], row["state"], f"{row['mb']} MB", precision_with_error(row), row["path"]]
    here = f"installed ({row['installed']})" if row["installed"] else "not installed"
    size, rate = f"{row['download_mb'] / 1000:.2f} GB", f"{row['sample_rate'] // 1000} kHz"
    return [row["name"], size, rate, " ".join(row["languages"]), row["licence"], here]


def _precision_of(bundle: Bundle | None) -> str | None:
    return bundle.manifest.precision if bundle else None
