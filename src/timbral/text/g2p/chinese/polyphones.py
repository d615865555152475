"""Which reading of a character with several: a small network looks at the sentence.

The network is g2pM (Park and Lee, Interspeech 2020, arXiv:2004.03136; Apache-2.0): character embeddings, one
bidirectional LSTM, two linear layers.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.text.resources import read_arrays, read_lines

_NOT_ASKED = frozenset("子塞哦")
"""Characters whose usual reading the network, taught by an encyclopedia, doubts too often."""
_DOUBTFUL = frozenset("没都应更重好难弄少要粥吗吧啦喔耶哇给藏差率处乐累挑地")
"""Characters for which it has to be surer than for others."""
_MARGIN, _MARGIN_OF_DOUBTFUL = 0.7, 6.0
"""How much higher a reading's logit must be than the next one's to be an opinion."""
_UNKNOWN, _BEGIN, _END, _FIRST = 1, 2, 3, 4


class PolyphoneNetwork:
    """A `Polyphones` reader for the characters that it was trained on."""

    def __init__(self, arrays: dict[str, NDArray[Any]], readings: dict[str, list[str]]) -> None:
        """Takes the weights, and for each character the readings to choose from."""
        self._weights = {name: a.astype(np.float32) for name, a in arrays.items() if a.dtype == np.float16}
        self._ids = {chr(code): at for at, code in enumerate(arrays["characters"].tolist(), _FIRST)}
        places = {pinyin: at for at, pinyin in enumerate(arrays["pinyin"].tolist())}
        self._readings = readings
        self._choices = {char: np.array([places[p] for p in some]) for char, some in readings.items()}

    def __call__(self, clause: str) -> list[str | None]:
        """The reading of each character that has several, None where it is unsure and for all others."""
        polyphones = [at for at, char in enumerate(clause) if char in self._readings]
        spoken: list[str | None] = [None] * len(clause)
        if not polyphones:
            return spoken
        ids = [_BEGIN, *(self._ids.get(char, _UNKNOWN) for char in clause), _END]
        logits = self._logits(np.array(ids), np.array(polyphones) + 1)
        for at, row in zip(polyphones, logits, strict=True):
            char = clause[at]
            scores = row[self._choices[char]]
            best = int(scores.argmax())
            margin = scores[best] - np.delete(scores, best).max(initial=-np.inf)
            if margin >= (_MARGIN_OF_DOUBTFUL if char in _DOUBTFUL else _MARGIN):
                spoken[at] = self._readings[char][best]
        return spoken

    def _logits(self, ids: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float32]:
        w = self._weights
        embedded = w["embedding"][ids]
        forward = self._lstm("forward", embedded)
        backward = self._lstm("backward", embedded[::-1])[::-1]
        states = np.concatenate([forward[places], backward[places]], axis=1)
        hidden = np.maximum(states @ w["hidden"].T + w["hidden_bias"], 0)
        logits: NDArray[np.float32] = hidden @ w["output"].T + w["output_bias"]
        return logits

    def _lstm(self, direction: str, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """States [time, 32] of an LSTM over inputs [time, 64]; gates: input, forget, cell, output."""
        w = self._weights
        driven = inputs @ w[f"{direction}_input"].T + w[f"{direction}_bias"]
        recurrent = np.ascontiguousarray(w[f"{direction}_state"].T)
        size = len(recurrent)
        states = np.empty((len(inputs), size), np.float32)
        state = cell = np.zeros(size, np.float32)
        for time, drive in enumerate(driven):
            gates = drive + state @ recurrent
            squashed = 1 / (1 + np.exp(-gates))
            cell = squashed[size : 2 * size] * cell + squashed[:size] * np.tanh(gates[2 * size : 3 * size])
            state = squashed[3 * size :] * np.tanh(cell)
            states[time] = state
        return states


@cache
def polyphone_network() -> PolyphoneNetwork:
    """The network in the package, for the characters of `data/zh_polyphones.txt` it can be trusted on."""
    entries = [line.split() for line in read_lines("zh_polyphones.txt")]
    readings = {char: readings for char, *readings in entries if char not in _NOT_ASKED}
    return PolyphoneNetwork(read_arrays("zh_polyphones.npz"), readings)
