"""Chinese words with their parts of speech, which decide where tones change.

The method is jieba's (github.com/fxsjy/jieba): the most probable way through the graph of dictionary words,
then a hidden Markov model for stretches of single characters. The official tone rules were made for its words
and tags.
"""

import math
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from timbral.text.g2p.chinese.dictionary import Entry, dictionary
from timbral.text.g2p.chinese.unknown import cutting_model, tagging_model
from timbral.text.scripts import HAN


class Word(NamedTuple):
    """A word and jieba's tag of its part of speech (`n`, `v`, `m`, ...; `x` for what is no word)."""

    text: str
    tag: str


# jieba takes full stops, and without tags hyphens too, together with the words before them
_BLOCK = re.compile(rf"([{HAN}.]+)")
_INDEXED_BLOCK = re.compile(rf"([{HAN}.-]+)")
_RUN = re.compile(rf"([{HAN}]+)")


def cut(clause: str) -> list[Word]:
    """The words of a clause of Chinese characters and pauses, in order; joined they are the clause."""
    words: list[Word] = []
    for at, piece in enumerate(_BLOCK.split(clause)):
        if at % 2:
            words += _cut_block(piece)
        else:
            words += [Word(sign, "x") for sign in piece]
    return words


@lru_cache(maxsize=4096)
def parts_of(word: str) -> tuple[str, ...]:
    """What a search engine indexes of a word: its parts, each after the short words inside it."""
    parts: list[str] = []
    for at, piece in enumerate(_INDEXED_BLOCK.split(word)):
        for inner in _cut_untagged(piece) if at % 2 else piece:
            parts += _short_words(inner)
            parts.append(inner)
    return tuple(parts)


def _short_words(word: str) -> list[str]:
    """Dictionary words of two, then of three characters that are shorter than the word."""
    lengths = range(2, min(len(word), 4))
    found = [entry for entry in dictionary().entries(word) if entry.end - entry.start in lengths]
    return [word[entry.start : entry.end] for entry in found]


def _cut_untagged(block: str) -> Iterator[str]:
    for known, entries in _stretches(block):
        if known or len(entries) == 1:
            for entry in entries:
                yield block[entry.start : entry.end]
        else:
            yield from _cut_unknown(block[entries[0].start : entries[-1].end])


def _cut_block(block: str) -> Iterator[Word]:
    for known, entries in _stretches(block):
        if known or len(entries) == 1:
            for entry in entries:
                yield Word(block[entry.start : entry.end], entry.tag)
        else:
            yield from _tag_unknown(block[entries[0].start : entries[-1].end])


def _stretches(text: str) -> Iterator[tuple[bool, list[Entry]]]:
    """The most probable words of a text, and whether they are to be taken as they are.

    A word of several characters comes alone, single characters as far as they follow each other.
    """
    for single, group in groupby(_best_path(text), key=lambda entry: entry.end - entry.start == 1):
        entries = list(group)
        if not single:
            yield from ((True, [entry]) for entry in entries)
        else:
            stretch = text[entries[0].start : entries[-1].end]
            whole = any(e.end - e.start == len(stretch) for e in dictionary().entries(stretch))
            yield whole, entries


def _best_path(text: str) -> list[Entry]:
    words = dictionary()
    by_start: list[list[Entry]] = [[Entry(at, at + 1, 0, "x")] for at in range(len(text))]
    for entry in words.entries(text):
        choices = by_start[entry.start]
        if entry.end == entry.start + 1:
            choices[0] = entry
        else:
            choices.append(entry)
    log_total = math.log(words.total)
    scores = [0.0] * (len(text) + 1)
    chosen = [choices[0] for choices in by_start]
    for start in range(len(text) - 1, -1, -1):
        # of two equally probable words the longer one
        scores[start], _, chosen[start] = max(
            (math.log(entry.frequency or 1) - log_total + scores[entry.end], entry.end, entry)
            for entry in by_start[start]
        )
    path: list[Entry] = []
    at = 0
    while at < len(text):
        path.append(chosen[at])
        at = chosen[at].end
    return path


def _tag_unknown(stretch: str) -> Iterator[Word]:
    for at, piece in enumerate(_RUN.split(stretch)):
        if at % 2:
            states = tagging_model().states(piece)
            for start, end in _bounds(states):
                yield Word(piece[start:end], states[start if states[start][0] != "B" else end - 1][1:])
        elif piece:
            yield Word(piece, "m")


def _cut_unknown(stretch: str) -> list[str]:
    pieces: list[str] = []
    for at, piece in enumerate(_RUN.split(stretch)):
        if at % 2:
            pieces += [piece[start:end] for start, end in _bounds(cutting_model().states(piece))]
        elif piece:
            pieces.append(piece)
    return pieces


def _bounds(states: list[str]) -> Iterator[tuple[int, int]]:
    """Start and end of the words that the states spell."""
    start = 0
    for at, state in enumerate(states):
        if state[0] == "B":
            start = at
        elif state[0] == "E":
            yield start, at + 1
            start = at + 1
        elif state[0] == "S":
            yield at, at + 1
            start = at + 1
    if start < len(states):
        yield start, len(states)
