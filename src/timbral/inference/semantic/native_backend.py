"""Runs stage one with compiled kernels over the rows of a batch: it knows tensors, and nothing of requests."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbral.inference.sessions import SessionOptions, usable_cores
from timbral.native.binding import usable_variants
from timbral.native.stage_one import StageOneKernel, StageOneWeights


class NativeBackend:
    """Prefill and step by `timbral.native`. Not safe for threads: its owner takes turns.

    A request gets the same logits alone and in company.

    rows: how many requests run together. capacity: phones and tokens that one row can hold.
    """

    def __init__(self, kernel: StageOneKernel, rows: int, capacity: int) -> None:
        self.rows = rows
        self.capacity = capacity
        self._kernel = kernel
        self._filled = np.zeros(rows, np.int32)
        self._spoken = np.zeros(rows, np.int64)

    @classmethod
    def open(
        cls,
        prefill: Path,
        step: Path,
        options: SessionOptions,
        *,
        rows: int,
        capacity: int,
        variant: str | None = None,
    ) -> "NativeBackend | None":
        """None where no kernel runs here or can read these graphs; variant: by default the fastest one."""
        variants = usable_variants()
        weights = StageOneWeights.of(prefill, step, options.adapter) if variants else None
        if weights is None:
            return None
        kernel = StageOneKernel(
            weights,
            rows=rows,
            capacity=capacity,
            threads=options.threads or usable_cores(),
            spin_us=options.spin_us,
            variant=variant or variants[0],
        )
        return cls(kernel, rows, capacity)

    def prefill(
        self,
        row: int,
        phones: NDArray[np.int64],
        features: NDArray[np.float32] | None,
        tokens: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Starts a row: phones [n], features [n, d], tokens [t] → logits [vocabulary] of the next token."""
        logits: NDArray[np.float32] = self._kernel.prefill(row, phones, features, tokens).copy()
        self._filled[row] = len(phones) + len(tokens)
        self._spoken[row] = len(tokens)
        return logits

    def step(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Adds a token to each of the first rows, [r] → logits [r, vocabulary], valid until the next step."""
        count = len(tokens)
        logits = self._kernel.step(tokens, self._spoken[:count], self._filled[:count])
        self._filled[:count] += 1
        self._spoken[:count] += 1
        return logits

    def move(self, source: int, target: int, back: int = 0) -> None:
        """Puts what row `source` held so many steps before into row `target`."""
        count = int(self._filled[source]) - back
        self._kernel.copy(source, target, count)
        self._filled[target] = count
        self._spoken[target] = self._spoken[source] - back
