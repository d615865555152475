"""The file of `timbral say --srt`."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from timbral.cli.spool import Spool
from timbral.errors import TextError
from timbral.paths import atomic_write, describe_error, place_problem

if TYPE_CHECKING:
    from timbral.inference.timestamps import SpokenUtterance

_SUFFIXES = (".srt", ".vtt")


def check_subtitles(path: Path | None) -> None:
    """Raises TextError where subtitles cannot be written to `path`, so that it is known before the work."""
    if path is None:
        return
    if path.suffix.lower() not in _SUFFIXES:
        raise TextError(f"{path}: the name of a file with subtitles has to end in .srt or .vtt")
    if problem := place_problem(path):
        raise TextError(f"{path}: {problem}")
    if not os.access(path.parent, os.W_OK):
        raise TextError(f"{path}: its folder is read-only; choose another place")


class Subtitles:
    """Utterances that have been spoken, for subtitles."""

    def __init__(self, spoken: "list[SpokenUtterance]", begins: float) -> None:
        """spoken: before now; begins: seconds that these took."""
        self.spoken, self._begins = spoken, begins

    def add(self, utterances: "Iterable[SpokenUtterance]") -> None:
        """Adds what is spoken now."""
        self.spoken += [utterance.later(self._begins) for utterance in utterances]


@contextmanager
def subtitles_of(path: Path, spool: Spool | None, rate: int) -> Iterator[Subtitles]:
    """Subtitles that are written to `path` when the block ends well, after those of what the spool has. Raises TextError."""
    from timbral.inference.subtitles import subtitles

    found = Subtitles(spool.spoken(), spool.samples / rate) if spool else Subtitles([], 0.0)
    yield found
    content = subtitles(found.spoken, "vtt" if path.suffix.lower() == ".vtt" else "srt")
    try:
        with atomic_write(path) as part:
            part.write_text(content, encoding="utf-8")
    except OSError as error:
        raise TextError(describe_error(error, path)) from None
