"""Words that the dictionary lacks (names, coinages): a hidden Markov model over characters finds them.

Data: the models of jieba 0.42.1 (MIT), see `data/LICENCES.md`. Ties are broken as jieba breaks them,
towards the last state in alphabetical order, so that words and tags are the same.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.text.g2p.chinese.dictionary import chinese_data

_IMPOSSIBLE = float(np.finfo(np.float32).min)
"""Log probability of what the model never saw, as it is stored: so low that nothing changes it."""


class MarkovModel:
    """Viterbi decoding; a state is a position in the word (B, M, E, S), with or without a tag."""

    def __init__(self, arrays: dict[str, NDArray[Any]], name: str, last: str) -> None:
        """Reads the model `name` from the arrays; `last` are the positions that can end a text."""
        self._names: list[str] = arrays[f"{name}_states"].tolist()
        self._start = arrays[f"{name}_start"].astype(np.float64)
        self._steps = arrays[f"{name}_trans"].astype(np.float64)
        self._rows = {code: row for row, code in enumerate(arrays[f"{name}_chars"].tolist())}
        self._bounds = np.concatenate([[0], np.cumsum(arrays[f"{name}_counts"], dtype=np.int64)])
        self._emitting = arrays[f"{name}_emit_state"]
        self._emitted = arrays[f"{name}_emit"]
        self._expected = np.unpackbits(arrays[f"{name}_allowed"], count=len(self._emitting)).astype(bool)
        self._every = np.arange(len(self._names))[::-1]
        self._last = np.array([state[0] in last for state in self._names])

    def states(self, text: str) -> list[str]:
        """The most probable state of each character."""
        emission, now = self._observe(text[0])
        scores = self._start[now] + emission[now]
        visited = [now]
        back: list[NDArray[np.int64]] = []
        for char in text[1:]:
            emission, expected = self._observe(char)
            reachable = np.any(np.isfinite(self._steps[now]), axis=0)
            following = expected[reachable[expected]]
            if not len(following):
                following = self._every[reachable[self._every]]
            candidates = scores[:, None] + self._steps[np.ix_(now, following)] + emission[following]
            best = candidates.argmax(axis=0)
            scores = candidates[best, np.arange(len(following))]
            now = following
            visited.append(now)
            back.append(best)
        at = int(np.where(self._last[now], scores, -np.inf).argmax())
        path = [at]
        for best in reversed(back):
            at = int(best[at])
            path.append(at)
        return [self._names[states[at]] for states, at in zip(visited, reversed(path), strict=True)]

    def _observe(self, char: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Log probability of the character in each state, and the states to expect, last name first."""
        emission = np.full(len(self._names), _IMPOSSIBLE)
        row = self._rows.get(ord(char))
        if row is None:
            return emission, self._every
        entries = slice(self._bounds[row], self._bounds[row + 1])
        emission[self._emitting[entries]] = self._emitted[entries]
        expected = np.sort(self._emitting[entries][self._expected[entries]])[::-1].astype(np.int64)
        return emission, expected if len(expected) else self._every


@cache
def tagging_model() -> MarkovModel:
    """Finds words and their parts of speech."""
    return MarkovModel(chinese_data(), "tag", last="BMES")


@cache
def cutting_model() -> MarkovModel:
    """Finds words only."""
    return MarkovModel(chinese_data(), "cut", last="ES")
