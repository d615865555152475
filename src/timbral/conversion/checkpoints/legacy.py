"""The stream that torch.save wrote before 1.6: pickles one after the other, then the storages.

magic number, version, {little_endian, type sizes}, the value, [key of a storage, ...]   each a pickle
for each key: number of elements (int64), the elements                                   little endian
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader

from timbral.conversion.checkpoints.defects import DAMAGED, RESAVE, UNSAFE, DefectError, quoted
from timbral.conversion.checkpoints.pickles import MAX_BYTES, unpickle
from timbral.conversion.checkpoints.tensors import Span, Storage

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_COUNT = struct.Struct("<q")


@dataclass(frozen=True)
class Stream:
    """What a file of the old torch.save holds: a pickled value, and where the bytes of its storages lie."""

    value: object
    spans: dict[str, Span]


def read_stream(file: BufferedReader, size: int) -> Stream:
    """Reads the pickles of a file of `size` bytes and finds its storages. Raises DefectError."""
    file.seek(0)
    head = file.read(MAX_BYTES)
    magic = unpickle(head)
    if magic.value != _MAGIC:
        raise DefectError(
            "it is a pickle, but not a checkpoint of torch.save; choose the .ckpt, .pth or .bin file"
        )
    version = unpickle(head, magic.end)
    if version.value != _VERSION:
        raise DefectError(f"its format has the unknown version {quoted(version.value)}; {RESAVE}")
    machine = unpickle(head, version.end)
    content = unpickle(head, machine.end)
    keys = unpickle(head, content.end)
    return Stream(content.value, dict(_spans(file, size, keys.end, keys.value, content.storages)))


def _spans(
    file: BufferedReader, size: int, position: int, keys: object, storages: Mapping[str, Storage]
) -> Iterator[tuple[str, Span]]:
    """Where the elements of each storage lie, in the order of the file."""
    if not isinstance(keys, list) or len({key for key in keys if isinstance(key, str)}) != len(keys):
        raise DefectError(f"its list of storages is malformed; {UNSAFE}")
    for key in keys:
        if key not in storages:
            raise DefectError(f"it has a storage {quoted(key)} that no tensor uses; {UNSAFE}")
        wanted = storages[key]
        file.seek(position)
        count = file.read(_COUNT.size)
        position += _COUNT.size
        if len(count) < _COUNT.size or position + wanted.size > size:
            raise DefectError(f"it ends too early; {DAMAGED}")
        if _COUNT.unpack(count)[0] != wanted.count:
            raise DefectError(f"the storage {quoted(key)} has another size than its tensors state; {DAMAGED}")
        yield key, Span(position, wanted.size)
        position += wanted.size
