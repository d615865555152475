"""Stage one by onnxruntime."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from timbral.errors import BundleError
from timbral.inference.sessions import Graph, SessionOptions, on_cuda, onnxruntime_release
from timbral.models import files
from timbral.native.pages import pages

_STEP_INPUTS = ("token", "positions", "cache_lengths", "total_length")
_PREFILL_INPUTS = ("phones", "phone_lengths", "prompt", "prompt_lengths")

INT8_CACHE_SINCE = (1, 31)
"""The onnxruntime that attends to 8-bit keys and values on a CPU, as far as has been tried."""
_NUMBERS: Mapping[str, type[np.generic]] = MappingProxyType(
    {"tensor(int8)": np.int8, "tensor(float16)": np.float16, "tensor(float)": np.float32}
)
"""Of keys and values, by how onnxruntime calls them."""
_TRIED = 3
"""Slots that are tried together, of which the last one has no other to be paired with."""


class OnnxBackend:
    """Prefill and step graphs of `timbral.conversion.export.semantic`, with a KV cache that is allocated once.

    The step graph reads the cache and writes one position a slot into it, in place; nothing is copied for a token. The cache
    lies in host memory. Not safe for threads: its owner takes turns.

    A sequence gets the same logits alone and in a batch. Some 8-bit matrix products take rows in pairs and round a single one
    otherwise. Whether they do depends on processor and weights and is tried once: if so, the graph always runs an even number
    of slots, an idle one among them if need be. See Backend.
    """

    def __init__(self, prefill: Graph, step: Graph, slots: int, capacity: int) -> None:
        self.slots = slots
        self.capacity = capacity
        self._prefill = prefill
        self._step = step
        heads, size = step.input_shape("key_0")[1], step.input_shape("key_0")[3]
        number = _NUMBERS[step.input_type("key_0")]
        layers = sum(name.startswith("key_") for name in step.takes)
        self._caches = {
            f"{kind}_{layer}": pages((_paired(slots), heads, capacity, size), number)
            for layer in range(layers)
            for kind in ("key", "value")
        }
        self._feature_size: int = prefill.input_shape("bert")[1] if "bert" in prefill.takes else 0
        self._filled = np.zeros(_paired(slots), np.int32)
        self._generated = np.zeros(_paired(slots), np.int64)
        self._bound: dict[int, _BoundStep] = {}
        self.vocabulary: int = step.session.get_outputs()[0].shape[1]
        self._pairs = False  # while it is tried
        self._pairs = not self._batches_agree()

    @classmethod
    def open(
        cls, prefill: Path, step: Path, options: SessionOptions, *, slots: int, capacity: int
    ) -> "OnnxBackend":
        """Opens the two graphs; the weight file that both point to lies beside them.

        Where there are variants with an int8 KV cache beside them, these are opened if onnxruntime can run them; on CUDA those
        in float16.
        """
        if on_cuda(options):
            prefill, step = _variant(prefill, "fp16"), _variant(step, "fp16")
        elif onnxruntime_release() >= INT8_CACHE_SINCE:
            prefill, step = _variant(prefill, "int8_cache"), _variant(step, "int8_cache")
        first = Graph(prefill, _PREFILL_INPUTS, ("logits",), options, more=("bert",))
        caches = tuple(name for name in first.gives if name.startswith(("key_", "value_")))
        if not caches:
            raise BundleError(f"{prefill} gives no keys and values: get the model again")
        written = tuple(f"{name}_next" for name in caches)
        second = Graph(step, (*_STEP_INPUTS, *caches), ("logits", *written), options)
        return cls(first, second, slots, capacity)

    def prefill(
        self,
        slot: int,
        phones: NDArray[np.int64],
        features: NDArray[np.float32] | None,
        tokens: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Starts a slot: phones [n], features [n, d], tokens [t] → logits [vocabulary] of the next token.

        Where a model takes features and there are none, they are zeros, as officially for all but Chinese.
        """
        inputs: dict[str, NDArray[Any]] = {
            "phones": phones[None],
            "phone_lengths": np.array([len(phones)]),
            "prompt": tokens[None],
            "prompt_lengths": np.array([len(tokens)]),
        }
        if self._feature_size:
            if features is None:
                features = np.zeros((len(phones), self._feature_size), np.float32)
            inputs["bert"] = np.ascontiguousarray(features.T)[None]
        logits, *filled = self._prefill(inputs, ("logits", *self._caches))
        # Compiled code reads the logits: what a graph gives is not taken for granted.
        if logits.dtype != np.float32 or logits.shape != (1, self.vocabulary):
            raise BundleError(f"prefill gives logits {logits.dtype} {logits.shape}: get the model again")
        count = len(phones) + len(tokens)
        for buffer, values in zip(self._caches.values(), filled, strict=True):
            buffer[slot, :, :count] = values[0, :, :count]
        self._filled[slot] = count
        self._generated[slot] = len(tokens)
        first: NDArray[np.float32] = logits[0]
        return first

    def step(self, slots: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Adds a token to some slots, each [s] → logits [s, vocabulary], valid until the next step.

        All slots up to the last of them run: what is written of the others is overwritten by their own next step.
        """
        count = int(slots[-1]) + 1
        run = _paired(count) if self._pairs else count
        if run not in self._bound:
            self._bound[run] = _BoundStep(self._step, self._caches, run, self.vocabulary)
        bound = self._bound[run]
        bound.token[slots, 0] = tokens
        bound.positions[:count] = self._generated[:count]
        bound.cache_lengths[:count] = self._filled[:count]
        bound.cache_lengths[count:] = 0  # the idle row writes its first position again and again
        bound.total_length[0] = self._filled[:count].max() + 1
        bound.run()
        self._filled[slots] += 1
        self._generated[slots] += 1
        return bound.logits[slots]

    def _batches_agree(self) -> bool:
        """Whether slots with the same content get the same logits, bit for bit, however many run."""
        most = min(_TRIED, len(self._filled))
        self.prefill(0, np.arange(3), None, np.arange(2))
        logits = []
        for count in range(1, most + 1):
            for row in range(1, count):
                self.move(0, row)
            logits += [*self.step(np.arange(count), np.zeros(count, np.int64))]
            self._filled[0] -= 1
            self._generated[0] -= 1
        return all(np.array_equal(row, logits[0]) for row in logits)

    def move(self, source: int, target: int, back: int = 0) -> None:
        """Copies slot `source`, as it was `back` steps before, to slot `target`."""
        count = self._filled[source] - back
        for buffer in self._caches.values():
            buffer[target, :, :count] = buffer[source, :, :count]
        self._filled[target] = count
        self._generated[target] = self._generated[source] - back


class _BoundStep:
    """The step graph with inputs, outputs and caches of the first `count` slots bound once."""

    def __init__(self, step: Graph, caches: dict[str, NDArray[Any]], count: int, vocabulary: int) -> None:
        self.token = np.zeros((count, 1), np.int64)
        self.positions = np.zeros(count, np.int64)
        self.cache_lengths = np.zeros(count, np.int32)
        self.total_length = np.zeros(1, np.int32)
        self.logits = np.zeros((count, vocabulary), np.float32)
        self._session = step.session
        self._binding = step.session.io_binding()
        for name in _STEP_INPUTS:
            self._binding.bind_ortvalue_input(name, _shared(getattr(self, name)))
        self._binding.bind_ortvalue_output("logits", _shared(self.logits))
        for name, buffer in caches.items():
            value = _shared(buffer[:count])
            self._binding.bind_ortvalue_input(name, value)
            self._binding.bind_ortvalue_output(f"{name}_next", value)

    def run(self) -> None:
        self._session.run_with_iobinding(self._binding)


def _paired(slots: int) -> int:
    """So many slots, or one more to make pairs of them."""
    return slots + slots % 2


def _variant(path: Path, cache: files.Cache) -> Path:
    """The variant of a graph beside it, where there is one."""
    name = files.variant(path.name, cache)
    beside = (path.with_name(one) for one in (name, files.FORMER_NAMES.get(name, name)))
    return next((variant for variant in beside if variant.is_file()), path)


def _shared(array: NDArray[Any]) -> Any:
    """A value of onnxruntime over an array's own memory."""
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)
