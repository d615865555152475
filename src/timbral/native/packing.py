"""Weights in the order in which they are read: sixteen outputs together, four inputs of each side by side."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.models.weights.parameters import Form, Parameter

TILE = 16
"""Outputs that lie together; `kTile` of model.h."""
BLOCKS = (16, 32, 64, 128, 256)
"""Inputs that may share a scale."""
_FORMS: Mapping[Form, int] = {"_half": 0, "_Q8": 1, "_Q4": 2}
"""How weights are stored, by `Form` of model.h."""


@dataclass(frozen=True)
class PackedProduct:
    """Weights of a product with `outputs` outputs, filled up to whole tiles with zeros.

    weights: of 8 bits, uint8 [tiles, inputs / 4, 16, 4], around 128; of 4 bits, uint8 [tiles, inputs / 8, 16, 4], around 8, low
    halves for the first four of eight inputs and high halves for the others; float16 [tiles, inputs, 16].
    scales: [tiles, inputs / block, 16], float16 or float32; of float16 weights there are none.
    """

    form: int
    inputs: int
    outputs: int
    block: int
    weights: NDArray[Any]
    scales: NDArray[Any]


def readable(parameter: Parameter) -> bool:
    """Whether weights of a product are stored in a way that a kernel can read: float16, or of few bits in whole blocks."""
    if parameter.form == "_half":
        return bool(parameter.stored.dtype == np.float16)
    if parameter.form not in _FORMS or len(parameter.stored.shape) != 3:
        return False
    outputs, blocks, _ = parameter.stored.shape
    scales = parameter.stored_scales
    return (
        parameter.transposed  # these are stored by outputs
        and parameter.stored.dtype == np.uint8
        and scales.dtype in (np.float16, np.float32)
        and math.prod(scales.shape) == outputs * blocks
        and block(parameter) in BLOCKS
        and block(parameter) * blocks == parameter.inputs
    )


def block(parameter: Parameter) -> int:
    """Inputs of a product of few bits that share a scale."""
    return parameter.stored.shape[2] * (2 if parameter.form == "_Q4" else 1)


def pack(parameter: Parameter, changed: Mapping[str, NDArray[Any]]) -> PackedProduct:
    """A product's weights, or in their place what `changed` holds by the name of a constant."""
    stored, scales = parameter.constants(changed)
    if parameter.form == "_half":
        return pack_half(stored.T if parameter.transposed else stored)
    outputs, blocks, _ = stored.shape
    numbers = stored.reshape(outputs, -1)
    if parameter.form == "_Q4":
        numbers = _by_fours(numbers)
    words = _tiles(numbers.view(np.uint32)).transpose(0, 2, 1)
    weights = np.ascontiguousarray(words).view(np.uint8)
    tiled = np.ascontiguousarray(_tiles(scales.reshape(outputs, blocks)).transpose(0, 2, 1))
    return PackedProduct(_FORMS[parameter.form], parameter.inputs, outputs, block(parameter), weights, tiled)


def pack_half(weights: NDArray[Any]) -> PackedProduct:
    """Weights [outputs, inputs] in float16."""
    outputs, inputs = weights.shape
    tiled = _tiles(np.ascontiguousarray(weights, np.float16)).transpose(0, 2, 1)
    form = _FORMS["_half"]
    return PackedProduct(form, inputs, outputs, inputs, np.ascontiguousarray(tiled), np.zeros(0, np.float16))


def filled_up(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values [outputs] with zeros up to a whole tile."""
    return np.ascontiguousarray(_tiles(values).reshape(-1))


def _tiles(rows: NDArray[Any]) -> NDArray[Any]:
    """Rows [outputs, ...] as [tiles, 16, ...], the last ones zeros."""
    missing = -len(rows) % TILE
    if missing:
        rows = np.concatenate([rows, np.zeros((missing, *rows.shape[1:]), rows.dtype)])
    return rows.reshape(-1, TILE, *rows.shape[1:])


def _by_fours(pairs: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Halves of bytes [outputs, inputs / 2] in another order: in each byte a number, and the one that comes four after it."""
    first, second, third, fourth = (pairs[:, start::4] for start in range(4))
    low, high = np.uint8(0x0F), np.uint8(0xF0)
    mixed = (
        first & low | third << 4,
        first >> 4 | third & high,
        second & low | fourth << 4,
        second >> 4 | fourth & high,
    )
    return np.ascontiguousarray(np.stack(mixed, -1).reshape(len(pairs), -1))
