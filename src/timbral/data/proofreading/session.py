"""An editing session on a training set: every change is on the disk before it is confirmed.

Clips are known by numbers that are never used twice, so that two open pages cannot hit the wrong one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from timbral.audio.writing import save
from timbral.data.backup import back_up
from timbral.data.cleaning import one_line
from timbral.data.corrections import BY_HAND
from timbral.data.language import LANGUAGES
from timbral.data.listing import (
    Dropped,
    ListEntry,
    find_list,
    read_dropped,
    read_list,
    write_dropped,
    write_list,
)
from timbral.data.proofreading.sound import divide, join
from timbral.errors import DataError

_NO_SPACES = ("zh", "ja", "yue")


@dataclass(frozen=True)
class Item:
    """A clip of the session. reason: why it is dropped; empty for one that is used."""

    number: int
    line: ListEntry
    reason: str = ""


class EditingSession:
    """The list of a training set and the one of what was dropped from it. Safe for several threads."""

    def __init__(self, source: Path) -> None:
        """source: a list, or a folder that holds one. Raises DataError."""
        self.path = (source if source.is_file() else find_list(source)).absolute()
        listing = read_list(self.path)
        self.problems = listing.problems
        self._items: list[Item] = []
        self._count = 0
        self._lock = Lock()
        self._saved = False
        for line in listing.lines:
            self._items.append(self._new(line))
        for one in read_dropped(self.path):
            self._items.append(self._new(one.line, one.reason))
        if not self._items:
            raise DataError(f"{self.path}: {'; '.join(self.problems[:2]) or 'an empty list'}")

    def items(self) -> tuple[Item, ...]:
        """All clips, in order."""
        with self._lock:
            return tuple(self._items)

    def find(self, number: int) -> Item:
        """The clip of this number. Raises DataError."""
        with self._lock:
            return self._items[self._place(number)]

    def edit(self, number: int, text: str | None = None, language: str | None = None) -> None:
        """Changes what is said, or in which language. Raises DataError."""
        if language is not None and language not in LANGUAGES:
            raise DataError(f"language {language[:20]!r} is unknown; choose from {', '.join(LANGUAGES)}")
        with self._lock:
            at = self._place(number)
            line = self._items[at].line
            line = replace(
                line,
                text=line.text if text is None else one_line(text),
                language=line.language if language is None else language,
            )
            if line.text and not line.language:
                raise DataError("choose the language first; a text without one cannot be read")
            self._replace(at, at + 1, replace(self._items[at], line=line))

    def drop(self, number: int) -> None:
        """Takes a clip out of the list. Raises DataError."""
        with self._lock:
            at = self._place(number)
            self._replace(at, at + 1, replace(self._items[at], reason=BY_HAND))

    def restore(self, number: int) -> None:
        """Brings a clip back. Raises DataError."""
        with self._lock:
            at = self._place(number)
            self._replace(at, at + 1, replace(self._items[at], reason=""))

    def merge(self, number: int) -> int:
        """Merges a clip with the next one that is used; the new clip's number. Raises DataError, AudioError."""
        with self._lock:
            at = self._place(number)
            first = self._items[at]
            after = next((i for i in range(at + 1, len(self._items)) if not self._items[i].reason), None)
            if first.reason or after is None:
                raise DataError(
                    "there is no next clip to merge with" if after is None else "bring the clip back first"
                )
            second = self._items[after]
            if first.line.speaker != second.line.speaker:
                raise DataError("the next clip is of another speaker")
            samples, rate = join([first.line.audio, second.line.audio])
            target = self._target(first.line.audio.stem, "joined")
            save(target, samples, rate)
            gap = "" if first.line.language in _NO_SPACES else " "
            text = gap.join(part for part in (first.line.text, second.line.text) if part)
            new = self._new(
                replace(
                    first.line, audio=target, text=text, language=first.line.language or second.line.language
                )
            )
            reason = f"merged into {target.name}"
            between = self._items[at + 1 : after]
            self._replace(
                at, after + 1, new, replace(first, reason=reason), replace(second, reason=reason), *between
            )
            return new.number

    def split(self, number: int, seconds: float, before: str, after: str) -> tuple[int, int]:
        """Divides a clip at a moment, with a text for each part; the numbers of the parts. Raises DataError."""
        with self._lock:
            at = self._place(number)
            item = self._items[at]
            if item.reason:
                raise DataError("bring the clip back first")
            first, second, rate = divide(item.line.audio, seconds)
            parts = []
            for samples, text in ((first, before), (second, after)):
                target = self._target(item.line.audio.stem, "part")
                save(target, samples, rate)
                parts.append(self._new(replace(item.line, audio=target, text=one_line(text))))
            reason = f"split into {' and '.join(part.line.audio.name for part in parts)}"
            self._replace(at, at + 1, *parts, replace(item, reason=reason))
            return parts[0].number, parts[1].number

    def _new(self, line: ListEntry, reason: str = "") -> Item:
        self._count += 1
        return Item(self._count, line, reason)

    def _place(self, number: int) -> int:
        for at, item in enumerate(self._items):
            if item.number == number:
                return at
        raise DataError(f"there is no clip {number}; load the page again")

    def _target(self, stem: str, what: str) -> Path:
        """A new file for a clip made here."""
        folder = self.path.parent / "clips"
        folder.mkdir(exist_ok=True)
        stem = stem.partition("-made-")[0]
        number = 1
        while (folder / f"{stem}-made-{what}{number}.wav").exists():
            number += 1
        return folder / f"{stem}-made-{what}{number}.wav"

    def _replace(self, first: int, last: int, *items: Item) -> None:
        """Puts items in the place of others and saves; on an error nothing has changed."""
        changed = [*self._items[:first], *items, *self._items[last:]]
        self._save(changed)
        self._items = changed

    def _save(self, items: Iterable[Item]) -> None:
        if not self._saved:
            back_up(self.path)
        items = list(items)
        # Dropped ones first: a kill in between leaves a line in both lists, but never in none.
        write_dropped(self.path, (Dropped(item.line, item.reason) for item in items if item.reason))
        write_list(self.path, (item.line for item in items if not item.reason))
        self._saved = True
