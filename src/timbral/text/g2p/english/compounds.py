"""Splits words that no dictionary knows into ones that it may know: "speechmodel" is "speech model".

The method is Peter Norvig's ("Natural Language Corpus Data", in *Beautiful Data*, 2009): the split whose
words are most probable, by counts of words and word pairs in a web corpus. It gives what the package
`wordsegment` gives.
"""

import math
from functools import cache

import numpy as np

from timbral.text.resources import read_arrays

_CORPUS_WORDS = 1024908267229.0
_LONGEST_WORD = 24
_CHUNK = 250  # letters looked at in one go; the words at its end are looked at again with what follows
_CARRIED_WORDS = 5
_COUNT_STEPS = 512.0  # counts are stored as round(log10(count) * steps)


class _Counts:
    """Log-probabilities (base 10) of words, alone and after another word."""

    def __init__(self) -> None:
        arrays = read_arrays("en_compounds.npz.xz")
        words = arrays["words"].tobytes().decode("ascii").split("\n")
        self._word_counts = arrays["counts"]
        self._pairs = np.cumsum(arrays["first"].astype(np.int64)) * len(words) + arrays["second"]
        self._pair_counts = arrays["pair_counts"]
        self._index = {word: index for index, word in enumerate(words)}

    def alone(self, word: str) -> float:
        index = self._index.get(word)
        if index is None:
            # A digit a letter, or the whole text would pass for one unknown word.
            return 1.0 - math.log10(_CORPUS_WORDS) - len(word)
        return float(self._word_counts[index]) / _COUNT_STEPS - math.log10(_CORPUS_WORDS)

    def after(self, previous: str | None, word: str) -> float:
        first = None if previous is None else self._index.get(previous)
        second = self._index.get(word)
        if first is None or second is None:
            return self.alone(word)
        pair = first * len(self._index) + second
        place = int(np.searchsorted(self._pairs, pair))
        if place == len(self._pairs) or self._pairs[place] != pair:
            return self.alone(word)
        return (float(self._pair_counts[place]) - float(self._word_counts[first])) / _COUNT_STEPS


@cache
def _counts() -> _Counts:
    return _Counts()


def split_compound(word: str) -> list[str]:
    """The words that a lower-case word is made of; characters other than a-z are left out."""
    letters = "".join(letter for letter in word if "a" <= letter <= "z")
    done: list[str] = []
    carried = ""
    for start in range(0, len(letters), _CHUNK):
        words = _best_split(carried + letters[start : start + _CHUNK])
        carried = "".join(words[-_CARRIED_WORDS:])
        done += words[:-_CARRIED_WORDS]
    return done + (_best_split(carried) if carried else [])


def _best_split(letters: str) -> list[str]:
    """Dynamic programming from the end.

    The best split of letters[start:] for each word that may come before.
    """
    counts = _counts()
    best: dict[tuple[int, int], tuple[float, list[str]]] = {}
    for start in range(len(letters), -1, -1):
        for length in range(min(start, _LONGEST_WORD) + 1):
            if (length == 0) != (start == 0):
                continue  # only the beginning has no word before it
            if start == len(letters):
                best[start, length] = (0.0, [])
                continue
            previous = letters[start - length : start] if length else None
            candidates = []
            for end in range(start + 1, min(len(letters), start + _LONGEST_WORD) + 1):
                score, words = best[end, end - start]
                candidates.append((counts.after(previous, letters[start:end]) + score, end, words))
            score, end, words = max(candidates)
            best[start, length] = (score, [letters[start:end], *words])
    return best[0, 0][1]
