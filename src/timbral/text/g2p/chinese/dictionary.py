"""The Chinese word list, its counts and parts of speech, as arrays that load in a few hundredths of a second.

Data: the dictionary of jieba 0.42.1 (MIT), see `data/LICENCES.md`.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timbral.text.resources import read_arrays

_PACKED = 4
"""Words of up to this many characters are 64-bit keys, 16 bits a character."""
_BEYOND = 0xFFFF
"""Stands for the characters that need more than 16 bits, which no word of the list has."""


class Entry(NamedTuple):
    """A dictionary word found in a text, from `start` to before `end`."""

    start: int
    end: int
    frequency: int
    tag: str


class Dictionary:
    """Looks up all words of a text at once. `total` is the sum of the counts of all words."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.total = int(arrays["total"])
        self._keys = np.cumsum(arrays["key_steps"], dtype=np.uint64)
        self._counts = arrays["counts"]
        self._tags = arrays["tags"]
        self._tag_names: list[str] = arrays["tag_names"].tolist()
        long_words = arrays["long_words"].tobytes().decode().split("\n")
        self._long = {word: at for at, word in enumerate(long_words, len(self._keys))}
        self._longest = max(map(len, long_words))

    def entries(self, text: str) -> Iterator[Entry]:
        """Every dictionary word that stands in the text."""
        codes = np.array([min(ord(char), _BEYOND) for char in text], np.uint64)
        keys = np.zeros(len(codes), np.uint64)
        for length in range(1, min(_PACKED, len(text)) + 1):
            starts = len(codes) - length + 1
            keys = (keys[:starts] << np.uint64(16)) | codes[length - 1 :]
            places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            for start in np.flatnonzero(self._keys[places] == keys).tolist():
                yield self._entry(start, start + length, int(places[start]))
        for start in range(len(text) - _PACKED):
            for end in range(start + _PACKED + 1, min(start + self._longest, len(text)) + 1):
                place = self._long.get(text[start:end])
                if place is not None:
                    yield self._entry(start, end, place)

    def _entry(self, start: int, end: int, place: int) -> Entry:
        return Entry(start, end, int(self._counts[place]), self._tag_names[self._tags[place]])


@cache
def chinese_data() -> dict[str, NDArray[Any]]:
    """The arrays of `data/zh_words.npz`, read once."""
    return read_arrays("zh_words.npz")


@cache
def dictionary() -> Dictionary:
    """The one dictionary."""
    return Dictionary(chinese_data())
