"""Inline marks, by which a user says how a word is read: `[长|chang2]`, `[en|chat]`, `[pause 0.5s]`.

The syntax is described in docs/reading.md. In the text, a mark becomes a placeholder character, which cleaning,
segmentation and splitting treat as a word; what it stands for travels beside the text.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from timbral.errors import TimbralWarning
from timbral.text.clean import PLACEHOLDER
from timbral.text.g2p.pronunciation import Pronunciation, SymbolVersion
from timbral.text.languages import LANGUAGES, Language, phonetics
from timbral.text.scripts import HANGUL, KANA

LONGEST_PAUSE = 10.0
"""Seconds that pause marks in a row may add up to."""
_MARK = re.compile(r"\[(?P<written>[^\[\]|\n]{1,200})\|(?P<reading>[^\[\]|\n]{1,200})\]")
_PAUSE = re.compile(r"\[pause\s+(?P<number>\d{1,4}(?:\.\d{1,4})?)\s?(?P<unit>ms|s)\]", re.IGNORECASE)
_ANY_PAUSE = re.compile(r"\[pause\b[^\[\]\n]{0,40}\]", re.IGNORECASE)
_NAMED = re.compile(rf"(?P<language>{'|'.join(LANGUAGES)}):\s*(?P<reading>.+)")
_ARPABET = re.compile(r"[A-Z]{1,2}[0-2]?(?:\s+[A-Z]{1,2}[0-2]?)*")
_PHONE = re.compile(r"[A-Za-zü:][0-9](?![A-Za-z0-9])")
_SYLLABLES = re.compile(r"[A-Za-zü:]{1,7}[0-9](?:\s*[A-Za-zü:]{1,7}[0-9])*")


@dataclass(frozen=True)
class Mark:
    """What a placeholder stands for.

    written: as it stands in the text.
    spoken: phones, or a text that is read in `language`.
    """

    language: Language
    written: str
    spoken: Pronunciation | str


@dataclass(frozen=True)
class MarkedText:
    """A text with a placeholder for each of its marks, and the marks in their order."""

    text: str
    marks: tuple[Mark, ...] = ()


def split_at_pauses(text: str) -> list[tuple[float | None, str]]:
    """Stretches of `text` with the pause in seconds that marks before each ask for; joined, they are the text."""
    stretches: list[tuple[float | None, str]] = []
    pause: float | None = None
    start = 0
    for match in _PAUSE.finditer(text):
        if any(map(str.isalnum, without_pauses(text[start : match.start()]))):
            stretches.append((pause, text[start : match.start()]))
            pause, start = None, match.start()
        seconds = float(match["number"]) / (1000 if match["unit"].lower() == "ms" else 1)
        pause = min((pause or 0.0) + seconds, LONGEST_PAUSE)
    rest = text[start:]
    if stretches and not any(map(str.isalnum, without_pauses(rest))):
        last_pause, last = stretches.pop()
        return [*stretches, (last_pause, last + rest)]
    return [*stretches, (pause, rest)]


def without_pauses(text: str) -> str:
    """`text` without its pause marks."""
    return _PAUSE.sub("", text)


def without_marks(text: str) -> str:
    """`text` as a reader sees it: without pause marks, and words without the readings that marks give them."""
    return _MARK.sub(
        lambda mark: mark["reading" if mark["written"] in LANGUAGES else "written"], without_pauses(text)
    )


def read_marks(text: str, version: SymbolVersion, languages: Sequence[Language]) -> MarkedText:
    """`text` with its marks read; what has the shape of a mark and is none stays text, with a warning.

    languages: which the model speaks; where a reading may be of several, the first of these has it.
    """
    text = text.replace(PLACEHOLDER, "")
    if "[" not in text:
        return MarkedText(text)
    marks: list[Mark] = []

    def replace(match: re.Match[str]) -> str:
        written, reading = match["written"].strip(), match["reading"].strip()
        mark = _stretch(written, reading) or mark_of(written, reading, version, languages)
        if mark is not None:
            marks.append(mark)
            return PLACEHOLDER
        if not is_respelling(reading):
            _complain(match[0], f"{reading!r} is no pinyin, jyutping, kana or ARPAbet")
            return f"{written} {reading}"
        return reading

    for broken in _ANY_PAUSE.findall(text):
        _complain(broken, "a pause is written like [pause 0.5s]")
    return MarkedText(_MARK.sub(replace, text), tuple(marks))


def _stretch(language: str, text: str) -> Mark | None:
    return next((Mark(known, text, text) for known in LANGUAGES if known == language), None)


def mark_of(written: str, reading: str, version: SymbolVersion, languages: Sequence[Language]) -> Mark | None:
    """The mark that gives a written form a reading; None if `reading` is in the notation of none of the languages."""
    named = _NAMED.fullmatch(reading)
    if named:
        reading = named["reading"]
    for language in _languages_of(reading):
        if language in languages and (not named or language == named["language"]):
            pronunciation = pronunciation_of(written, reading, language, version)
            if pronunciation is not None:
                return Mark(language, written, pronunciation)
    return None


def _languages_of(reading: str) -> tuple[Language, ...]:
    """The languages whose notation looks like this."""
    if re.search(f"[{KANA}]", reading):
        return ("ja",)
    if re.search(f"[{HANGUL}]", reading):
        return ("ko",)
    if _ARPABET.fullmatch(reading):
        return ("en",)
    return ("zh", "yue") if _SYLLABLES.fullmatch(reading) else ()


def is_respelling(reading: str) -> bool:
    """Whether a reading is words to read and not phones that are wrong."""
    return any(map(str.isalpha, reading)) and not _NAMED.fullmatch(reading) and not _PHONE.search(reading)


def pronunciation_of(
    written: str, reading: str, language: Language, version: SymbolVersion
) -> Pronunciation | None:
    """A reading in the notation of a language as phones; None if it is none.

    Raises nothing: a character of Chinese or Cantonese has the phones of its syllable where there are as many of both.
    """
    phones_of = phonetics(language).phones_of_reading
    if language not in ("zh", "yue"):
        phones = phones_of(reading, version)
        return Pronunciation(phones, written) if phones else None
    syllables = [phones_of(syllable, version) for syllable in re.findall(r"[^\d\s]+\d?", reading)]
    known = [syllable for syllable in syllables if syllable]
    if not known or len(known) < len(syllables):
        return None
    counts = [len(syllable) for syllable in known]
    if len(counts) != len(written):
        counts = [sum(counts), *(0 for _ in written[1:])]
    return Pronunciation(
        tuple(phone for syllable in known for phone in syllable), written, word2ph=tuple(counts)
    )


def _complain(mark: str, why: str) -> None:
    warnings.warn(f"the mark {mark!r} is read as text: {why}", TimbralWarning, stacklevel=4)
