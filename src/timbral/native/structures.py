"""Structures that compiled code reads, made of weights."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.native.binding import Product, Projection
from timbral.native.packing import PackedProduct, filled_up

Floats = NDArray[np.float32]


_CHUNK = 16 << 20
"""Bytes that are taken at once. numpy asks Linux for pages of 2 MB where an array is large: weights that are read from memory for
each token come a tenth faster so, since fewer addresses are looked up and a processor reads ahead to the end of a page."""
_LINE = 64
"""Bytes of a line of a cache, where each array begins."""


class Arrays:
    """Copies of arrays whose addresses compiled code has: they are kept for as long as this is."""

    def __init__(self) -> None:
        self._chunks: list[NDArray[np.uint8]] = []
        self._free = np.empty(0, np.uint8)

    def address(self, array: NDArray[Any]) -> int:
        """Where the values of an array lie from now on."""
        values = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        size = -(-values.size // _LINE) * _LINE
        if size > self._free.size:
            chunk = np.empty(max(_CHUNK, size + _LINE), np.uint8)
            self._chunks.append(chunk)
            self._free = chunk[-chunk.ctypes.data % _LINE :]
        own, self._free = self._free[: values.size], self._free[size:]
        own[:] = values
        return int(own.ctypes.data)

    def product(self, packed: PackedProduct, bias: Floats | None = None) -> Product:
        """A product with that bias [outputs], or without any."""
        added = np.zeros(packed.outputs, np.float32) if bias is None else bias
        return Product(
            packed.form,
            packed.inputs,
            packed.outputs,
            packed.block,
            packed.scales.dtype == np.float32,
            self.address(packed.weights),
            self.address(packed.scales),
            self.address(filled_up(added)),
        )

    def projection(self, weight: Floats, bias: Floats) -> Projection:
        """A product in float32: weight [outputs, inputs], bias [outputs]."""
        outputs, inputs = weight.shape
        return Projection(inputs, outputs, self.address(weight.T), self.address(bias))
