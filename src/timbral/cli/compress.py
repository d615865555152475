"""`timbral compress`: makes a model smaller, by a preset or step by step."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from timbral.cli import terminal
from timbral.cli.options import Json
from timbral.cli.quantization import precision_with_error, quantization
from timbral.errors import InstallationError, SettingError
from timbral.models import embedded_path, store
from timbral.models.package import SUFFIX

if TYPE_CHECKING:
    from timbral.compression.pipeline import Step
    from timbral.models import Bundle

_NEEDED = ("torch", "onnx", "filelock", "accelerate", "psutil")
"""What `timbral[compress]` brings and compressing needs."""
DEFAULT = "mobile"

Parent = Annotated[
    str, typer.Argument(metavar="MODEL", help="Name of a model, its folder or its .timbral file.")
]
Target = Annotated[
    Path, typer.Option("-o", "--output", metavar="DIR|NAME.timbral", help="New folder, or one file.")
]
Preset = Annotated[
    str | None, typer.Option(metavar="PRESET", help=f"desktop, mobile or smallest; {DEFAULT} by default.")
]
Size = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="Size that the model is to have, such as 24MB, by quantisation."),
]
Steps = Annotated[
    str | None,
    typer.Option(metavar="STEPS", help="NAME:SETTING=VALUE,... joined by +, such as quantize:share=0.6."),
]
NewName = Annotated[
    str | None, typer.Option("--name", help="Name of the model; by default that of the output.")
]
Work = Annotated[
    Path | None,
    typer.Option(
        "--work", metavar="DIR", help="Keep the results of steps there; otherwise in the cache, until done."
    ),
]


def compress(
    model: Parent,
    output: Target,
    preset: Preset = None,
    size: Size = None,
    steps: Steps = None,
    name: NewName = None,
    work: Work = None,
    json: Json = False,
) -> None:
    """Make a model smaller. What is interrupted goes on where it was."""
    try:
        from timbral.compression import pipeline
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NEEDED:
            raise
        raise InstallationError(
            f"compressing needs {error.name}, which is not installed; pip install 'timbral[compress]' brings it"
        ) from None
    chosen = _chosen(preset, size, steps)
    parent = store.find(model)
    with terminal.progress("compressing") as bar:
        bundle = pipeline.compress(
            parent,
            output,
            chosen,
            name=name or output.name.removesuffix(SUFFIX),
            work=work,
            on_progress=bar.on_progress,
        )
    _report(bundle, output, parent, chosen, json)


def _chosen(preset: str | None, size: str | None, steps: str | None) -> "tuple[Step, ...]":
    from timbral.compression.pipeline import parse_steps
    from timbral.compression.registry import PRESETS

    if sum(each is not None for each in (preset, size, steps)) > 1:
        raise SettingError(
            "give one of --preset, --size and --steps; a size within steps is quantize:size=24MB"
        )
    if size is not None:
        return parse_steps(f"quantize:size={size}")
    if steps is not None:
        return parse_steps(steps)
    preset = preset or DEFAULT
    if preset not in PRESETS:
        raise SettingError(f"preset {preset[:40]!r} is unknown; choose from {', '.join(PRESETS)}")
    return parse_steps(PRESETS[preset])


def _report(bundle: "Bundle", output: Path, parent: Path, steps: "tuple[Step, ...]", json: bool) -> None:
    from timbral.models import read_bundle

    manifest = bundle.manifest
    before = read_bundle(parent, verify=False).size
    facts = {
        "name": manifest.name,
        "path": str(output),
        "steps": [str(step) for step in steps],
        "mb": round(bundle.size / 1e6, 2),
        "packed_mb": round(output.stat().st_size / 1e6, 2) if output.is_file() else None,
        "parent_mb": round(before / 1e6, 2),
        "precision": manifest.precision,
        "quantization": quantization(manifest),
    }
    if json:
        terminal.print_json(facts)
        return
    print(
        f"{output}: {facts['mb']} MB, {bundle.size / before:.0%} of {facts['parent_mb']} MB "
        f"({precision_with_error(facts)})" + (f", packed {facts['packed_mb']} MB" if output.is_file() else "")
    )
    if parent == embedded_path():
        terminal.note("measure what it costs: timbral evaluate " + terminal.quoted(str(output)))
