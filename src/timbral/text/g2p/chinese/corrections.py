"""Puts right what dictionaries, the network and the official tone rules get wrong in everyday sentences."""

import re
from collections.abc import Sequence
from functools import cache
from itertools import accumulate

from timbral.text.g2p.chinese.dictionary import dictionary
from timbral.text.g2p.chinese.particles import reading_in_context
from timbral.text.g2p.chinese.words import Word
from timbral.text.resources import read_lines

_LONGEST_READING = 6
_DIGIT = "[零一二三四五六七八九]"
_DIGIT_ONE = re.compile(
    rf"(?<=[零一二三四五六七八九十第周初之])一|(?<=星期)一|(?<=礼拜)一|(?<={_DIGIT}点)一(?!刻)"
    rf"|一(?={_DIGIT}|十|[月号楼级流]|年级|等[奖舱品于]|[加减乘除比]{_DIGIT})"
)
_FULL_TONE_DE = re.compile("[获取赢博夺求难不心所应]得")


def mend_readings(words: Sequence[Word], pinyin: Sequence[str]) -> list[str]:
    """The pinyin of a clause, corrected where context or the list `data/zh_readings.txt` know better."""
    mended = list(pinyin)
    _mend_particles(words, mended)
    _mend_by_list(words, mended)
    return mended


def mend_tones(clause: str, pinyin: Sequence[str], finals: Sequence[str]) -> list[str]:
    """The spoken finals of a clause with the tones back that official sandhi takes by mistake.

    一 keeps its tone as a digit or an ordinal (一九九八年, 十一月, 一号), 的 and 地 in words where they are
    no particles (目的, 土地), 得 in 获得, and a doubled character where two words meet
    (今天天气, 医院院长).
    """
    mended = list(finals)
    for at in range(2, len(clause) - 1):
        if clause[at] == clause[at - 1] and _two_words_meet(clause[at - 2 : at + 2]):
            mended[at] = mended[at][:-1] + pinyin[at][-1]
    for match in _DIGIT_ONE.finditer(clause):
        mended[match.start()] = mended[match.start()][:-1] + "1"
    for match in _FULL_TONE_DE.finditer(clause):
        mended[match.start() + 1] = mended[match.start() + 1][:-1] + "2"
    for at, char in enumerate(clause):
        if char in "的地" and pinyin[at] == "di4":
            mended[at] = "i4"
    return mended


def _two_words_meet(four: str) -> bool:
    """Whether two dictionary words form a longer one, the first ending like the second begins."""
    if len(set(four)) < 3 or four[-1] == "儿":
        return False
    words = {(entry.start, entry.end) for entry in dictionary().entries(four)}
    return words >= {(0, 2), (2, 4), (0, 4)}


def _mend_particles(words: Sequence[Word], pinyin: list[str]) -> None:
    start = 0
    for at, word in enumerate(words):
        if len(word.text) == 1:
            pinyin[start] = reading_in_context(words, at) or pinyin[start]
        start += len(word.text)


def _mend_by_list(words: Sequence[Word], pinyin: list[str]) -> None:
    clause = "".join(word.text for word in words)
    bounds = [0, *accumulate(len(word.text) for word in words)]
    for at, start in enumerate(bounds):
        for end in bounds[at + 1 : at + 1 + _LONGEST_READING]:
            reading = _readings().get(clause[start:end])
            if reading:
                pinyin[start:end] = reading


@cache
def _readings() -> dict[str, list[str]]:
    entries = [line.split() for line in read_lines("zh_readings.txt")]
    return {phrase: pinyin for phrase, *pinyin in entries}
