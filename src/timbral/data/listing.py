"""The official list of a training set: one `path|speaker|language|text` a line.

Lists of existing users are read as they are: made on another system, moved, or naming languages the older
way.
"""

import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from timbral.data.language import from_official, official_name
from timbral.errors import DataError
from timbral.paths import atomic_write

_LARGEST = 1 << 28
SUFFIX = ".list"


@dataclass(frozen=True)
class ListEntry:
    """A line of a list: a clip of a training set.

    audio: its file, which exists. language: one of `timbral.data.language.LANGUAGES`, or empty where there is
    no text either.
    """

    audio: Path
    speaker: str
    language: str
    text: str


Line = ListEntry
"""The name of `ListEntry` in version 0.1."""


@dataclass(frozen=True)
class Listing:
    """A list as it was read: its good lines, and of each bad one what is wrong, with its number."""

    lines: tuple[ListEntry, ...]
    problems: tuple[str, ...]


def read_list(path: Path) -> Listing:
    """Reads a list in UTF-8. Raises DataError: no such file, or unreadable; a bad line is only reported.

    Paths are looked for as they are, from the folder of the list, from the current folder, and last by the
    name of the file beside the list and in the folders there.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{path}: a folder, a pipe or a device; a list is needed")
        if status.st_size > _LARGEST:
            raise DataError(f"{path}: too large for a list")
        rows = path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    except FileNotFoundError:
        raise DataError(f"{path}: no such list; check the path") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    finder = _Finder(path.resolve().parent)
    lines, problems = [], []
    for number, row in enumerate(rows, 1):
        if row.strip():
            read = _read_line(row, finder)
            if isinstance(read, ListEntry):
                lines.append(read)
            else:
                problems.append(f"{path.name}, line {number}: {read}")
    return Listing(tuple(lines), tuple(problems))


def _read_line(row: bytes, finder: "_Finder") -> ListEntry | str:
    """The line, or what is wrong with it."""
    try:
        fields = row.decode().split("|")
    except UnicodeDecodeError:
        return "not UTF-8; save the list in UTF-8"
    if len(fields) != 4:
        return f"{len(fields)} fields; path|speaker|language|text are 4"
    audio, speaker, name, text = (field.strip() for field in fields)
    language = from_official(name)
    if language is None and (name or text):
        return f"language {name[:20]!r} is unknown; ZH, EN, JA, KO and YUE are known"
    found = finder.find(audio)
    if found is None:
        return f"{audio[-120:]!r} is not there, nor a file of this name beside the list"
    return ListEntry(found, speaker, language or "", text)


class _Finder:
    """Finds the files that a list names, wherever its folder is now."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_name: dict[str, Path] | None = None

    def find(self, written: str) -> Path | None:
        if not written or "\0" in written:
            return None
        for path in (self._folder / written, Path(written).expanduser()):
            if _is_file(path):
                return path.absolute()
        # A list made on Windows separates folders by backslashes.
        return self._names().get(PureWindowsPath(written).name)

    def _names(self) -> dict[str, Path]:
        """Files by name: of the folder and of the folders in it, the nearest first."""
        if self._by_name is None:
            here = sorted(self._folder.iterdir())
            deeper = [path for folder in here if folder.is_dir() for path in sorted(folder.iterdir())]
            self._by_name = {
                path.name: path for path in (*reversed(deeper), *reversed(here)) if _is_file(path)
            }
        return self._by_name


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def format_line(line: ListEntry, folder: Path) -> str:
    """The line as the official code writes it, its path from `folder` where it lies in there."""
    audio = line.audio.absolute()
    inside = audio.is_relative_to(folder.absolute())
    written = audio.relative_to(folder.absolute()).as_posix() if inside else str(audio)
    return f"{written}|{line.speaker}|{official_name(line.language)}|{line.text}"


def write_list(path: Path, lines: Iterable[ListEntry]) -> None:
    """Writes a list, wholly or not at all. Raises DataError."""
    write_text(path, "".join(f"{format_line(line, path.parent)}\n" for line in lines))


def write_text(path: Path, text: str) -> None:
    """Writes a file of text, wholly or not at all. Raises DataError."""
    try:
        with atomic_write(path) as part:
            part.write_bytes(text.encode(errors="replace"))
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from None


@dataclass(frozen=True)
class Dropped:
    """A line that was taken out of a list, and why."""

    line: ListEntry
    reason: str


def format_dropped(one: Dropped, folder: Path) -> str:
    """The line with its reason as a fifth field; see `format_line`."""
    return f"{format_line(one.line, folder)}|{one.reason.replace('|', '/')}"


def read_dropped(path: Path) -> tuple[Dropped, ...]:
    """The lines that were dropped from the list at `path`; those whose clip is gone are left out."""
    beside = dropped_list(path)
    if not beside.exists():
        return ()
    finder, found = _Finder(beside.resolve().parent), []
    for row in beside.read_bytes().splitlines():
        fields, _, reason = row.rpartition(b"|")
        line = _read_line(fields, finder)
        if isinstance(line, ListEntry):
            found.append(Dropped(line, reason.decode(errors="replace").strip()))
    return tuple(found)


def write_dropped(path: Path, dropped: Iterable[Dropped]) -> None:
    """Writes the lines that were dropped from the list at `path`, each with its reason as a fifth field."""
    write_text(dropped_list(path), "".join(f"{format_dropped(one, path.parent)}\n" for one in dropped))


def find_list(folder: Path) -> Path:
    """The list of a training set: the only one in its folder. Raises DataError."""
    lists = [path for path in _lists(folder) if not path.name.endswith(f".dropped{SUFFIX}")]
    if not lists:
        raise DataError(f"{folder}: holds no {SUFFIX} file; `timbral prepare` makes one from recordings")
    if len(lists) > 1:
        raise DataError(f"{folder}: holds {len(lists)} lists; name one of them: {_names(lists)}")
    return lists[0]


def dropped_list(path: Path) -> Path:
    """Where the lines of a list are kept that were dropped from it."""
    return path.with_name(f"{path.stem}.dropped{SUFFIX}")


def _lists(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))
    except OSError:
        return []


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths[:5])
