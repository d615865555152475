"""Packed models in the user's folder of models, each with a record of the file that it came from."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from timbral.errors import BundleError
from timbral.models.bundle import Bundle, read_bundle
from timbral.models.package import read_manifest, unpack
from timbral.models.store import EMBEDDED, PUBLISHED, models_folder
from timbral.paths import atomic_write, describe_error, is_plain_name, sha256

_RECORD = ".package.json"
"""Hidden, since it is no part of the model."""


@dataclass(frozen=True)
class Origin:
    """Where an installed model came from: the SHA-256 of its package, and its file name or address."""

    sha256: str
    source: str


def install(
    path: Path,
    *,
    source: str,
    name: str | None = None,
    expected: str | None = None,
    on_progress: Callable[[float], None] = lambda share: None,
) -> tuple[Bundle, Origin]:
    """Unpacks the file `path` under the name of its model, or under `name`.

    source: what the record states. expected: SHA-256 that the file must have. A model that is there already and came
    from the same file stays. Raises BundleError: another file than expected, not a packed model, a name that
    another model has.
    """
    try:
        digest = sha256(path)
    except OSError as error:
        raise BundleError(describe_error(error, path)) from None
    if expected is not None and digest != expected.strip().lower():
        raise BundleError(f"{source}: its SHA-256 is {digest}, not what was given; it is another file")
    name = read_manifest(path).name if name is None else name
    _check_name(name)
    folder, origin = models_folder() / name, Origin(digest, source)
    if folder.exists():
        known = origin_of(folder)
        if known is None or known.sha256 != digest:
            raise BundleError(
                f"there is another model of the name {name}; `timbral models remove {name}` first, or give --name"
            )
        return read_bundle(folder), known
    try:
        bundle = unpack(path, folder, on_progress)
        with atomic_write(folder / _RECORD) as part:
            part.write_text(json.dumps(asdict(origin)), "utf-8")
    except OSError as error:
        raise BundleError(describe_error(error, folder)) from None
    return bundle, origin


def origin_of(folder: Path) -> Origin | None:
    """The record of an installed model; None for one that was not installed from a package."""
    try:
        return Origin(**json.loads((folder / _RECORD).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _check_name(name: str) -> None:
    if not is_plain_name(name):
        raise BundleError(f"a model cannot be named {name[:80]!a}; give another --name")
    if name.casefold() in {each.casefold() for each in (EMBEDDED, *PUBLISHED)}:
        raise BundleError(f"{name} is the name of another model; give --name")
