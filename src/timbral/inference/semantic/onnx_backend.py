"""Runs stage one's graphs by onnxruntime over the rows of a batch: it knows tensors, and nothing of requests."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from timbral.errors import BundleError
from timbral.inference.sessions import Graph, SessionOptions, on_cuda, onnxruntime_release
from timbral.native.pages import pages

_STEP_INPUTS = ("token", "positions", "cache_lengths", "total_length")
_PREFILL_INPUTS = ("phones", "phone_lengths", "prompt", "prompt_lengths")

NARROW_SINCE = (1, 31)
"""The onnxruntime that attends to 8-bit keys and values on a CPU, as far as has been tried."""
_NUMBERS: Mapping[str, type[np.generic]] = MappingProxyType(
    {"tensor(int8)": np.int8, "tensor(float16)": np.float16, "tensor(float)": np.float32}
)
"""Of keys and values, by how onnxruntime calls them."""
_TRIED = 3
"""Rows that are tried together, of which the last one has no other to be paired with."""


class OnnxBackend:
    """Prefill and step of `timbral.conversion.export.semantic`, with keys and values in buffers that are allocated once.

    The step graph reads the buffers and writes one position a row into them, in place; nothing is copied
    for a token. Buffers lie in the memory of the host. Not safe for threads: its owner takes turns.

    A request gets the same logits alone and in company. Some kernels take rows in pairs and round a single one otherwise, of
    which 8-bit products make enough for another token to be drawn. Whether they do depends on processor and weights, and is tried
    once: if so, the graph always runs an even number of rows, an idle one among them if need be.

    rows: how many requests run together. capacity: phones and tokens that one row can hold.
    """

    def __init__(self, prefill: Graph, step: Graph, rows: int, capacity: int) -> None:
        self.rows = rows
        self.capacity = capacity
        self._prefill = prefill
        self._step = step
        shapes = {value.name: value.shape for value in step.session.get_inputs()}
        types = {value.name: value.type for value in step.session.get_inputs()}
        self._layers = sum(name.startswith("key_") for name in shapes)
        heads, size = shapes["key_0"][1], shapes["key_0"][3]
        number = _NUMBERS[types["key_0"]]
        self._caches = {
            f"{kind}_{layer}": pages((_paired(rows), heads, capacity, size), number)
            for layer in range(self._layers)
            for kind in ("key", "value")
        }
        taken = {value.name: value.shape for value in prefill.session.get_inputs()}
        self._feature_size: int = taken["bert"][1] if "bert" in taken else 0
        self._filled = np.zeros(_paired(rows), np.int32)
        self._spoken = np.zeros(_paired(rows), np.int64)
        self._fronts: dict[int, _Front] = {}
        self._vocabulary: int = step.session.get_outputs()[0].shape[1]
        self._pairs = False  # while it is tried
        self._pairs = not self._rows_agree()

    @classmethod
    def open(
        cls, prefill: Path, step: Path, options: SessionOptions, *, rows: int, capacity: int
    ) -> "OnnxBackend":
        """Opens the two graphs; the weight file that both point to lies beside them.

        Where graphs with narrow caches lie there as well (`conversion.export.int8_kv_cache`), these are opened if they can be run;
        on CUDA those that compute in float16, if they are there (`timbral.conversion.export.fp16`).
        """
        if on_cuda(options):
            prefill, step = _variant(prefill, "half"), _variant(step, "half")
        elif onnxruntime_release() >= NARROW_SINCE:
            prefill, step = _variant(prefill, "narrow"), _variant(step, "narrow")
        first = Graph(prefill, _PREFILL_INPUTS, ("logits",), options, more=("bert",))
        caches = tuple(name for name in first.gives if name.startswith(("key_", "value_")))
        if not caches:
            raise BundleError(f"{prefill} gives no keys and values: get the model again")
        written = tuple(f"{name}_next" for name in caches)
        second = Graph(step, (*_STEP_INPUTS, *caches), ("logits", *written), options)
        return cls(first, second, rows, capacity)

    def prefill(
        self,
        row: int,
        phones: NDArray[np.int64],
        features: NDArray[np.float32] | None,
        tokens: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Starts a row: phones [n], features [n, d], tokens [t] → logits [vocabulary] of the next token.

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
        count = len(phones) + len(tokens)
        for buffer, values in zip(self._caches.values(), filled, strict=True):
            buffer[row, :, :count] = values[0, :, :count]
        self._filled[row] = count
        self._spoken[row] = len(tokens)
        first: NDArray[np.float32] = logits[0]
        return first

    def step(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Adds a token to each of the first rows, [r] → logits [r, vocabulary], valid until the next step."""
        count = len(tokens)
        run = _paired(count) if self._pairs else count
        if run not in self._fronts:
            self._fronts[run] = _Front(self._step, self._caches, run, self._vocabulary)
        front = self._fronts[run]
        front.token[:count, 0] = tokens
        front.positions[:count] = self._spoken[:count]
        front.cache_lengths[:count] = self._filled[:count]
        front.cache_lengths[count:] = 0  # the idle row writes its first position again and again
        front.total_length[0] = self._filled[:count].max() + 1
        front.run()
        self._filled[:count] += 1
        self._spoken[:count] += 1
        return front.logits[:count]

    def _rows_agree(self) -> bool:
        """Whether rows that hold the same get the same logits, bit for bit, however many run."""
        most = min(_TRIED, len(self._filled))
        self.prefill(0, np.arange(3), None, np.arange(2))
        logits = []
        for count in range(1, most + 1):
            for row in range(1, count):
                self.move(0, row)
            logits += [*self.step(np.zeros(count, np.int64)).copy()]
            self._filled[0] -= 1
            self._spoken[0] -= 1
        return all(np.array_equal(row, logits[0]) for row in logits)

    def move(self, source: int, target: int, back: int = 0) -> None:
        """Puts what row `source` held so many steps before into row `target`."""
        count = self._filled[source] - back
        for buffer in self._caches.values():
            buffer[target, :, :count] = buffer[source, :, :count]
        self._filled[target] = count
        self._spoken[target] = self._spoken[source] - back


class _Front:
    """The first `count` rows, bound to the step graph once and for all: inputs, outputs, buffers."""

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


def _paired(rows: int) -> int:
    """So many rows, or one more to make pairs of them."""
    return rows + rows % 2


def _variant(path: Path, kind: str) -> Path:
    """The graph of that kind beside this one, where there is one."""
    variant = path.with_name(f"{path.stem}_{kind}{path.suffix}")
    return variant if variant.is_file() else path


def _shared(array: NDArray[Any]) -> Any:
    """A value of onnxruntime over an array's own memory."""
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)
