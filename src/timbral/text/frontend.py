"""From a text in any mixture of languages to the phones that the networks read.

The order of the work: marks, cleaning, lexicon, segmentation by language, normalisation, pronunciation, look-up. What
is done with short texts is as in the official front end (RVC-Boss/GPT-SoVITS, `TextPreprocessor.py`), with which the
published models were trained.
"""

import re
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timbral.errors import TextError, TimbralWarning
from timbral.text.clean import PLACEHOLDER, clean, unread
from timbral.text.g2p.pronunciation import Polyphones, Pronunciation, SymbolVersion, Word
from timbral.text.languages import LANGUAGES, SPOKEN_BY, Language, phonetics
from timbral.text.lexicon import Lexicon
from timbral.text.markup import Mark, MarkedText, read_marks, split_at_pauses, without_pauses
from timbral.text.scripts import HAN, KANA, LATIN
from timbral.text.segmentation import Span, segment
from timbral.text.splitting import LONGEST, SHORTEST, split_text
from timbral.text.symbols import PAUSES, known_phones, phone_ids

_FEWEST_PHONES = 6
_FEWEST_ENGLISH_PHONES = 4
_LONGEST_SPAN = 200
_MOST_NAMED = 5
_AROUND_WORDS = " \n.,!?;:…。，！？；：、"
_LINE_BREAK = re.compile(r"(?P<last>\S)\s*\n\s*(?=(?P<next>\S?))")
_IDEOGRAPH_OR_KANA = re.compile(f"[{HAN}{KANA}]")
_LATIN = re.compile(f"[{LATIN}]")


@dataclass(frozen=True)
class Segment:
    """A stretch of an utterance in one language.

    text: as normalised for pronunciation.
    phones: names of phones, all in the symbol table.
    words: whose phones follow one another: words in English, accent phrases in Japanese, characters in Chinese and
    Cantonese, all of it in Korean; marks too.
    word2ph: number of phones of each character of `text` (zh and yue only), else None.
    """

    language: Language
    text: str
    phones: tuple[str, ...]
    words: tuple[Word, ...]
    word2ph: tuple[int, ...] | None


@dataclass(frozen=True)
class Utterance:
    """What the networks read of a text.

    ids: phone ids, int64 [n].
    segments: the same phones by language, in the order of speaking.
    source: the text as it was written.
    pause: seconds of silence that a mark asks for before it, None without one.
    unspoken: stretches of the source that no language of the model reads.
    """

    ids: NDArray[np.int64]
    segments: tuple[Segment, ...]
    source: str
    pause: float | None = None
    unspoken: tuple[str, ...] = ()

    @property
    def phones(self) -> tuple[str, ...]:
        """Names of the phones, as many as `ids`."""
        return tuple(phone for part in self.segments for phone in part.phones)

    @property
    def words(self) -> tuple[Word, ...]:
        """Words and marks with the numbers of their phones, as many in all as `ids`."""
        return tuple(word for part in self.segments for word in part.words)

    @property
    def text(self) -> str:
        """The normalised text."""
        return "".join(part.text for part in self.segments)


class _MarkedSpan(NamedTuple):
    """A stretch in one language, and the marks of the placeholders in it."""

    language: Language
    text: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class _Reader:
    """Reads texts for one model; the fields are the parameters of `to_phones`."""

    language: str
    version: SymbolVersion
    languages: Collection[Language]
    polyphones: Polyphones | None
    lexicon: Lexicon | None
    speaks: list[Language] = field(init=False)

    def __post_init__(self) -> None:
        speaks = [spoken for spoken in SPOKEN_BY[self.version] if spoken in self.languages]
        object.__setattr__(self, "speaks", speaks)

    def prepare(self, source: str) -> MarkedText:
        """A text cleaned, its marks and the words of the lexicon as placeholders, its line breaks audible."""
        # What may be pinyin or jyutping is jyutping in a Cantonese text.
        first = "yue" if self.language.endswith("yue") else "zh"
        languages = sorted(self.speaks, key=lambda spoken: spoken != first)
        marked = read_marks(source, self.version, languages)
        cleaned = MarkedText(_with_audible_breaks(clean(marked.text)), marked.marks)
        return self.lexicon.apply(cleaned, self.version, self.speaks) if self.lexicon else cleaned

    def spans(self, source: str, prepared: MarkedText) -> list[Span]:
        """Spans of a prepared text, with a warning for what the model cannot read. Raises TextError."""
        spans = segment(prepared.text, self.language, self.speaks, [mark.language for mark in prepared.marks])
        named = self.language.rpartition("_")[2]
        if named in LANGUAGES and named not in self.speaks:
            raise TextError(f"this model does not speak {named}: it speaks {', '.join(self.speaks)}")
        silent = [*unread(source), *self.silent(spans)]
        if not any(map(_has_words, (span.text for span in spans if span.language in self.speaks))):
            raise _unspeakable(source, self.speaks)
        if silent:
            named_stretches = ", ".join(map(_excerpt, silent[:_MOST_NAMED]))
            more = f" and {len(silent) - _MOST_NAMED} more" if len(silent) > _MOST_NAMED else ""
            warnings.warn(
                f"left out {named_stretches}{more}: this model reads {', '.join(self.speaks)} only",
                TimbralWarning,
                stacklevel=4,
            )
        return spans

    def silent(self, spans: Sequence[Span | _MarkedSpan]) -> list[str]:
        """The words of spans in languages that the model does not speak."""
        texts = (span.text.strip(_AROUND_WORDS) for span in spans if span.language not in self.speaks)
        return list(filter(_has_words, texts))

    def utterance(self, source: str, spans: Sequence[_MarkedSpan]) -> Utterance | None:
        """The spans pronounced; None if nothing in them can be spoken."""
        spoken = [span for span in spans if span.language in self.speaks]
        segments = [self._segment(span) for span in spoken]
        if all(phone in PAUSES for part in segments for phone in part.phones):
            return None
        if sum(len(part.phones) for part in segments) < _FEWEST_PHONES:
            segments[0] = self._segment(spoken[0], prefix=".")
        ids = phone_ids((phone for part in segments for phone in part.phones), self.version)
        unspoken = (*unread(source), *self.silent(spans))
        return Utterance(ids, tuple(segments), source, unspoken=unspoken)

    def _segment(self, span: _MarkedSpan, prefix: str = "") -> Segment:
        """A span pronounced; `prefix` is a mark in front of its normalised text."""
        in_context = self._in_context(span, prefix) if span.marks else None
        if in_context is not None:
            return self._joined(span.language, [in_context])
        marks = iter(span.marks)
        parts: list[Pronunciation] = []
        for run in filter(None, re.split(f"({PLACEHOLDER})", span.text)):
            if run == PLACEHOLDER:
                mark = next(marks)
                spoken = mark.spoken
                if isinstance(spoken, str):
                    parts += self._pronounce(mark.language, clean(spoken), prefix)
                else:
                    parts.append(_prefixed(replace(spoken, text=mark.written), prefix))
            else:
                parts += self._pronounce(span.language, run, prefix)
            prefix = ""
        return self._joined(span.language, parts)

    def _in_context(self, span: _MarkedSpan, prefix: str) -> Pronunciation | None:
        """Characters of Chinese or Cantonese read with the marked ones among them, which then get their own phones.

        None where the marks are not of this kind, so that each run has to be read alone.
        """
        if span.language not in ("zh", "yue") or len(span.text) > _LONGEST_SPAN:
            return None
        normalize = phonetics(span.language).normalize
        marks = iter(span.marks)
        text, given = prefix, dict[int, Pronunciation]()
        for run in re.split(f"({PLACEHOLDER})", span.text):
            if run != PLACEHOLDER:
                text += normalize(run) if run else ""
                continue
            mark = next(marks)
            if (
                isinstance(mark.spoken, str)
                or 0 in (mark.spoken.word2ph or (0,))
                or mark.language != span.language
            ):
                return None
            given[len(text)] = mark.spoken
            text += mark.written
        (read,) = self._read_normalized(span.language, [text])
        if read.text != text or read.word2ph is None:
            return None
        return _with_readings(read, given)

    def _joined(self, language: Language, parts: Sequence[Pronunciation]) -> Segment:
        phones = known_phones((phone for part in parts for phone in part.phones), self.version)
        words = tuple(word for part in parts for word in _words_of(part))
        if language == "en" and len(phones) < _FEWEST_ENGLISH_PHONES:
            phones, words = (",", *phones), (Word(",", 1), *words)
        if language in ("zh", "yue"):
            counts = tuple(number for part in parts for number in part.word2ph or ())
            return Segment(language, "".join(part.text for part in parts), phones, words, counts)
        text = "".join(
            f" {part.text}" if index and part.text[:1].isalpha() and language == "en" else part.text
            for index, part in enumerate(parts)
        )
        return Segment(language, text, phones, words, None)

    def _pronounce(self, language: Language, text: str, prefix: str) -> list[Pronunciation]:
        """A run of text pronounced, a long one part by part, since the rules of a language may not scale."""
        parts = [text] if len(text) <= _LONGEST_SPAN else split_text(text)
        normalized = list(filter(None, map(phonetics(language).normalize, parts)))
        if prefix and normalized:
            normalized[0] = prefix + normalized[0]
        return self._read_normalized(language, normalized)

    def _read_normalized(self, language: Language, texts: Sequence[str]) -> list[Pronunciation]:
        options = {"polyphones": self.polyphones} if language == "zh" and self.polyphones else {}
        return [phonetics(language).pronounce(text, self.version, **options) for text in texts]


def _with_readings(read: Pronunciation, given: Mapping[int, Pronunciation]) -> Pronunciation:
    """A pronunciation with other phones for the characters from each place in `given` on."""
    counts = list(read.word2ph or ())
    starts = [0, *accumulate(counts)]
    syllables = [read.phones[start:end] for start, end in pairwise(starts)]
    for place, spoken in given.items():
        borders = pairwise([0, *accumulate(spoken.word2ph or ())])
        for offset, (start, end) in enumerate(borders):
            syllables[place + offset] = spoken.phones[start:end]
    phones = tuple(phone for syllable in syllables for phone in syllable)
    return Pronunciation(phones, read.text, word2ph=tuple(map(len, syllables)))


def _words_of(spoken: Pronunciation) -> tuple[Word, ...]:
    """Words of what is in a language, or characters; all of it as one word where neither is known."""
    if spoken.word2ph is not None and len(spoken.word2ph) == len(spoken.text):
        return tuple(map(Word, spoken.text, spoken.word2ph))
    return spoken.words or (Word(spoken.text, len(spoken.phones)),)


def _prefixed(spoken: Pronunciation, prefix: str) -> Pronunciation:
    if not prefix:
        return spoken
    counts = None if spoken.word2ph is None else (1, *spoken.word2ph)
    words = (Word(prefix, 1), *_words_of(spoken))
    return Pronunciation((prefix, *spoken.phones), prefix + spoken.text, words, counts)


def _with_audible_breaks(text: str) -> str:
    """The text with a stop in the place of each line break after a word."""
    without_latin = not _LATIN.search(text)

    def stop(match: re.Match[str]) -> str:
        last, following = match["last"], match["next"]
        if not (last.isalnum() or last == PLACEHOLDER):
            return f"{last} "
        wide = _IDEOGRAPH_OR_KANA.match(last) or _IDEOGRAPH_OR_KANA.match(following) or without_latin
        return f"{last}。" if wide else f"{last}. "

    return _LINE_BREAK.sub(stop, text)


def with_mark(text: str, mark: Literal[".", ","] = ".") -> str:
    """`text` with a stop or comma at its end, unless it has a mark there.

    Models of this family take it for the end of the text; the official front end adds it to what is spoken and to the
    transcript of the reference.
    """
    text = text.rstrip()
    last = text[-1:]
    if not (last.isalnum() or last == PLACEHOLDER):
        return text
    wide = _IDEOGRAPH_OR_KANA.search(text) if last == PLACEHOLDER else _IDEOGRAPH_OR_KANA.match(last)
    return text + ({".": "。", ",": "，"}[mark] if wide else mark)


def _has_words(text: str) -> bool:
    return any(character.isalnum() or character == PLACEHOLDER for character in text)


def _excerpt(text: str) -> str:
    start = text.strip()[:40]
    return repr(start) if start.isprintable() else ascii(start)


def _unspeakable(text: str, languages: Collection[Language]) -> TextError:
    if not text.strip():
        return TextError("the text is empty: give some words to speak")
    return TextError(f"nothing to speak in {_excerpt(text)}: give words in one of {', '.join(languages)}")


def _end_of_piece(prepared: MarkedText, source: str, *, last: bool) -> MarkedText:
    """A prepared piece with a mark and white space at its end."""
    ends_line = last or "\n" in source[len(source.rstrip()) :]
    text = with_mark(prepared.text, "." if ends_line else ",") + ("\n" if ends_line else " ")
    return MarkedText(text, prepared.marks)


def _cut_spans(spans: Sequence[Span], pieces: Sequence[MarkedText]) -> Iterator[list[_MarkedSpan]]:
    """The spans of each piece without white space at its end; spans and pieces cut the same text."""
    index = taken = 0
    for piece in pieces:
        within: list[_MarkedSpan] = []
        wanted, marks = len(piece.text), list(piece.marks)
        while wanted:
            text = spans[index].text[taken : taken + wanted]
            number = text.count(PLACEHOLDER)
            within.append(_MarkedSpan(spans[index].language, text, tuple(marks[:number])))
            del marks[:number]
            wanted -= len(text)
            taken += len(text)
            if taken == len(spans[index].text):
                index, taken = index + 1, 0
        if within:
            within[-1] = within[-1]._replace(text=within[-1].text.rstrip())
        yield within


def to_phones(
    text: str,
    language: str = "auto",
    version: SymbolVersion = "v2",
    languages: Collection[Language] = LANGUAGES,
    polyphones: Polyphones | None = None,
    lexicon: Lexicon | None = None,
) -> Utterance:
    """Phones of a text, spoken in one go.

    language: one of `timbral.text.segmentation.MODES`.
    version: the symbol table; with v1 nobody speaks Korean and Cantonese.
    languages: those that the model was trained on.
    polyphones: decides on Chinese characters with several readings in the place of the network in the package (G2PW).
    lexicon: words with the readings that the user gives them.

    A text of fewer than 6 phones is pronounced with a `.` in front, as in the official front end. Marks in the text are
    obeyed (docs/reading.md); a pause is a comma here. What the model has no language for is left out, with a
    TimbralWarning.

    Raises TextError for an unknown language, for one that the model does not speak, and for a text without anything to
    speak.
    """
    reader = _Reader(language, version, languages, polyphones, lexicon)
    stretches = [without_pauses(stretch) for _, stretch in split_at_pauses(text)]
    prepared = reader.prepare(" ".join([*(with_mark(part, ",") for part in stretches[:-1]), stretches[-1]]))
    spans = reader.spans(text, prepared)
    (within,) = _cut_spans(spans, [prepared])
    utterance = reader.utterance(text, within)
    if utterance is None:
        raise _unspeakable(text, reader.speaks)
    return utterance


def to_utterances(
    text: str,
    language: str = "auto",
    version: SymbolVersion = "v2",
    languages: Collection[Language] = LANGUAGES,
    longest: float = LONGEST,
    polyphones: Polyphones | None = None,
    lexicon: Lexicon | None = None,
    shortest: float | None = None,
) -> Iterator[Utterance]:
    """Phones of a text of any length, in pieces that last up to `longest` seconds each when spoken.

    Languages are judged on the whole text, so that a sentence is read like its neighbours. Pieces are
    pronounced one by one as they are asked for, each with a mark at its end; pieces with nothing to speak are
    left out. A pause mark ends a piece; the next one carries its seconds. Sentences below `shortest` seconds share a
    piece; with 0 each sentence is a piece of its own.

    Parameters and errors are those of `to_phones`; an error comes before the first piece.
    """
    reader = _Reader(language, version, languages, polyphones, lexicon)
    # A model that loses words in long pieces is better off with short ones than with joined ones.
    shortest = min(SHORTEST, longest / 3) if shortest is None else shortest
    sources: list[tuple[float | None, str]] = []
    for pause, stretch in split_at_pauses(text):
        first, *others = split_text(stretch, longest, shortest) or [stretch]
        sources += [(pause, first), *((None, other) for other in others)]
    prepared = [
        _end_of_piece(reader.prepare(without_pauses(source)), source, last=index == len(sources) - 1)
        for index, (_, source) in enumerate(sources)
    ]
    marks = tuple(mark for piece in prepared for mark in piece.marks)
    spans = reader.spans(text, MarkedText("".join(piece.text for piece in prepared), marks))
    return _pronounced(reader, text, sources, _cut_spans(spans, prepared))


def _pronounced(
    reader: _Reader,
    text: str,
    sources: Sequence[tuple[float | None, str]],
    spans: Iterator[list[_MarkedSpan]],
) -> Iterator[Utterance]:
    """The utterances of pieces; what is unspoken and the pause of a silent piece go to the next one."""
    spoken = False
    waiting: float | None = None
    unspoken: tuple[str, ...] = ()
    for (pause, source), within in zip(sources, spans, strict=True):
        if pause is not None:
            waiting = (waiting or 0.0) + pause
        utterance = reader.utterance(source, within)
        if utterance is None:
            unspoken += (*unread(source), *reader.silent(within))
            continue
        spoken = True
        yield Utterance(utterance.ids, utterance.segments, source, waiting, unspoken + utterance.unspoken)
        waiting, unspoken = None, ()
    if not spoken:
        raise _unspeakable(text, reader.speaks)
