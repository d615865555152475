"""The user's voices by name: .voice files in one folder, and the default voice that comes with the package."""

import contextlib
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from timbral.errors import VoiceError
from timbral.paths import data_folder, describe_error, name_problem
from timbral.voices.voice import SUFFIX, Voice, VoiceInfo

DEFAULT = "default"
"""Name of the voice that comes with the package; a voice of the user's takes its place."""

KEPT_DAYS = 30
"""Days for which a removed or replaced voice can be restored."""

_TRASH = ".removed"


def voices_folder() -> Path:
    """The folder of named voices, which need not exist."""
    return data_folder() / "voices"


def voice_path(name: str) -> Path:
    """Where the user's voice of this name is or would be. Raises VoiceError for a name no file may have."""
    if not isinstance(name, str):
        raise VoiceError(f"the name of a voice is a {type(name).__name__}: give a str")
    name = unicodedata.normalize("NFC", name)
    problem = name_problem(name)
    if problem is None and len(name.encode()) > 200:
        problem = "it is longer than 200 bytes"
    if problem:
        raise VoiceError(f"{name[:120]!r} cannot name a voice: {problem}")
    return voices_folder() / f"{name}{SUFFIX}"


def find(name: str) -> Path:
    """The file of the voice of this name. Raises VoiceError, which lists the known ones."""
    path = voice_path(name)
    with _reachable():
        if path.is_file():
            return path
    if path.stem == DEFAULT:
        return Path(__file__).parent / f"{DEFAULT}{SUFFIX}"
    raise VoiceError(f"no voice named {name!r}; {_known()}")


def load(name: str) -> Voice:
    """The voice of this name. Raises VoiceError."""
    return Voice.load(find(name))


def open_voice(voice: str | Path) -> Voice:
    """A voice by its name, or by the path of its file: a string that ends in .voice, or a Path. Raises
    VoiceError."""
    is_name = isinstance(voice, str) and Path(voice).suffix != SUFFIX
    return load(str(voice)) if is_name else Voice.load(voice)


def check_free(name: str) -> Path:
    """Where a new voice of this name would be. Raises VoiceError where there is one already."""
    path = voice_path(name)
    with _reachable():
        if path.exists():
            raise VoiceError(
                f"there is a voice named {name!r} already; choose another name, or --force (replace=True)"
            )
    return path


def save(voice: Voice, name: str, *, replace: bool = False) -> Path:
    """Saves a voice under a name. Raises VoiceError, also where there is one already, unless `replace`.

    A voice that is replaced can be restored like a removed one.
    """
    if not isinstance(voice, Voice):
        raise VoiceError(f"the voice is a {type(voice).__name__}: give what `clone` or `Voice.load` returns")
    path = voice_path(name) if replace else check_free(name)
    with _reachable():
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            _discard(path)
    voice.save(path)
    return path


def remove(name: str) -> None:
    """Removes a voice, so that `restore` brings it back within KEPT_DAYS. Raises VoiceError."""
    path = _own(name)
    with _reachable():
        _discard(path)


def restore(name: str) -> Path:
    """Brings back the voice of this name that was removed or replaced last. Raises VoiceError."""
    path = check_free(name)
    with _reachable():
        removed = [one for one in (voices_folder() / _TRASH).glob("*-*") if _removed_name(one) == path.name]
        if not removed:
            raise VoiceError(f"no removed voice named {name!r} is kept")
        max(removed, key=lambda one: int(one.name.partition("-")[0])).rename(path)
    return path


def rename(name: str, new: str) -> Path:
    """Gives a voice another name. Raises VoiceError, also where there is such a voice already."""
    path, target = _own(name), check_free(new)
    with _reachable():
        path.rename(target)
    return target


def names() -> list[str]:
    """Names of the user's voices, in order. Raises VoiceError where their folder cannot be read."""
    with _reachable():
        found = list(voices_folder().iterdir()) if voices_folder().exists() else []
    return sorted(path.stem for path in found if path.suffix == SUFFIX and not path.name.startswith("."))


def infos() -> dict[str, VoiceInfo | VoiceError]:
    """The metadata of all voices by name, the default one included, or what is wrong with a file."""
    found: dict[str, VoiceInfo | VoiceError] = {}
    for name in dict.fromkeys([*names(), DEFAULT]):
        try:
            found[name] = VoiceInfo.read(find(name))
        except VoiceError as error:
            found[name] = error
    return found


def _own(name: str) -> Path:
    """The user's voice of this name. Raises VoiceError."""
    path = find(name)
    if path.parent != voices_folder():
        raise VoiceError(f"{name!r} comes with timbral, and stays")
    return path


def _discard(path: Path) -> None:
    """Moves a voice to where it can be restored from; what has been there for too long goes."""
    trash = path.parent / _TRASH
    trash.mkdir(exist_ok=True)
    for old in trash.glob("*-*"):
        stamp = old.name.partition("-")[0]
        if stamp.isdigit() and time.time() - int(stamp) / 1e9 > KEPT_DAYS * 86_400:
            old.unlink(missing_ok=True)
    path.replace(trash / f"{time.time_ns()}-{path.name}")


def _removed_name(path: Path) -> str:
    stamp, _, name = path.name.partition("-")
    return name if stamp.isdigit() else ""


@contextlib.contextmanager
def _reachable() -> Iterator[None]:
    """Raises VoiceError where the folder cannot be used."""
    try:
        yield
    except OSError as error:
        raise VoiceError(describe_error(error, Path(error.filename or voices_folder()))) from None


def _known() -> str:
    known = names()
    if not known:
        return "there is none yet: `timbral clone me.wav --name me` makes one"
    return f"known are {', '.join(known[:20])}{', ...' if len(known) > 20 else ''}"
