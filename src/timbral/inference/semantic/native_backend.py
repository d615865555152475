"""Stage one by the compiled kernels of `timbral.native`."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbral.inference.sessions import SessionOptions, usable_cores
from timbral.native.binding import usable_variants
from timbral.native.stage_one import StageOneKernel, StageOneWeights


class NativeBackend:
    """Prefill and step by `timbral.native`. Not safe for threads: its owner takes turns.

    A sequence gets the same logits alone and in a batch. See Backend.
    """

    def __init__(self, kernel: StageOneKernel, slots: int, capacity: int) -> None:
        self.slots = slots
        self.capacity = capacity
        self.vocabulary = kernel.vocabulary
        self._kernel = kernel
        self._filled = np.zeros(slots, np.int32)
        self._spoken = np.zeros(slots, np.int64)

    @classmethod
    def open(
        cls,
        prefill: Path,
        step: Path,
        options: SessionOptions,
        *,
        slots: int,
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
            rows=slots,
            capacity=capacity,
            threads=options.threads or usable_cores(),
            spin_us=options.spin_us,
            variant=variant or variants[0],
        )
        return cls(kernel, slots, capacity)

    def prefill(
        self,
        slot: int,
        phones: NDArray[np.int64],
        features: NDArray[np.float32] | None,
        tokens: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Starts a slot: phones [n], features [n, d], tokens [t] → logits [vocabulary] of the next token."""
        logits: NDArray[np.float32] = self._kernel.prefill(slot, phones, features, tokens).copy()
        self._filled[slot] = len(phones) + len(tokens)
        self._spoken[slot] = len(tokens)
        return logits

    def step(self, slots: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Adds a token to some slots, each [s] → logits [s, vocabulary], valid until the next step."""
        logits = self._kernel.step(slots, tokens, self._spoken[slots], self._filled[slots])
        self._filled[slots] += 1
        self._spoken[slots] += 1
        return logits

    def move(self, source: int, target: int, back: int = 0) -> None:
        """Copies slot `source`, as it was `back` steps before, to slot `target`."""
        count = int(self._filled[source]) - back
        self._kernel.copy(source, target, count)
        self._filled[target] = count
        self._spoken[target] = self._spoken[source] - back
