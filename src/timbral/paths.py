"""The user's folders, names that are safe there on every system, and the hashes that files are known by."""

import hashlib
import os
import re
import unicodedata
from pathlib import Path

from platformdirs import user_cache_path, user_data_path

_BLOCK = 1 << 20
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def data_folder() -> Path:
    """The user's folder for models and voices; the environment variable TIMBRAL_HOME moves it."""
    home = os.environ.get("TIMBRAL_HOME")
    return Path(home) if home else user_data_path("timbral", appauthor=False)


def cache_folder() -> Path:
    """The user's folder for what can be worked out or downloaded again; TIMBRAL_HOME moves it, too."""
    home = os.environ.get("TIMBRAL_HOME")
    return Path(home) / "cache" if home else user_cache_path("timbral", appauthor=False)


def is_folder(path: str | Path) -> bool:
    """Whether there is a folder at `path`; no path, however malformed, raises."""
    try:
        return str(path) != "" and Path(path).is_dir()
    except (OSError, ValueError):
        return False


def is_device_name(name: str) -> bool:
    """Whether a name is reserved for a device on Windows, such as CON or nul.txt."""
    return _DEVICES.fullmatch(name) is not None


def is_plain_name(name: str) -> bool:
    """Whether a file of this name stays in its folder: no separators, drives, leading dots, device names."""
    return (
        0 < len(name) <= 100
        and not any(c in '/\\:*?"<>|' or unicodedata.category(c).startswith("C") for c in name)
        and not name.startswith((".", " ", "-"))
        and not name.endswith((".", " "))
        and not is_device_name(name)
    )


def sha256(path: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
