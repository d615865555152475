"""Where models are kept: the one inside the package, the user's own folder of named ones, or any folder."""

import secrets
import shutil
from os import PathLike
from pathlib import Path

from timbral.errors import BundleError
from timbral.models.bundle import Bundle, read_bundle
from timbral.models.files import MANIFEST
from timbral.models.package import SUFFIX, is_package, unpacked
from timbral.paths import data_folder, is_folder, is_plain_name

EMBEDDED = "sovits-tiny"
"""Name of the model that comes with the package."""
PUBLISHED = ("v1", "v2", "v2Pro", "v2ProPlus", "v3", "v4")
"""Names of the models that `timbral pull` gets (`timbral.hub.catalog`)."""


def models_folder() -> Path:
    """The user's folder of named models, which need not exist."""
    return data_folder() / "models"


def embedded_path() -> Path:
    """Folder of the model inside the package."""
    return Path(__file__).parent / EMBEDDED


def find(model: str | Path | None) -> Path:
    """Folder of a model: None is the embedded one, otherwise a name, the path of a folder, or of a packed model.

    A packed model is unpacked into the user's cache. A plain name is looked up among the named models first, so
    that a folder of the same name beside the user cannot take its place. Raises BundleError where there is no such model.
    """
    if model is None or model == EMBEDDED:
        return embedded_path()
    if not isinstance(model, str | PathLike):
        raise BundleError(f"the model is a {type(model).__name__}: give its name or the path of its folder")
    if isinstance(model, str) and is_plain_name(model) and model in _names():
        return models_folder() / model
    if is_folder(model):
        return Path(model)
    if is_package(model):
        return unpacked(Path(model))
    published = {name.casefold(): name for name in PUBLISHED}.get(str(model).casefold())
    if published:
        raise BundleError(f"the model {published} is not here; `timbral pull {published}` gets it")
    known = ", ".join([EMBEDDED, *_names()])
    raise BundleError(
        f"no model {str(model)[:80]!r}: neither a folder, nor a {SUFFIX} file, nor one of {known}"
    )


def removable(name: str) -> Path:
    """Folder of a named model of the user. Raises BundleError: no such name, or the embedded model."""
    if name == EMBEDDED:
        raise BundleError(f"{EMBEDDED} is the model inside the package, which cannot be removed")
    if name not in _names():
        known = ", ".join(_names()) or "none"
        raise BundleError(f"no model of the name {name[:80]!r} in {models_folder()}; there are {known}")
    return models_folder() / name


def remove(name: str) -> None:
    """Removes a named model of the user. Raises BundleError, also where the folder cannot be removed."""
    folder = removable(name)
    # Renamed first, so that a removal that is interrupted does not leave half a model under its name.
    hidden = folder.with_name(f".{name}.{secrets.token_hex(4)}.part")
    try:
        if folder.is_symlink():
            folder.unlink()
            return
        folder.rename(hidden)
        shutil.rmtree(hidden)
    except OSError as error:
        raise BundleError(f"{folder}: cannot be removed ({error.strerror or error})") from None


def open_bundle(model: str | Path | None = None) -> Bundle:
    """Finds a model (see `find`) and checks its manifest and files. Raises BundleError."""
    return read_bundle(find(model))


def list_bundles() -> list[tuple[str, Bundle | BundleError]]:
    """Every model by name, embedded first: its bundle (files not checked), or what is wrong with it."""
    found: list[tuple[str, Bundle | BundleError]] = []
    for name in [EMBEDDED, *_names()]:
        try:
            found.append((name, read_bundle(find(name), verify=False)))
        except BundleError as error:
            found.append((name, error))
    return found


def _names() -> list[str]:
    folder = models_folder()
    if not folder.is_dir():
        return []
    found = {path.parent.name for path in folder.glob(f"*/{MANIFEST}")}
    # One that is being written has a name that is not plain until it is whole.
    return sorted(name for name in found if is_plain_name(name) and name != EMBEDDED)
