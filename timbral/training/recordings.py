"""What a training set says: which files, and what is said in them, in which language. The official list is read as it is."""

from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from timbral.errors import TrainingError

_LANGUAGES = {"zh": "zh", "cn": "zh", "en": "en", "ja": "ja", "jp": "ja", "ko": "ko", "yue": "yue"}
_SUFFIX = ".list"
_FIELDS = 4


@dataclass(frozen=True)
class Recording:
    """A recording to train on. text, language: what is said; both empty where that is not known."""

    audio: Path
    text: str = ""
    language: str = ""


def read_recordings(source: Path) -> tuple[list[Recording], list[str]]:
    """The recordings of a list, or of the only list in a folder, and what is wrong with the lines that are left out.

    A line is `path|speaker|language|text`; a path is looked for as it is, from the folder of the list, and by the name of the
    file beside the list and in the folders there. Raises TrainingError: there is no list, or nothing in it can be used.
    """
    path = _find(source)
    try:
        rows = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise TrainingError(f"{path}: cannot be read; a list is a file of text in UTF-8") from None
    found, problems = [], []
    for number, row in enumerate(rows, 1):
        if not row.strip():
            continue
        read = _read_row(row, path.parent)
        if isinstance(read, Recording):
            found.append(read)
        else:
            problems.append(f"{path.name}, line {number}: {read}")
    if not found:
        raise TrainingError(
            f"{path}: {problems[0] if problems else 'is empty; a line a recording is needed'}"
        )
    return found, problems


def _find(source: Path) -> Path:
    if not source.is_dir():
        if not source.is_file():
            raise TrainingError(
                f"{source}: no such list or folder; `timbral prepare` makes one of recordings"
            )
        return source
    lists = [p for p in sorted(source.glob(f"*{_SUFFIX}")) if not p.name.endswith(f".dropped{_SUFFIX}")]
    if len(lists) != 1:
        many = f"{len(lists)} lists; name one of them" if lists else f"no {_SUFFIX} file"
        raise TrainingError(f"{source}: holds {many}")
    return lists[0]


def _read_row(row: str, folder: Path) -> Recording | str:
    """The recording, or what is wrong with it."""
    fields = [field.strip() for field in row.split("|")]
    if len(fields) != _FIELDS:
        return f"{len(fields)} fields; path|speaker|language|text are {_FIELDS}"
    written, _, language, text = fields
    if text and language.lower() not in _LANGUAGES:
        return f"language {language[:20]!r} is unknown; there are ZH, EN, JA, KO, YUE"
    # A list made on Windows separates folders by backslashes.
    name = PureWindowsPath(written).name
    for path in (folder / written, folder / name, *sorted(folder.glob(f"*/{name}" if name else "*/."))):
        if path.is_file():
            return Recording(path, text, _LANGUAGES.get(language.lower(), ""))
    return f"{written[-120:]!r} is not there, nor a file of this name beside the list"
