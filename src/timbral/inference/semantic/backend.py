"""What runs stage one over the rows of a batch: it knows tensors, and nothing of requests."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from timbral.inference.semantic.native_backend import NativeBackend
from timbral.inference.semantic.onnx_backend import OnnxBackend
from timbral.inference.sessions import SessionOptions, on_cuda


class Backend(Protocol):
    """Runs stage one over rows of a batch; each row remembers its own past.

    rows: how many there are. capacity: phones and tokens that one row can hold together.
    """

    rows: int
    capacity: int

    def prefill(
        self,
        row: int,
        phones: NDArray[np.int64],
        features: NDArray[np.float32] | None,
        tokens: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Starts a row: phones [n], features [n, d], tokens [t] → logits [vocabulary] of the next token."""

    def step(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Adds a token to each of the first rows, [r] → logits [r, vocabulary] of the next ones."""

    def move(self, source: int, target: int, back: int = 0) -> None:
        """Puts a row in the place of another, as it was so many steps before."""


def open_backend(prefill: Path, step: Path, options: SessionOptions, *, rows: int, capacity: int) -> Backend:
    """The fastest runner of the two graphs: a compiled step for weights of few bits, or else onnxruntime for both."""
    if not on_cuda(options):
        runner = NativeBackend.open(prefill, step, options, rows=rows, capacity=capacity)
        if runner is not None:
            return runner
    return OnnxBackend.open(prefill, step, options, rows=rows, capacity=capacity)
