"""safetensors files (https://github.com/huggingface/safetensors): a JSON header, then the elements.

Read here rather than with the library, which has no bfloat16 for numpy.
"""

import json
import struct
from dataclasses import dataclass
from io import BufferedReader
from itertools import pairwise
from typing import Any

from timbral.conversion.checkpoints.defects import DAMAGED, UNSAFE, DefectError, quoted
from timbral.conversion.checkpoints.tensors import Span, TensorView, is_sizes, storage, view

_LONGEST_HEADER = 4 << 20
_ELEMENTS = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}


@dataclass(frozen=True)
class SafeFile:
    """What a safetensors file holds: tensors and texts by name, and where the bytes of the tensors lie."""

    value: dict[str, object]
    metadata: dict[object, object]
    spans: dict[str, Span]


def is_safe_file(head: bytes) -> bool:
    """Whether a file that begins with `head` looks like safetensors."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _LONGEST_HEADER


def read_safe_file(file: BufferedReader, size: int) -> SafeFile:
    """Reads the table of contents of a file of `size` bytes. Raises DefectError."""
    file.seek(0)
    (length,) = struct.unpack("<Q", file.read(8))
    start = 8 + length
    if start > size:
        raise DefectError(f"it ends too early; {DAMAGED}")
    try:
        contents = json.loads(file.read(length).decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise DefectError(f"its table of contents cannot be read; {DAMAGED}") from None
    metadata = contents.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise DefectError(f"its metadata is malformed; {DAMAGED}")
    value: dict[str, object] = {}
    spans = {}
    for name, entry in contents.items():
        tensor, span = _tensor(name, entry, start)
        value[name] = tensor
        spans[name] = span
    _check_order(sorted((span.offset, span.offset + span.size) for span in spans.values()), size)
    return SafeFile(value, dict(metadata), spans)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise DefectError(f"a name is there twice in its table of contents; {UNSAFE}")
    return made


def _tensor(name: str, entry: object, start: int) -> tuple[TensorView, Span]:
    if not isinstance(entry, dict):
        raise DefectError(f"the entry of {quoted(name)} is malformed; {DAMAGED}")
    kind, shape, offsets = (entry.get(field) for field in ("dtype", "shape", "data_offsets"))
    if not isinstance(kind, str) or kind not in _ELEMENTS:
        raise DefectError(f"{quoted(name)} has the element type {quoted(kind)}; convert the file to float16")
    if not (isinstance(shape, list) and is_sizes(tuple(shape))):
        raise DefectError(f"the shape of {quoted(name)} is malformed; {DAMAGED}")
    if not (isinstance(offsets, list) and is_sizes(tuple(offsets)) and len(offsets) == 2):
        raise DefectError(f"the offsets of {quoted(name)} is malformed; {DAMAGED}")
    strides: list[int] = []
    count = 1
    for length in reversed(shape):
        strides.insert(0, count)
        count *= length
    source = storage(name, _ELEMENTS[kind], count)
    if offsets[1] - offsets[0] != source.size:
        raise DefectError(
            f"{quoted(name)} has {offsets[1] - offsets[0]} bytes instead of {source.size}; {DAMAGED}"
        )
    return view(source, 0, tuple(shape), tuple(strides)), Span(start + offsets[0], source.size)


def _check_order(spans: list[tuple[int, int]], size: int) -> None:
    if any(end > start for (_, end), (start, _) in pairwise(spans)):
        raise DefectError(f"its tensors overlap; {UNSAFE}")
    if spans and spans[-1][1] > size:
        raise DefectError(f"it ends too early; {DAMAGED}")
