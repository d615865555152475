"""Tensors as checkpoints describe them (a storage and a view into it), checked, and read as numpy arrays."""

import math
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from timbral.conversion.checkpoints.defects import DAMAGED, UNSAFE, DefectError, quoted

Array = npt.NDArray[Any]

ELEMENTS: Mapping[str, np.dtype[Any]] = {
    "float64": np.dtype(np.float64),
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(np.uint16),
    "int64": np.dtype(np.int64),
    "int32": np.dtype(np.int32),
    "int16": np.dtype(np.int16),
    "int8": np.dtype(np.int8),
    "uint8": np.dtype(np.uint8),
    "bool": np.dtype(np.uint8),
}
"""How the bytes of each element type are read; `bfloat16` and `bool` are converted afterwards."""

_LARGEST = 1 << 48
_FREE_SHARING = 1 << 20
"""Bytes that tensors may share in any case."""
_MOST_DIMENSIONS = 8


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of `count` elements somewhere in the file, found by its key."""

    key: str
    element: str
    count: int

    @property
    def size(self) -> int:
        """Bytes of the run."""
        return self.count * ELEMENTS[self.element].itemsize


@dataclass(frozen=True, slots=True)
class TensorView:
    """A tensor: where its elements lie in a storage, in elements. Made by `view`, which checks it."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a storage in the file; crc: their CRC-32 where the file has one."""

    offset: int
    size: int
    crc: int | None = None


def storage(key: object, element: str, count: object) -> Storage:
    """A storage of which only the types are known so far. Raises DefectError."""
    if not isinstance(key, str) or not is_size(count):
        raise DefectError(f"a storage has the key {quoted(key)} and the size {quoted(count)}; {UNSAFE}")
    return Storage(key, element, count)


def view(source: object, offset: object, shape: object, strides: object) -> TensorView:
    """A tensor that lies within its storage and has no more elements than it. Raises DefectError."""
    if not (isinstance(source, Storage) and is_size(offset) and is_sizes(shape) and is_sizes(strides)):
        raise DefectError(f"the shape or the storage of a tensor is malformed; {UNSAFE}")
    if len(shape) != len(strides):
        raise DefectError(f"a tensor has the shape {shape} but the strides {strides}; {UNSAFE}")
    end = offset
    if 0 not in shape:
        end += 1 + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if end > source.count or math.prod(shape) > source.count:
        raise DefectError(f"a tensor of shape {shape} reaches beyond its storage of {source.count}; {UNSAFE}")
    return TensorView(source, offset, shape, strides)


def is_size(value: object) -> TypeGuard[int]:
    """Whether a value can be a number of elements."""
    return type(value) is int and 0 <= value < _LARGEST


def is_sizes(value: object) -> TypeGuard[tuple[int, ...]]:
    """Whether a value can be the shape or the strides of a tensor."""
    return isinstance(value, tuple) and len(value) <= _MOST_DIMENSIONS and all(map(is_size, value))


def read_tensors(
    file: BufferedReader,
    views: Mapping[str, TensorView],
    spans: Mapping[str, Span],
    byteorder: str = "little",
) -> dict[str, Array]:
    """Reads what the views need, each storage once; views of one storage share its memory.

    spans: where each storage lies, by key, not overlapping. bfloat16 becomes float32. Raises DefectError.
    """
    _check_budget(views)
    storages: dict[Storage, Array] = {}
    tensors = {}
    for name, wanted in views.items():
        if wanted.storage not in storages:
            storages[wanted.storage] = _read_storage(file, wanted.storage, spans, byteorder)
        elements = storages[wanted.storage]
        steps = tuple(step * elements.itemsize for step in wanted.strides)
        tensors[name] = np.ndarray(
            wanted.shape, elements.dtype, elements, wanted.offset * elements.itemsize, steps
        )
    return tensors


def check_values(tensors: Mapping[str, Array]) -> None:
    """Raises DefectError for the first tensor that is not of fractions, not finite, or beyond float32."""
    for name, tensor in tensors.items():
        if tensor.dtype.kind != "f":
            raise DefectError(
                f"its tensor {quoted(name)} holds {tensor.dtype} instead of fractions; {DAMAGED}"
            )
        with np.errstate(over="ignore"):
            finite = np.isfinite(tensor.astype(np.float32, copy=False))
        if not finite.all():
            raise DefectError(
                f"its tensor {quoted(name)} has {finite.size - np.count_nonzero(finite)} values that are infinite or no "
                f"numbers (NaN); its training has failed or {DAMAGED}"
            )


def _check_budget(views: Mapping[str, TensorView]) -> None:
    """Raises DefectError where few storages stand for many large tensors, which a network holds apart.

    Official files share storages at most between an embedding and the layer that predicts its entries.
    """
    storages = {view.storage for view in views.values()}
    stored = sum(storage.size for storage in storages)
    shared = sum(math.prod(view.shape) * ELEMENTS[view.storage.element].itemsize for view in views.values())
    if shared > 2 * stored + _FREE_SHARING:
        raise DefectError(
            f"its tensors of {shared / 1e6:.0f} MB share storages of {stored / 1e6:.0f} MB; {UNSAFE}"
        )


def _read_storage(file: BufferedReader, wanted: Storage, spans: Mapping[str, Span], byteorder: str) -> Array:
    span = spans.get(wanted.key)
    if span is None:
        raise DefectError(f"the storage {quoted(wanted.key)} is missing; {DAMAGED}")
    if span.size != wanted.size:
        raise DefectError(
            f"the storage {quoted(wanted.key)} has {span.size} bytes instead of {wanted.size}; {DAMAGED}"
        )
    raw = read_bytes(file, span)
    elements: Array = raw.view(ELEMENTS[wanted.element])
    if byteorder != sys.byteorder:
        elements.byteswap(inplace=True)
    if wanted.element == "bfloat16":
        widened: Array = (elements.astype(np.uint32) << 16).view(np.float32)
        return widened
    if wanted.element == "bool":
        return elements.astype(np.bool_)
    return elements


def read_bytes(file: BufferedReader, span: Span) -> npt.NDArray[np.uint8]:
    """The bytes of a span that is known to lie within the file.

    Raises DefectError if they are not as written.
    """
    raw = np.empty(span.size, np.uint8)
    file.seek(span.offset)
    if file.readinto(raw.data) != span.size:
        raise DefectError(f"it ends too early; {DAMAGED}")
    if span.crc is not None and zlib.crc32(raw.data) != span.crc:
        raise DefectError(f"a checksum is wrong; {DAMAGED}")
    return raw
