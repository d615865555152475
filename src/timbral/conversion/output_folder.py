"""The folder that a model is written to: it appears whole, under its name, or not at all."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from timbral.errors import BundleError, SettingError
from timbral.models.manifest import Name
from timbral.paths import is_folder, is_plain_name

_NAME: TypeAdapter[str] = TypeAdapter(Name)


def check_name(name: str) -> None:
    """Raises SettingError for a name that a manifest cannot have."""
    try:
        fits = is_plain_name(_NAME.validate_python(name))
    except ValidationError:
        fits = False
    if not fits:
        raise SettingError(
            f"a model cannot be named {name[:80]!r}; give --name with at most 64 letters of English, digits, and . _ -"
        )


def check_free(target: Path) -> None:
    """Raises BundleError where a model cannot be put at `target`, so that it is known before the work."""
    if is_folder(target):
        if any(target.iterdir()):
            raise BundleError(f"{target} is not empty; choose another folder, or remove it")
    elif target.exists() or target.is_symlink():
        raise BundleError(f"{target} is a file; choose another place for the model's folder")


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to fill beside `target`, which gets that name when the block ends well, and otherwise vanishes.

    Raises BundleError where it cannot be written.
    """
    check_free(target)
    part = target.parent / f".{target.name}.{secrets.token_hex(4)}.part"
    made = [folder for folder in target.parents if not folder.exists()]
    try:
        part.mkdir(parents=True)
        yield part
        if target.exists():
            target.rmdir()
        part.rename(target)
    except OSError as error:
        _remove(part, made)
        raise BundleError(
            f"{target}: cannot be written ({error.strerror or error}); choose another place, or make room"
        ) from error
    except BaseException:
        _remove(part, made)
        raise


def _remove(part: Path, made: list[Path]) -> None:
    """Removes the unfinished folder, and those around it that were made for it, as far as nothing else is in them."""
    shutil.rmtree(part, ignore_errors=True)
    for folder in made:
        try:
            folder.rmdir()
        except OSError:
            return
