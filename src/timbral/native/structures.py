"""Structures that compiled code reads, made of weights."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.native.binding import Product, Projection
from timbral.native.packing import PackedProduct, filled_up

Floats = NDArray[np.float32]


class Arrays:
    """Arrays whose addresses compiled code has: they are kept for as long as this is."""

    def __init__(self) -> None:
        self._kept: list[NDArray[Any]] = []

    def address(self, array: NDArray[Any]) -> int:
        """Where the values of an array lie from now on."""
        kept = np.ascontiguousarray(array)
        self._kept.append(kept)
        return int(kept.ctypes.data)

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
