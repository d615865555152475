"""A language model small enough to be written down, for tests of what runs around the model."""

import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]


def history_logits(history: list[int], vocabulary: int) -> Logits:
    """Logits that depend on every phone and token that a row has ever read, and on their order."""
    rng = np.random.default_rng(zlib.crc32(np.array(history, np.int64).tobytes()))
    return (2 * rng.standard_normal(vocabulary)).astype(np.float32)


class HistoryBackend:
    """A runner whose rows hold what they have read; `rule` turns that into logits [vocabulary]."""

    def __init__(
        self,
        slots: int,
        vocabulary: int = 65,
        capacity: int = 2000,
        rule: Callable[[list[int], int], Logits] = history_logits,
    ) -> None:
        self.slots = slots
        self.capacity = capacity
        self.vocabulary = vocabulary
        self.rule = rule
        self.steps: list[int] = []
        self._held: list[list[int]] = [[] for _ in range(slots)]

    def prefill(
        self,
        row: int,
        phones: NDArray[np.int64],
        features: NDArray[np.float32] | None,
        tokens: NDArray[np.int64],
    ) -> Logits:
        self._held[row] = [*phones.tolist(), -1, *tokens.tolist()]
        return self.rule(self._held[row], self.vocabulary)

    def step(self, slots: NDArray[np.int64], tokens: NDArray[np.int64]) -> Logits:
        self.steps.append(len(tokens))
        for slot, token in zip(slots.tolist(), tokens.tolist(), strict=True):
            self._held[slot].append(token)
        return np.stack([self.rule(self._held[slot], self.vocabulary) for slot in slots.tolist()])

    def move(self, source: int, target: int, back: int = 0) -> None:
        self._held[target] = self._held[source][: len(self._held[source]) - back]
