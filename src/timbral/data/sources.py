"""Recordings by files and folders."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from timbral.errors import DataError
from timbral.paths import sha256

_LONGEST_STEM = 40


@dataclass(frozen=True)
class Recording:
    """A file that may be a recording. shown: how messages call it."""

    path: Path
    shown: str

    def digest(self) -> str:
        """SHA-256 of its content. Raises DataError."""
        try:
            return sha256(self.path)
        except OSError as error:
            raise DataError(f"{self.shown}: cannot be read ({error.strerror or error})") from None

    def clip_stem(self, digest: str) -> str:
        """How the names of its clips begin: fit for every system and for a list, and its own."""
        plain = re.sub(r"[^\w-]+", "_", self.path.stem).strip("_")[:_LONGEST_STEM]
        return f"{plain or 'recording'}-{digest[:6]}"


def find_recordings(sources: Sequence[str | Path], output: Path) -> list[Recording]:
    """All files in `sources`, in order, each once, without those in `output`. Raises DataError: no such path."""
    found: dict[Path, Recording] = {}
    inside = output.absolute()
    for source in sources:
        for path, shown in _files(Path(source)):
            resolved = path.resolve()
            if not path.absolute().is_relative_to(inside):
                found.setdefault(resolved, Recording(path, shown))
    if not found:
        raise DataError(
            f"{', '.join(map(str, sources)) or 'no source'}: no files in there; recordings are needed"
        )
    return list(found.values())


def _files(source: Path) -> Iterable[tuple[Path, str]]:
    try:
        if source.is_file():
            return [(source, source.name)]
        if source.is_dir():
            return _inside(source)
    except (OSError, ValueError):
        pass
    raise DataError(f"{str(source)[:200]}: no such file or folder; check the path")


def _inside(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob("*")):
        within = path.relative_to(folder)
        if not any(part.startswith(".") for part in within.parts) and path.is_file():
            yield path, within.as_posix()
