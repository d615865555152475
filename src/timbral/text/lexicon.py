"""The user's lexicon: how words that the rules read wrongly are to be read.

A file has a word a line, with tabs between the written form, the language and the reading, which is in the notation of
the language or a respelling (docs/reading.md). Lines that start with `#` are comments.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path

from timbral.errors import TextError
from timbral.text.clean import PLACEHOLDER, clean
from timbral.text.g2p.pronunciation import Pronunciation, SymbolVersion
from timbral.text.languages import LANGUAGES, Language
from timbral.text.markup import Mark, MarkedText, is_respelling, pronunciation_of
from timbral.text.scripts import GREEK, LATIN

_LARGEST_FILE = 8 << 20
_LETTER = re.compile(f"[{LATIN}{GREEK}0-9]")


@dataclass(frozen=True)
class Entry:
    """A word of a lexicon.

    written: as `timbral.text.clean` leaves it.
    reading: in the notation of the language, or a respelling.
    """

    written: str
    language: Language
    reading: str


class Lexicon:
    """Words with the readings that a user gives them. Immutable; `|` joins two, of which the second wins."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries = {(entry.written, entry.language): entry for entry in entries}
        self._by_first: dict[str, list[Entry]] = {}
        for entry in sorted(self.entries.values(), key=lambda entry: -len(entry.written)):
            self._by_first.setdefault(entry.written[0].lower(), []).append(entry)
        self._read: dict[tuple[Entry, SymbolVersion], Pronunciation | str] = {}

    @classmethod
    def read(cls, path: str | Path) -> "Lexicon":
        """The lexicon in a file of UTF-8. Raises TextError: unreadable, or a line that is wrong."""
        try:
            with Path(path).open("rb") as stream:
                content = stream.read(_LARGEST_FILE + 1)
            text = content.decode("utf-8-sig")
        except OSError as error:
            raise TextError(f"{path}: cannot be read ({error.strerror}); check the path") from None
        except ValueError:
            raise TextError(f"{path}: not a text in UTF-8; save it as UTF-8 first") from None
        if len(content) > _LARGEST_FILE:
            raise TextError(f"{path}: a lexicon of more than {_LARGEST_FILE >> 20} MB; split or shorten it")
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, name: str = "the lexicon") -> "Lexicon":
        """The lexicon that lines of text describe. Raises TextError with `name` and the number of the line."""
        entries: list[Entry] = []
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            fields = [field.strip() for field in line.split("\t")]
            try:
                entries.append(_entry(*fields[:3]) if len(fields) >= 3 else _entry("", "", ""))
            except TextError as error:
                raise TextError(f"{name}, line {number}: {error}") from None
        return cls(entries)

    @classmethod
    def of(cls, readings: Mapping[str, tuple[str, str]]) -> "Lexicon":
        """The lexicon of written forms with (language, reading). Raises TextError."""
        return cls(_entry(written, language, reading) for written, (language, reading) in readings.items())

    @classmethod
    def read_if_there(cls, path: Path) -> "Lexicon | None":
        """The lexicon in a file, None where there is no such file. Raises TextError as `read` does."""
        return cls.read(path) if path.is_file() else None

    @staticmethod
    def joined(*lexicons: "Lexicon | None") -> "Lexicon | None":
        """All of these as one, of which later ones win; None where there are none."""
        given = [lexicon for lexicon in lexicons if lexicon is not None]
        return reduce(or_, given) if given else None

    def __or__(self, other: "Lexicon") -> "Lexicon":
        return Lexicon([*self.entries.values(), *other.entries.values()])

    def apply(
        self, marked: MarkedText, version: SymbolVersion, languages: Collection[Language]
    ) -> MarkedText:
        """A cleaned text with a placeholder for each word of the lexicon in one of the languages, longest words first."""
        text, given = marked.text, iter(marked.marks)
        pieces: list[str] = []
        marks: list[Mark] = []
        start = place = 0
        while place < len(text):
            entry = self._at(text, place, languages)
            if text[place] == PLACEHOLDER:
                marks.append(next(given))
            elif entry is not None:
                pieces += [text[start:place], PLACEHOLDER]
                written = text[place : place + len(entry.written)]
                marks.append(Mark(entry.language, written, self._spoken(entry, version)))
                place += len(entry.written)
                start = place
                continue
            place += 1
        return MarkedText("".join([*pieces, text[start:]]), tuple(marks))

    def _at(self, text: str, place: int, languages: Collection[Language]) -> Entry | None:
        """The longest word that starts at a place; in letters, a word is whole."""
        for entry in self._by_first.get(text[place].lower(), ()):
            end = place + len(entry.written)
            found = text[place:end]
            if entry.language not in languages:
                continue
            if found != entry.written and not (entry.written.islower() and found.lower() == entry.written):
                continue
            begins = place == 0 or not (_LETTER.match(found) and _LETTER.match(text[place - 1]))
            ends = end == len(text) or not (_LETTER.match(found[-1]) and _LETTER.match(text[end]))
            if begins and ends:
                return entry
        return None

    def _spoken(self, entry: Entry, version: SymbolVersion) -> Pronunciation | str:
        key = (entry, version)
        if key not in self._read:
            pronunciation = pronunciation_of(entry.written, entry.reading, entry.language, version)
            self._read[key] = pronunciation or entry.reading
        return self._read[key]


def _entry(written: str, language: str, reading: str) -> Entry:
    if not (written and language and reading):
        raise TextError(
            "a line has a written form, a language and a reading with tabs between; add what is missing"
        )
    known = next((name for name in LANGUAGES if name == language), None)
    if known is None:
        raise TextError(f"unknown language {language!r}: use one of {', '.join(LANGUAGES)}")
    cleaned = clean(written)
    if not any(map(str.isalnum, cleaned)):
        raise TextError(f"{written!r} has nothing to speak: give a word")
    if not any(map(str.isalnum, reading)):
        raise TextError(f"the reading {reading!r} has nothing to speak: give phones or a respelling")
    if not is_respelling(reading) and pronunciation_of(cleaned, reading, known, "v2") is None:
        raise TextError(
            f"{reading!r} is no reading in {known}: write it in pinyin, jyutping, kana or ARPAbet, or respell it"
        )
    return Entry(cleaned, known, reading)
