"""The user's folders, portable file names, atomic writes, file hashes."""

import contextlib
import errno
import glob
import hashlib
import os
import re
import secrets
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from platformdirs import user_cache_path, user_config_path, user_data_path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

HOME = "TIMBRAL_HOME"
"""Environment variable that moves all of the user's folders."""

_BLOCK = 1 << 20
_STEM = 40
"""Characters of a name that its temporary file keeps: names have at most 255 bytes."""
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_FORBIDDEN = '/\\:*?"<>|'


def data_folder() -> Path:
    """The user's folder for models and voices."""
    home = os.environ.get(HOME)
    return Path(home) if home else user_data_path("timbral", appauthor=False)


def cache_folder() -> Path:
    """The user's folder for what can be computed or downloaded again."""
    home = os.environ.get(HOME)
    return Path(home) / "cache" if home else user_cache_path("timbral", appauthor=False)


def config_folder() -> Path:
    """The user's folder for settings."""
    home = os.environ.get(HOME)
    return Path(home) if home else user_config_path("timbral", appauthor=False)


def is_folder(path: str | Path) -> bool:
    """Whether there is a folder at `path`; no path, however malformed, raises."""
    try:
        return str(path) != "" and Path(path).is_dir()
    except (OSError, ValueError):
        return False


def place_problem(path: Path) -> str | None:
    """Why no file can be written at `path`: it is a folder, or in none; None where that is not so."""
    if is_folder(path):
        return "a folder; give the name of a file"
    if not is_folder(path.parent):
        return f"there is no folder {path.parent}; make it first"
    return None


def is_plain_name(name: str) -> bool:
    """Whether a file of this name stays in its folder, on every system."""
    return name_problem(name) is None


def name_problem(name: str) -> str | None:
    """Why a file name is refused (separators, drives, leading dots, device names); None for a good one."""
    if not 0 < len(name) <= 100:
        return "it is empty" if not name else "it is longer than 100 characters"
    if wrong := [c for c in name if c in _FORBIDDEN or unicodedata.category(c).startswith("C")]:
        return f"{wrong[0]!a} is not allowed in it"
    if name.startswith((".", " ", "-")) or name.endswith((".", " ")):
        return "it begins with a dot, a space or a hyphen, or ends with a dot or a space"
    if _DEVICES.fullmatch(name):
        return "Windows keeps it for a device"
    return None


def native(path: Path) -> str | bytes:
    """A path for C libraries, whose names on POSIX need not be Unicode."""
    return str(path) if os.name == "nt" else os.fsencode(path)


def describe_error(error: OSError, path: Path) -> str:
    """A failure to use a file as one line; it names TIMBRAL_HOME where `path` is in the user's folders."""
    line = f"{path}: {(error.strerror or str(error)).lower()}"
    homes = (data_folder(), cache_folder(), config_folder())
    if any(path.is_relative_to(home) or home.is_relative_to(path) for home in homes):
        return f"{line}; make it accessible, or set {HOME} to another folder"
    return line


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A file to write to, which takes the place of `path` when the block ends without an error.

    Otherwise nothing changes and nothing is left. A link is followed. Files that killed processes left for
    the same `path` are removed. Raises OSError, also where `path` is a folder, a pipe or a device.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file")
    for left in path.parent.glob(f".{glob.escape(path.name[:_STEM])}.*.part"):
        _remove_abandoned(left)
    part, file = _locked_part(path)
    try:
        with file:
            yield part
            os.fsync(file)
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _locked_part(path: Path) -> tuple[Path, BinaryIO]:
    """A new hidden file beside `path`, open, and locked as long as its writer is alive."""
    while True:
        part = path.with_name(f".{path.name[:_STEM]}.{secrets.token_hex(4)}.part")
        file = part.open("xb")
        if fcntl:
            # File systems without locks keep what killed processes leave.
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
            # Another process may have taken it for abandoned before it was locked.
            if os.fstat(file.fileno()).st_nlink == 0:
                file.close()
                continue
        return part, file


def _remove_abandoned(part: Path) -> None:
    """Removes a file that no process is writing. Windows refuses to remove one that is open."""
    with contextlib.suppress(OSError):
        if not fcntl:
            part.unlink()
            return
        with part.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
