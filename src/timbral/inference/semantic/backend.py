"""Backends of stage one: they run batches of tensors and know nothing of requests."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from timbral.inference.semantic.native_backend import NativeBackend
from timbral.inference.semantic.onnx_backend import OnnxBackend
from timbral.inference.sessions import SessionOptions, on_cuda


class Backend(Protocol):
    """Runs stage one over the slots of a batch; each slot has a KV cache of its own.

    slots: how many there are. capacity: phones and tokens that one slot can hold together. vocabulary: logits of a token.
    """

    slots: int
    capacity: int
    vocabulary: int

    def prefill(
        self,
        slot: int,
        phones: NDArray[np.int64],
        features: NDArray[np.float32] | None,
        tokens: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Starts a slot: phones [n], features [n, d], tokens [t] → logits [vocabulary] of the next token."""

    def step(self, slots: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Adds a token to some slots, each [s] and the slots in ascending order → logits [s, vocabulary] of the next ones."""

    def move(self, source: int, target: int, back: int = 0) -> None:
        """Copies slot `source`, as it was `back` steps before, to slot `target`."""


def open_backend(prefill: Path, step: Path, options: SessionOptions, *, slots: int, capacity: int) -> Backend:
    """The fastest backend for the two graphs: compiled kernels for 8 and 4-bit weights, onnxruntime for all others."""
    if not on_cuda(options):
        backend = NativeBackend.open(prefill, step, options, slots=slots, capacity=capacity)
        if backend is not None:
            return backend
    return OnnxBackend.open(prefill, step, options, slots=slots, capacity=capacity)
