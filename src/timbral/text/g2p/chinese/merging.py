"""Joins words whose tones change together: around 不 and 一, doubled words, third tones, 儿."""

from collections.abc import Callable, Sequence
from functools import lru_cache

from pypinyin import Style, lazy_pinyin

from timbral.text.g2p.chinese.words import Word


def merge(words: Sequence[Word]) -> list[Word]:
    """The words of a sentence regrouped for tone sandhi.

    A group has the tag of its first word, one with 不 that of its second.
    """
    grouped = _merge_bu(words)
    grouped = _merge_yi_between_verbs(grouped)
    grouped = _merge_yi_with_next(grouped)
    grouped = _merge_equal(grouped)
    grouped = _merge_third_tones(grouped, lambda left, right: _all_third(left) and _all_third(right))
    grouped = _merge_third_tones(grouped, lambda left, right: left[-1][-1:] == "3" and right[0][-1:] == "3")
    return _merge_er(grouped)


def _merge_bu(words: Sequence[Word]) -> list[Word]:
    grouped: list[Word] = []
    previous = ""
    for word in words:
        text = "不" + word.text if previous == "不" else word.text
        if text != "不":
            grouped.append(Word(text, word.tag))
        previous = text
    if previous == "不":
        grouped.append(Word("不", "d"))
    return grouped


def _merge_yi_between_verbs(words: Sequence[Word]) -> list[Word]:
    """听 一 听 becomes 听一听."""
    grouped: list[Word] = []
    at = 0
    while at < len(words):
        word = words[at]
        if word.text == "一" and grouped and at + 1 < len(words):
            before, after = grouped[-1], words[at + 1]
            if before == after and before.tag == "v":
                grouped[-1] = Word(f"{before.text}一{after.text}", before.tag)
                at += 2
                continue
        grouped.append(word)
        at += 1
    return grouped


def _merge_yi_with_next(words: Sequence[Word]) -> list[Word]:
    grouped: list[Word] = []
    for word in words:
        if grouped and grouped[-1].text == "一":
            grouped[-1] = _joined(grouped[-1], word)
        else:
            grouped.append(word)
    return grouped


def _merge_equal(words: Sequence[Word]) -> list[Word]:
    grouped: list[Word] = []
    for word in words:
        if grouped and grouped[-1].text == word.text:
            grouped[-1] = _joined(grouped[-1], word)
        else:
            grouped.append(word)
    return grouped


def _merge_third_tones(words: Sequence[Word], meet: Callable[[list[str], list[str]], bool]) -> list[Word]:
    """Joins neighbours of at most three characters whose finals `meet`; a word joins only one other."""
    finals = [_finals(word.text) for word in words]
    grouped: list[Word] = []
    joined_before = False
    for at, word in enumerate(words):
        before = words[at - 1]
        joins = (
            at > 0
            and not joined_before
            and meet(finals[at - 1], finals[at])
            and not _is_reduplication(before.text)
            and len(before.text) + len(word.text) <= 3
        )
        if joins:
            grouped[-1] = _joined(grouped[-1], word)
        else:
            grouped.append(word)
        joined_before = joins
    return grouped


@lru_cache(maxsize=8192)
def _finals(word: str) -> list[str]:
    return lazy_pinyin(word, neutral_tone_with_five=True, style=Style.FINALS_TONE3)


def _merge_er(words: Sequence[Word]) -> list[Word]:
    grouped: list[Word] = []
    for word in words:
        if grouped and word.text == "儿":
            grouped[-1] = _joined(grouped[-1], word)
        else:
            grouped.append(word)
    return grouped


def _joined(first: Word, second: Word) -> Word:
    return Word(first.text + second.text, first.tag)


def _is_reduplication(word: str) -> bool:
    return len(word) == 2 and word[0] == word[1]


def _all_third(finals: list[str]) -> bool:
    return all(final.endswith("3") for final in finals)
