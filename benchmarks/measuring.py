"""Timing on a machine that others use as well: many short turns of every candidate, one after the other."""

import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one call: the median, and the least, which others disturb least."""

    median: float
    least: float

    def over(self, other: "Timing") -> str:
        """How many times as fast as another, by medians and by minima."""
        return f"{other.median / self.median:.2f} / {other.least / self.least:.2f}"

    def __str__(self) -> str:
        return f"{self.median:.2f} / {self.least:.2f}"


CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
"""cpu: seconds of all threads together, which say on one thread what a busy machine would take if it were idle."""


def interleaved(
    candidates: Mapping[str, Callable[[], object]], turns: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Timing]:
    """Times of all candidates, each called once in every turn, after one call that does not count."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(turns + 1):
        for name, candidate in candidates.items():
            began = clock()
            candidate()
            if turn:
                times[name].append(1000 * (clock() - began))
    return {name: Timing(statistics.median(values), min(values)) for name, values in times.items()}


class Memory:
    """Reads many bytes with several threads at once; called, it does so once."""

    def __init__(self, threads: int, size: int = 128 << 20) -> None:
        self.size = size
        self._parts = np.array_split(np.ones(size // 4, np.float32), threads)
        self._pool = ThreadPoolExecutor(threads)

    def __call__(self) -> None:
        list(self._pool.map(np.max, self._parts))
