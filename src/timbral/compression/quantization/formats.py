"""The formats that a weight may be stored in, and its numbers in one of them.

| kind    | 16 bits | 8 bits                          | 4 bits                                   | 3 bits           |
|---------|---------|---------------------------------|------------------------------------------|------------------|
| product | float16 | MatMulNBits, blocks of 64       | MatMulNBits, blocks of 32, 64 or 128     | as 4, 8 levels   |
| table   | float16 | rows of int8 with a scale each  | rows of half bytes with a scale each     |                  |
| dense   | float16 | rows of int8 with a scale each  |                                          |                  |

Weights of 3 bits take 4 in memory; packing makes up for it, since fewer levels have less entropy.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.compression.quantization.float_graphs import Floats, Kind, Weight

_SMALLEST_SCALE = 6.2e-5
"""Below it float16 has fewer digits."""
_SHRINKS = (1.0, 0.93, 0.86, 0.79, 0.72, 0.65, 0.58)
"""Shares of a block's range that are tried; clipping the largest value often costs less than coarse steps."""


@dataclass(frozen=True, order=True)
class Format:
    """How a weight is stored. block: inputs that share a scale, 0 for all of a row."""

    bits: int
    block: int = 0

    def __str__(self) -> str:
        return f"{self.bits}/{self.block}" if self.block else str(self.bits)

    @property
    def stored_bits(self) -> int:
        """Bits that a number takes in the file."""
        return 4 if self.bits == 3 else self.bits


FORMATS: Mapping[Kind, tuple[Format, ...]] = MappingProxyType(
    {
        "product": (
            *(Format(3, 128), Format(3, 64)),
            *(Format(4, 128), Format(4, 64), Format(4, 32)),
            *(Format(8, 64), Format(16)),
        ),
        "table": (Format(4), Format(8), Format(16)),
        "dense": (Format(8), Format(16)),
    }
)
PRECISIONS: Mapping[str, Mapping[Kind, Format]] = MappingProxyType(
    {
        "fp32": {"product": Format(32), "table": Format(32), "dense": Format(32)},
        "fp16": {"product": Format(16), "table": Format(16), "dense": Format(16)},
        "int8": {"product": Format(8, 64), "table": Format(8), "dense": Format(16)},
        "int4": {"product": Format(4, 32), "table": Format(8), "dense": Format(16)},
    }
)
"""The format of all weights in one precision, as the importer has them."""


@dataclass(frozen=True, eq=False)
class Rounded:
    """A weight in a format, as small as it is stored.

    numbers: signed, [rows, blocks, block]; scales: [rows, blocks]; floats: instead of both, of 16 and 32 bits.
    """

    format: Format
    shape: tuple[int, ...]
    numbers: NDArray[np.int8] | None = None
    scales: NDArray[Any] | None = None
    floats: NDArray[Any] | None = None

    @property
    def value(self) -> Floats:
        """The weight in float32."""
        if self.numbers is None or self.scales is None:
            assert self.floats is not None
            return self.floats.astype(np.float32)
        value = self.numbers * self.scales.astype(np.float32)[..., None]
        value = value.reshape(self.shape[0], -1)[:, : math.prod(self.shape[1:])]
        return np.ascontiguousarray(value.reshape(self.shape), np.float32)

    @property
    def bytes(self) -> int:
        """Bytes in the file."""
        if self.numbers is None or self.scales is None:
            return math.prod(self.shape) * self.format.bits // 8
        return self.numbers.size * self.format.stored_bits // 8 + self.scales.nbytes

    @property
    def packed_bytes(self) -> int:
        """Bytes behind an ideal entropy coder of bytes."""
        if self.numbers is None or self.scales is None:
            return int(self.bytes * 0.93)
        stored: NDArray[np.uint8] = self.numbers.astype(np.uint8).ravel()
        if self.format.stored_bits == 4:
            stored = np.asarray(stored[::2] & 15 | stored[1::2] << 4, np.uint8)
        counts = np.bincount(stored, minlength=256)
        shares = counts[counts > 0] / counts.sum()
        return int(counts.sum() * -(shares * np.log2(shares)).sum() / 8 + 0.9 * self.scales.nbytes)


def nearest(weight: Weight, wanted: Format) -> Rounded:
    """The weight with every number rounded to the nearest step."""
    value = weight.value
    if wanted.bits == 32:
        return Rounded(wanted, value.shape, floats=value)
    if wanted.bits == 16:
        return Rounded(wanted, value.shape, floats=value.astype(np.float16))
    blocks = in_blocks(value, wanted)
    scales = block_scales(blocks, wanted)
    return assembled(weight, wanted, to_numbers(blocks, scales, wanted), scales)


def in_blocks(value: Floats, wanted: Format) -> Floats:
    """The value as [rows, blocks, block], filled up with zeros."""
    rows = value.reshape(len(value), -1)
    size = wanted.block or rows.shape[1] + rows.shape[1] % 2
    count = -(-rows.shape[1] // size)
    if count * size == rows.shape[1]:
        return rows.reshape(len(rows), count, size)
    padded = np.zeros((len(rows), count * size), np.float32)
    padded[:, : rows.shape[1]] = rows
    return padded.reshape(len(rows), count, size)


def block_scales(blocks: Floats, wanted: Format, importance: Floats | None = None) -> Floats:
    """Scales [rows, blocks] of values [rows, blocks, block], with the least weighted square error of those tried.

    The largest value of a block, with its sign, becomes the lowest number: there is one more on that side.
    importance: [blocks, block], of the inputs; all alike without it.
    """
    low, _ = limits(wanted)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(2)[..., None], 2)[..., 0]
    best = _storable(largest / low)
    if wanted.bits == 8:
        return best
    least = _errors(blocks, best, wanted, importance)
    for shrink in _SHRINKS[1:]:
        scales = _storable(largest * shrink / low)
        errors = _errors(blocks, scales, wanted, importance)
        better = errors < least
        best, least = np.where(better, scales, best), np.where(better, errors, least)
    return best


def _errors(blocks: Floats, scales: Floats, wanted: Format, importance: Floats | None) -> Floats:
    squares = np.square(blocks - to_numbers(blocks, scales, wanted) * scales[..., None])
    return np.asarray((squares if importance is None else squares * importance).sum(2), np.float32)


def limits(wanted: Format) -> tuple[int, int]:
    """Lowest and highest number of a format."""
    if not wanted.block:
        # Whole rows are symmetric: int8 as the importer has it.
        return -(2 ** (wanted.bits - 1) - 1), 2 ** (wanted.bits - 1) - 1
    return -(2 ** (wanted.bits - 1)), 2 ** (wanted.bits - 1) - 1


def to_numbers(blocks: Floats, scales: Floats, wanted: Format) -> NDArray[np.int8]:
    """The nearest numbers to values [..., block] with scales [...]."""
    low, high = limits(wanted)
    steps = np.zeros_like(blocks)
    np.divide(blocks, scales[..., None], out=steps, where=scales[..., None] != 0)
    return np.clip(np.rint(steps), low, high).astype(np.int8)


def _storable(scales: NDArray[np.floating[Any]]) -> Floats:
    """Scales as they are stored: in float16, unless some are too small for it."""
    magnitudes = np.abs(scales[scales != 0])
    if magnitudes.size and magnitudes.min() < _SMALLEST_SCALE:
        return scales.astype(np.float32)
    return scales.astype(np.float16).astype(np.float32)


def assembled(weight: Weight, wanted: Format, numbers: NDArray[np.int8], scales: Floats) -> Rounded:
    """The weight of these numbers [rows, blocks, block] and scales [rows, blocks]."""
    half = scales.astype(np.float16)
    stored = half if np.array_equal(half.astype(np.float32), scales) else scales
    return Rounded(wanted, weight.value.shape, numbers, stored)
