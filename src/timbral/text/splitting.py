"""Cuts a text of any length into pieces that can be spoken in one breath.

A piece ends where a reader would pause: at the end of a sentence, else at a comma, else between words, and not after one
that leans on the next. Numbers, abbreviations, addresses and words stay whole. Nothing is lost: the pieces, joined, are the text.
"""

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from itertools import accumulate

from timbral.text.scripts import HAN, HANGUL, KANA, LATIN

LONGEST = 10.0
"""Seconds of speech, at an ordinary pace, that a piece may last."""
SHORTEST = 2.5
"""Seconds below which a piece is joined to a neighbour: very short texts are spoken less surely."""

_MARKS = "。｡．.！!？?…，,；;：:、—–~～"
_CLOSING = "”’」』）)\\]】》〉\"'»"
_ALNUM = f"{LATIN}0-9"
_ATOM = re.compile(
    r"(?P<core>\[[^\[\]|\n]{1,200}\|[^\[\]|\n]{1,200}\]|(?:https?://|www\.)[!-~]{0,200}[A-Za-z0-9/]"
    rf"|[{_ALNUM}]{{1,60}}(?:(?:['’._@&+/\-]|(?<=[0-9])[,:](?=[0-9]))[{_ALNUM}]{{1,60}}){{0,20}}"
    rf"(?:(?<=[0-9])[%℃℉°]?[{HAN}]?)?|[{HANGUL}]{{1,30}}|[^\s{_MARKS}{_CLOSING}]|)"
    rf"(?P<marks>[{_MARKS}{_CLOSING}]*)(?P<space>\s*)"
)
_OPENING = frozenset("“‘「『（([【《〈«")
_BOUND_TO_NEXT = frozenset("第$￥¥€£#+-−±") | _OPENING
_BOUND_TO_PREVIOUS = frozenset("ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮンんー々%℃℉°")
_SENTENCE_MARKS = frozenset("。｡．.！!？?…")
_CLAUSE_MARKS = frozenset("，,；;：:、—–")
_ABBREVIATION = re.compile(
    r"(?:[A-Za-z]|(?:[A-Za-z]\.)+[A-Za-z]|mr|mrs|ms|dr|prof|st|jr|sr|vs|etc|no|nos|fig|vol|dept|approx|inc|ltd|co"
    r"|gen|col|lt|rev|hon|gov|sen|rep|mt|ave|blvd|rd|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|ph\.d|al|cf|pp?"
    r"|[0-9]{1,2})",
    re.IGNORECASE,
)
_MAY_END = re.compile(r"(?:etc|inc|ltd|co|jr|sr|ph\.d|[ap]\.m)", re.IGNORECASE)
_LEANING = re.compile(
    r"(?:a|an|the|of|to|in|on|at|by|for|from|with|as|into|onto|upon|about|over|under|between|through|and|or|but|nor|"
    r"if|that|which|who|whom|whose|what|when|where|than|because|while|until|since|though|although|unless|my|your|his|"
    r"her|its|our|their|this|these|those|some|any|every|each|no|not|very|so|too|i|you|he|she|we|they|is|are|was|were|"
    r"be|been|am|has|have|had|do|does|did|will|would|can|could|shall|should|may|might|must)",
    re.IGNORECASE,
)
"""English words after which nobody pauses."""
_KANA = re.compile(f"[{KANA}]")
_HAN = re.compile(f"[{HAN}]")
_IDEOGRAPH_OR_KANA = re.compile(f"[{HAN}{KANA}]")
_HIRAGANA = re.compile("[\u3041-\u3096]")
# How long a character takes in ordinary speech; a capital may be a letter of an abbreviation that is spelled.
_SECONDS = tuple(
    (re.compile(f"[{characters}]"), seconds)
    for characters, seconds in (
        ("A-Z", 0.12),
        (LATIN, 0.07),
        ("0-9", 0.25),
        (HAN, 0.23),
        (KANA, 0.13),
        (HANGUL, 0.18),
    )
)
_SECONDS_OF_OTHERS = 0.1
_PAUSE_SECONDS = 0.3


class _Break(IntEnum):
    """How well a place suits a cut."""

    NEVER = 0
    INSIDE = 1
    BETWEEN_WORDS = 2
    CLAUSE = 3
    SENTENCE = 4


@dataclass(frozen=True)
class _Atom:
    """What is never cut: a word, a number or an ideograph with the marks and spaces after it."""

    text: str
    seconds: float
    after: _Break


@lru_cache(maxsize=8192)
def _character_seconds(character: str) -> float:
    if not character.isalnum():
        return 0.0
    return next((seconds for script, seconds in _SECONDS if script.match(character)), _SECONDS_OF_OTHERS)


def _spoken_seconds(core: str, marks: str) -> float:
    return sum(map(_character_seconds, core)) + (_PAUSE_SECONDS if marks else 0.0)


def _break_at_mark(core: str, marks: str, space: str, following: str) -> _Break:
    """The break that marks make after a word; `following` is the character that comes next."""
    if "\n" in space or not following:
        return _Break.SENTENCE
    if not _SENTENCE_MARKS.isdisjoint(marks):
        if marks == ".":
            if _ABBREVIATION.fullmatch(core):
                ends = _MAY_END.fullmatch(core) and following.isupper()
                return _Break.SENTENCE if ends else _Break.NEVER
            if not space and following.isascii():
                return _Break.NEVER
        return _Break.CLAUSE if following.islower() else _Break.SENTENCE
    if not _CLAUSE_MARKS.isdisjoint(marks):
        return _Break.CLAUSE
    if space:
        return _Break.BETWEEN_WORDS
    return _Break.INSIDE if core else _Break.NEVER


def _break_after(core: str, marks: str, space: str, following: str) -> _Break:
    if marks or "\n" in space or not following:
        return _break_at_mark(core, marks, space, following)
    last = core[-1:]
    combines = unicodedata.category(following)[0] == "M"
    if combines or last in _BOUND_TO_NEXT or following in _BOUND_TO_PREVIOUS:
        return _Break.NEVER
    if space:
        return _Break.INSIDE if _LEANING.fullmatch(core) else _Break.BETWEEN_WORDS
    last_is_wide, next_is_wide = (bool(_IDEOGRAPH_OR_KANA.match(c)) for c in (last, following))
    if following in _OPENING or last_is_wide != next_is_wide:
        return _Break.BETWEEN_WORDS
    if not last_is_wide:
        return _Break.NEVER
    phrase_ends = _HIRAGANA.match(last) and not _HIRAGANA.match(following)
    return _Break.BETWEEN_WORDS if phrase_ends or last in "的了着" else _Break.INSIDE


def _atoms(text: str, longest: float) -> Iterator[_Atom]:
    for match in _ATOM.finditer(text):
        core, marks, space = match["core"], match["marks"], match["space"]
        if not match[0]:
            continue
        after = _break_after(core, marks, space, text[match.end() : match.end() + 1])
        is_mark = core.startswith("[") and len(core) > 1
        seconds = _spoken_seconds(core.partition("|")[0] if is_mark else core, marks)
        if seconds <= longest or is_mark:
            yield _Atom(match[0], seconds, after)
        else:
            yield from (_Atom(c, _spoken_seconds(c, ""), _Break.INSIDE) for c in match[0][:-1])
            yield _Atom(match[0][-1], _spoken_seconds(match[0][-1], ""), after)


def _seconds(atoms: Sequence[_Atom]) -> float:
    return sum(atom.seconds for atom in atoms)


def _sentences(atoms: Iterator[_Atom]) -> Iterator[list[_Atom]]:
    sentence: list[_Atom] = []
    for atom in atoms:
        sentence.append(atom)
        if atom.after is _Break.SENTENCE:
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def _with_whole_words(sentence: list[_Atom]) -> list[_Atom]:
    """The atoms of a sentence, without breaks inside of Chinese words."""
    text = "".join(atom.text for atom in sentence)
    if not _HAN.search(text) or _KANA.search(text):
        return sentence
    from timbral.text.g2p.chinese.words import cut  # nothing of Chinese is loaded for other languages

    ends = set(accumulate(len(word.text) for word in cut(text)))
    places = accumulate(len(atom.text) for atom in sentence)
    return [
        replace(atom, after=_Break.NEVER) if atom.after is _Break.INSIDE and place not in ends else atom
        for atom, place in zip(sentence, places, strict=True)
    ]


def _parts(sentence: list[_Atom], longest: float) -> Iterator[list[_Atom]]:
    """A sentence in parts of similar length, none above `longest`, cut at the best breaks."""
    remaining = _seconds(sentence)
    if remaining > longest:
        sentence = _with_whole_words(sentence)
    start = 0
    while remaining > longest:
        target = remaining / math.ceil(remaining / longest)
        spoken = 0.0
        best, best_merit = start + 1, (-1.0, 0.0)
        for index in range(start, len(sentence)):
            spoken += sentence[index].seconds
            if spoken > longest:
                break
            # Near the target a better break is worth a detour, at the beginning it is not.
            near = 1.0 if spoken >= target / 2 else 0.0
            merit = (near * (1 + sentence[index].after), -abs(spoken - target))
            if merit > best_merit:
                best, best_merit = index + 1, merit
        yield sentence[start:best]
        remaining -= _seconds(sentence[start:best])
        start = best
    if start < len(sentence):
        yield sentence[start:]


def split_text(text: str, longest: float = LONGEST, shortest: float = SHORTEST) -> list[str]:
    """Pieces of `text` in order, to be spoken one after the other; joined, they are `text` again.

    longest: seconds of speech that a piece may last; estimated from its characters.
    shortest: seconds below which neighbours share a piece, as far as `longest` allows.

    Linear in the length of the text. Only a text without any speakable character gives a piece without one.
    """
    pieces: list[str] = []
    piece, piece_seconds, piece_speaks, ends_line = "", 0.0, False, False
    for sentence in _sentences(_atoms(text, longest)):
        for part in _parts(sentence, longest):
            part_text, seconds = "".join(atom.text for atom in part), _seconds(part)
            speaks = any(map(str.isalnum, part_text))
            # A short line, such as a title, belongs to what follows it.
            short = piece_seconds < shortest or (seconds < shortest and not ends_line)
            joins = short and piece_seconds + seconds <= longest
            if piece_speaks and speaks and not joins:
                pieces.append(piece)
                piece, piece_seconds, piece_speaks = "", 0.0, False
            piece += part_text
            ends_line = "\n" in part_text[len(part_text.rstrip()) :]
            piece_seconds += seconds
            piece_speaks = piece_speaks or speaks
    return [*pieces, piece] if piece else pieces


def finished_length(text: str, longest: float = LONGEST) -> int:
    """Characters of the sentences at the beginning of a text that stay as they are, whatever is written after it."""
    sentences = list(_sentences(_atoms(text, longest)))
    last = sum(len(atom.text) for atom in sentences[-1]) if sentences else 0
    return len(text) - last if len(sentences) > 1 else 0
