"""From a text in any mixture of languages to the phones that the networks read.

Knows the order of the work (clean, segment, split, pronounce, look up) and what the official front end does
with short texts; the languages themselves are in a module each, loaded when first spoken.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from timbral.errors import TextError
from timbral.text.clean import clean
from timbral.text.g2p.pronunciation import Polyphones, Pronunciation, Reading, SymbolVersion
from timbral.text.scripts import HAN, KANA
from timbral.text.segmentation import LANGUAGES, Language, Span, segment
from timbral.text.splitting import LONGEST, SHORTEST, split_text
from timbral.text.symbols import PAUSES, known_phones, phone_ids

_MODULES: dict[Language, str] = {
    "zh": "timbral.text.g2p.chinese.pronounce",
    "en": "timbral.text.g2p.english.pronounce",
    "ja": "timbral.text.g2p.japanese.pronounce",
    "ko": "timbral.text.g2p.korean.pronounce",
    "yue": "timbral.text.g2p.cantonese",
}
_NORMALIZED: dict[Language, str] = {
    "ja": "timbral.text.normalize.japanese",
    "ko": "timbral.text.normalize.korean",
}
_READ_IN_TWO_WAYS = frozenset(("zh", "yue"))
_SPOKEN_BY: dict[SymbolVersion, tuple[Language, ...]] = {"v1": ("zh", "en", "ja"), "v2": LANGUAGES}
_FEWEST_PHONES = 6
_LONGEST_SPAN = 200
_LINE_BREAK = re.compile(r"(?P<last>\S)\s*\n\s*")
_IDEOGRAPH_OR_KANA = re.compile(f"[{HAN}{KANA}]")


@dataclass(frozen=True)
class Segment:
    """A stretch of an utterance in one language.

    text: as normalised for pronunciation.
    phones: names of phones, all in the symbol table.
    word2ph: number of phones of each character of `text` (zh and yue only), else None.
    """

    language: Language
    text: str
    phones: tuple[str, ...]
    word2ph: tuple[int, ...] | None


@dataclass(frozen=True)
class Utterance:
    """What the networks read of a text.

    ids: phone ids, int64 [n].
    segments: the same phones by language, in the order of speaking.
    source: the text as it was written.
    """

    ids: NDArray[np.int64]
    segments: tuple[Segment, ...]
    source: str

    @property
    def phones(self) -> tuple[str, ...]:
        """Names of the phones, as many as `ids`."""
        return tuple(phone for part in self.segments for phone in part.phones)

    @property
    def text(self) -> str:
        """The normalised text."""
        return "".join(part.text for part in self.segments)


def _prepare(text: str) -> str:
    """The text cleaned, its line breaks made audible."""

    def audible_break(match: re.Match[str]) -> str:
        last = match["last"]
        if not last.isalnum():
            return last + " "
        return last + ("。" if _IDEOGRAPH_OR_KANA.match(last) else ". ")

    return _LINE_BREAK.sub(audible_break, clean(text))


def with_mark(text: str, mark: Literal[".", ","] = ".") -> str:
    """`text` with a stop or comma at its end, unless it has a mark there.

    Models of this family hear in it that the text is over; the official front end adds it to what is spoken
    and to the transcript of the reference.
    """
    text = text.rstrip()
    if not text[-1:].isalnum():
        return text
    wide = _IDEOGRAPH_OR_KANA.match(text[-1])
    return text + ({".": "。", ",": "，"}[mark] if wide else mark)


def _spans(text: str, prepared: str, language: str, speaks: Collection[Language]) -> list[Span]:
    """Spans of a prepared text, checked against the languages that can be spoken."""
    spans = segment(prepared, language, speaks)
    named = language.rpartition("_")[2]
    if named in LANGUAGES and named not in speaks:
        raise TextError(f"this model does not speak {named}: it speaks {', '.join(speaks)}")
    if not any(character.isalnum() for character in prepared):
        raise _unspeakable(text)
    for span in spans:
        if span.language not in speaks:
            raise TextError(
                f"this model does not speak {span.language}, the language of {_excerpt(span.text)}: "
                f"it speaks {', '.join(speaks)}"
            )
    return spans


def _excerpt(text: str) -> str:
    start = text.strip()[:40]
    return repr(start) if start.isprintable() else ascii(start)


def _unspeakable(text: str) -> TextError:
    if not text.strip():
        return TextError("the text is empty: give some words to speak")
    return TextError(f"nothing to speak in {_excerpt(text)}: give words in one of {', '.join(LANGUAGES)}")


Pronounce = Callable[[Span], Segment]


def _pronouncer(version: SymbolVersion, reading: Reading, polyphones: Polyphones | None) -> Pronounce:
    """What turns a span into phones; the parameters are those of `to_phones`."""

    def pronounce(span: Span) -> Segment:
        module = import_module(_MODULES[span.language])
        officially = reading == "official" and span.language in _READ_IN_TWO_WAYS
        read: Callable[..., Pronunciation] = module.pronounce_officially if officially else module.pronounce
        if span.language == "zh":
            read = partial(read, polyphones=polyphones)
        # Long ones part by part, since dictionaries and rules of a language may not scale.
        text = span.text
        if span.language in _NORMALIZED:
            text = import_module(_NORMALIZED[span.language]).normalize(text)
        parts = [text] if len(text) <= _LONGEST_SPAN else split_text(text)
        spoken = [read(part, version) for part in parts]
        word2ph = None
        if all(part.word2ph is not None for part in spoken):
            word2ph = tuple(number for part in spoken for number in part.word2ph or ())
        phones = known_phones((phone for part in spoken for phone in part.phones), version)
        return Segment(span.language, "".join(part.text for part in spoken), phones, word2ph)

    return pronounce


def _utterance(
    source: str, spans: Sequence[Span], version: SymbolVersion, pronounce: Pronounce
) -> Utterance | None:
    """The spans pronounced; None if nothing in them can be spoken."""
    segments = [pronounce(span) for span in spans]
    if all(phone in PAUSES for part in segments for phone in part.phones):
        return None
    if sum(len(part.phones) for part in segments) < _FEWEST_PHONES:
        first = Span(spans[0].language, "." + spans[0].text)
        segments = [pronounce(span) for span in (first, *spans[1:])]
    ids = phone_ids((phone for part in segments for phone in part.phones), version)
    return Utterance(ids, tuple(segments), source)


def _piece(source: str, *, last: bool) -> str:
    """A source prepared, with a mark and white space at its end."""
    ends_line = last or "\n" in source[len(source.rstrip()) :]
    return with_mark(_prepare(source), "." if ends_line else ",") + ("\n" if ends_line else " ")


def _cut_spans(spans: Sequence[Span], pieces: Sequence[str]) -> Iterator[list[Span]]:
    """The spans of each piece without white space at its end; spans and pieces cut the same text."""
    index = taken = 0
    for piece in pieces:
        within: list[Span] = []
        wanted = len(piece)
        while wanted:
            text = spans[index].text[taken : taken + wanted]
            within.append(Span(spans[index].language, text))
            wanted -= len(text)
            taken += len(text)
            if taken == len(spans[index].text):
                index, taken = index + 1, 0
        within[-1] = Span(within[-1].language, within[-1].text.rstrip())
        yield within


def to_phones(
    text: str,
    language: str = "auto",
    version: SymbolVersion = "v2",
    languages: Collection[Language] = LANGUAGES,
    reading: Reading = "official",
    polyphones: Polyphones | None = None,
) -> Utterance:
    """Phones of a text, spoken in one go.

    language: one of `timbral.text.segmentation.MODES`.
    version: the symbol table; with v1 nobody speaks Korean and Cantonese.
    languages: those that the model was trained on.
    reading: of Chinese and Cantonese; models are used to the one that they were trained with.
    polyphones: decides on Chinese characters with several readings (G2PW); see `timbral.text.g2p.chinese.pronounce`.

    A text of fewer than 6 phones is pronounced with a `.` in front, as in the official front end
    (RVC-Boss/GPT-SoVITS, `TextPreprocessor.py`), which the published models are used with.

    Raises TextError for an unknown language, for a text of a language that the model does not speak, and for
    one without anything to speak.
    """
    speaks = [spoken for spoken in _SPOKEN_BY[version] if spoken in languages]
    spans = _spans(text, _prepare(text), language, speaks)
    utterance = _utterance(text, spans, version, _pronouncer(version, reading, polyphones))
    if utterance is None:
        raise _unspeakable(text)
    return utterance


def to_utterances(
    text: str,
    language: str = "auto",
    version: SymbolVersion = "v2",
    languages: Collection[Language] = LANGUAGES,
    longest: float = LONGEST,
    reading: Reading = "official",
    polyphones: Polyphones | None = None,
) -> Iterator[Utterance]:
    """Phones of a text of any length, in pieces that last up to `longest` seconds each when spoken.

    Languages are judged on the whole text, so that a sentence is read like its neighbours. Pieces are
    pronounced one by one as they are asked for, each with a mark at its end; pieces with nothing to speak are
    left out.

    Parameters and errors are those of `to_phones`; an error comes before the first piece.
    """
    speaks = [spoken for spoken in _SPOKEN_BY[version] if spoken in languages]
    # A model that loses words in long pieces is better off with short ones than with joined ones.
    sources = split_text(text, longest, min(SHORTEST, longest / 3))
    pieces = [_piece(source, last=source is sources[-1]) for source in sources]
    spans = _spans(text, "".join(pieces), language, speaks)
    pronounce = _pronouncer(version, reading, polyphones)

    def pronounced() -> Iterator[Utterance]:
        spoken = False
        for source, within in zip(sources, _cut_spans(spans, pieces), strict=True):
            utterance = _utterance(source, within, version, pronounce)
            if utterance is not None:
                spoken = True
                yield utterance
        if not spoken:
            raise _unspeakable(text)

    return pronounced()
