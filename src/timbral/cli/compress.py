"""`timbral compress`: makes a model smaller, by a preset or step by step."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from timbral.cli import terminal
from timbral.cli.options import Json
from timbral.errors import InstallationError, SettingError
from timbral.models import read_bundle, store
from timbral.models.package import SUFFIX

if TYPE_CHECKING:
    from timbral.compression.pipeline import Compressed, Step

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
        made = pipeline.compress(
            parent,
            output,
            chosen,
            name=name or output.name.removesuffix(SUFFIX),
            work=work,
            on_progress=bar.on_progress,
        )
    _report(made, parent, model, chosen, json)


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


def _report(made: "Compressed", parent: Path, model: str, steps: "tuple[Step, ...]", json: bool) -> None:
    before, weights = read_bundle(parent, verify=False).size, max(1, sum(made.weights.values()))
    bits = {str(bits): round(count / weights, 3) for bits, count in made.weights.items()}
    packed = made.path.stat().st_size if made.path.is_file() else None
    if json:
        facts = {
            "name": made.manifest.name,
            "path": str(made.path),
            "steps": [str(step) for step in steps],
            "mb": round(made.bytes / 1e6, 2),
            "packed_mb": packed and round(packed / 1e6, 2),
            "parent_mb": round(before / 1e6, 2),
            "precision": made.manifest.precision,
            "parameters": weights,
            "bits": bits,
        }
        terminal.print_json(facts)
        return
    shares = ", ".join(f"{share:.0%} in {each} bits" for each, share in bits.items())
    print(
        f"{made.path}: {made.bytes / 1e6:.2f} MB, {made.bytes / before:.0%} of {before / 1e6:.2f} MB; "
        f"of {weights / 1e6:.1f} million weights {shares}"
        + (f"; packed {packed / 1e6:.2f} MB" if packed else "")
    )
    command = f"timbral evaluate {terminal.quoted(str(made.path))} --against {terminal.quoted(model)}"
    terminal.note(f"measure what it costs: {command}")
