"""The pinyin of each character of a clause: by dictionary, by a network that sees it whole, or by both."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from pypinyin import Style, lazy_pinyin
from pypinyin.constants import PHRASES_DICT

from timbral.text.g2p.chinese.corrections import mend_readings
from timbral.text.g2p.chinese.words import Word
from timbral.text.g2p.pronunciation import Polyphones

Reader = Callable[[Sequence[Word], Sequence[Word]], list[str]]
"""Reads a clause, given as words and as the groups that `merge` made of them: for each character its pinyin
with tone number (`"lv4"`, neutral 5), a pause being its own."""


def read_by_word(words: Sequence[Word], groups: Sequence[Word]) -> list[str]:
    """Reads each group by dictionary, as the official front end does in v1 and without G2PW."""
    return [pinyin for group in groups for pinyin in _by_dictionary(group.text)]


def read_by_sentence(polyphones: Polyphones) -> Reader:
    """Reads each group by dictionary if it is a phrase there, else by network: the official way with G2PW."""

    def read(words: Sequence[Word], groups: Sequence[Word]) -> list[str]:
        opinions = polyphones("".join(word.text for word in words))
        pinyin: list[str] = []
        for group in groups:
            if group.text in PHRASES_DICT:
                pinyin += _by_dictionary(group.text)
            else:
                here = opinions[len(pinyin) : len(pinyin) + len(group.text)]
                pinyin += [
                    seen or _by_dictionary(char)[0] for seen, char in zip(here, group.text, strict=True)
                ]
        return pinyin

    return read


def read_best(polyphones: Polyphones) -> Reader:
    """Reads known words by dictionary, the rest by network, and mends what both get wrong."""

    def read(words: Sequence[Word], groups: Sequence[Word]) -> list[str]:
        opinions = polyphones("".join(word.text for word in words))
        pinyin: list[str] = []
        for word in words:
            usual = _by_dictionary(word.text)
            here = opinions[len(pinyin) : len(pinyin) + len(word.text)]
            if len(word.text) > 1 and word.text in PHRASES_DICT:
                pinyin += usual
            else:
                pinyin += [seen or known for known, seen in zip(usual, here, strict=True)]
        return mend_readings(words, pinyin)

    return read


@lru_cache(maxsize=8192)
def _by_dictionary(word: str) -> tuple[str, ...]:
    return tuple(lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True, errors=_one_by_one))


def _one_by_one(unread: str) -> Any:
    """What is no character, sign by sign; pypinyin takes a list, although it asks for a string."""
    return list(unread)
