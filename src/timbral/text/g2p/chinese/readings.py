"""The pinyin of each character of a clause: known words by dictionary, the rest by a network, both corrected by context."""

from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import accumulate
from typing import Any

from pypinyin import Style, lazy_pinyin
from pypinyin.constants import PHRASES_DICT

from timbral.text.g2p.chinese.context import apply_contexts
from timbral.text.g2p.chinese.particles import reading_in_context
from timbral.text.g2p.chinese.words import Word
from timbral.text.g2p.pronunciation import Polyphones
from timbral.text.resources import read_lines

_LONGEST_PHRASE = 6


def read_clause(words: Sequence[Word], polyphones: Polyphones) -> list[str]:
    """Pinyin with tone number (`"lv4"`, neutral 5) of each character of a clause, a pause being its own."""
    opinions = polyphones("".join(word.text for word in words))
    pinyin: list[str] = []
    for word in words:
        usual = _by_dictionary(word.text)
        here = opinions[len(pinyin) : len(pinyin) + len(word.text)]
        if len(word.text) > 1 and word.text in PHRASES_DICT:
            pinyin += usual
        else:
            pinyin += [seen or known for known, seen in zip(usual, here, strict=True)]
    _apply_grammar(words, pinyin)
    _apply_phrases(words, pinyin)
    apply_contexts("".join(word.text for word in words), pinyin)
    return pinyin


def _apply_grammar(words: Sequence[Word], pinyin: list[str]) -> None:
    start = 0
    for at, word in enumerate(words):
        if len(word.text) == 1:
            pinyin[start] = reading_in_context(words, at) or pinyin[start]
        start += len(word.text)


def _apply_phrases(words: Sequence[Word], pinyin: list[str]) -> None:
    """Puts in the readings of `data/zh_readings.txt`, for phrases that begin and end with a word."""
    clause = "".join(word.text for word in words)
    bounds = [0, *accumulate(len(word.text) for word in words)]
    for at, start in enumerate(bounds):
        for end in bounds[at + 1 : at + 1 + _LONGEST_PHRASE]:
            reading = _phrases().get(clause[start:end])
            if reading:
                pinyin[start:end] = reading


@cache
def _phrases() -> dict[str, list[str]]:
    entries = [line.split() for line in read_lines("zh_readings.txt")]
    return {phrase: pinyin for phrase, *pinyin in entries}


@lru_cache(maxsize=8192)
def _by_dictionary(word: str) -> tuple[str, ...]:
    return tuple(lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True, errors=_one_by_one))


def _one_by_one(unread: str) -> Any:
    """What is no character, sign by sign; pypinyin takes a list, although it asks for a string."""
    return list(unread)
