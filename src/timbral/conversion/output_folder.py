"""The folder that a model is written to: it appears whole, under its name, or not at all."""

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from timbral.errors import BundleError, SettingError
from timbral.models.manifest import Name
from timbral.paths import is_folder, is_plain_name

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_LOCK = ".lock"
"""Held in an unfinished folder as long as its process lives."""
_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}\.part")


def check_name(name: str) -> None:
    """Raises SettingError for a name that a manifest cannot have."""
    try:
        fits = is_plain_name(_NAME.validate_python(name))
    except ValidationError:
        fits = False
    if not fits:
        raise SettingError(
            f"a model cannot be named {name[:80]!a}; give --name with at most 64 letters of English, digits, and . _ -"
        )


def check_free(target: Path) -> None:
    """Raises BundleError where a model cannot be put at `target`, so that it is known before the work."""
    try:
        target.lstat()
        if not is_folder(target):
            raise BundleError(f"{target} is a file; choose another place for the model's folder")
        if any(target.iterdir()):
            raise BundleError(f"{target} is not empty; choose another folder, or remove it")
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise _unusable(target, error) from None


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to fill beside `target`, which gets that name if the block succeeds, and is removed otherwise.

    Removes what imports that were killed left beside `target`. Raises BundleError where it cannot be written.
    """
    check_free(target)
    _remove_stale(target.parent)
    part = target.parent / f".{target.name}.{secrets.token_hex(4)}.part"
    created = [folder for folder in target.parents if not folder.exists()]
    try:
        part.mkdir(parents=True)
        with FileLock(part / _LOCK):
            yield part
        (part / _LOCK).unlink(missing_ok=True)
        if target.exists():
            target.rmdir()
        part.rename(target)
    except OSError as error:
        _remove(part, created)
        raise _unusable(target, error) from error
    except BaseException:
        _remove(part, created)
        raise


def _unusable(target: Path, error: Exception) -> BundleError:
    reason = getattr(error, "strerror", None) or error
    return BundleError(f"{target}: cannot be written ({reason}); choose another place, or make room")


def _remove_stale(folder: Path) -> None:
    """Removes unfinished folders whose process has ended."""
    if not is_folder(folder):
        return
    for part in folder.iterdir():
        if _UNFINISHED.fullmatch(part.name) and part.is_dir() and not part.is_symlink():
            with suppress(OSError, Timeout):
                with FileLock(part / _LOCK, timeout=0):
                    pass
                shutil.rmtree(part, ignore_errors=True)


def _remove(part: Path, created: list[Path]) -> None:
    """Removes the unfinished folder, and the folders created for it as far as they are empty."""
    shutil.rmtree(part, ignore_errors=True)
    for folder in created:
        try:
            folder.rmdir()
        except OSError:
            return
