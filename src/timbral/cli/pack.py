"""`timbral pack`: a model as one file."""

from pathlib import Path
from typing import Annotated

import typer

from timbral.cli import terminal
from timbral.cli.options import Json
from timbral.errors import BundleError, SettingError
from timbral.models import store
from timbral.models.package import SUFFIX
from timbral.models.package import pack as write_package
from timbral.paths import describe_error

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Name of a model, or its folder.")]
Target = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", metavar="NAME.timbral", help="The file; by default the model's name here."
    ),
]


def pack(model: Model, output: Target = None, json: Json = False) -> None:
    """Write a model as one file, which `timbral models add` installs and `timbral.load` takes."""
    folder = store.find(model)
    target = output or Path(f"{folder.name}{SUFFIX}")
    if target.suffix.lower() != SUFFIX:
        raise SettingError(f"{target}: the name of a packed model ends in {SUFFIX}")
    try:
        with terminal.progress("packing") as bar:
            digest = write_package(folder, target, bar.show)
    except OSError as error:
        raise BundleError(describe_error(error, target)) from None
    size, packed = sum(path.stat().st_size for path in folder.iterdir()), target.stat().st_size
    facts = {"path": str(target), "bytes": packed, "unpacked_bytes": size, "sha256": digest}
    if json:
        terminal.print_json(facts)
        return
    print(f"{target}: {packed / 1e6:.2f} MB, {packed / size:.0%} of {size / 1e6:.2f} MB")
    print(f"sha256 {digest}")
