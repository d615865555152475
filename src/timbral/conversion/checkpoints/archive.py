"""The zip archives of torch.save, read strictly: stored members in one folder, nothing hidden between them.

Not `zipfile`, which is made to read as much as it can: here anything that torch does not write is refused,
and the directory has a limit. Nothing is ever extracted to disk.

GPT-SoVITS writes a mark over the first two bytes of some files (`03` for a LoRA of v3, ...), which are `PK`
in every zip. These are only looked at in the first member's header, so such files need no repair.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader

from timbral.conversion.checkpoints.defects import DAMAGED, RESAVE, UNSAFE, DefectError, shown
from timbral.conversion.checkpoints.pickles import LONGEST, unpickle
from timbral.conversion.checkpoints.tensors import Span, read_bytes

MARKS = frozenset(f"0{n}" for n in range(7))
"""What GPT-SoVITS writes over `PK`: v1, v2, v3, LoRA of v3, LoRA of v4, v2Pro, v2ProPlus."""

_LOCAL = struct.Struct("<4s5H3I2H")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")

_LARGEST_DIRECTORY = 16 << 20
_ENCRYPTED = 1
_PLAIN = re.compile(r"[^/\\\x00-\x1f]+(/[^/\\\x00-\x1f]+)+")


@dataclass(frozen=True)
class Archive:
    """What a file of torch.save holds: a pickled value, and where the bytes of its storages lie."""

    value: object
    spans: dict[str, Span]
    byteorder: str


def is_archive(head: bytes) -> bool:
    """Whether a file that begins with `head` is a zip, with or without a mark."""
    return head[2:4] == b"\x03\x04" and (head[:2] == b"PK" or head[:2].decode("latin-1") in MARKS)


def read_archive(file: BufferedReader, size: int) -> Archive:
    """Reads the pickle and the directory of a file of `size` bytes. Raises DefectError."""
    members = _members(file, size)
    folder = next(iter(members)).split("/")[0]
    if any(name.split("/")[0] != folder for name in members) or f"{folder}/data.pkl" not in members:
        raise DefectError(
            "it is a zip archive, but not a checkpoint of torch.save; choose the .ckpt or .pth file"
        )
    if any(name.startswith(f"{folder}/code/") for name in members):
        raise DefectError(
            "it is a TorchScript program, not a checkpoint; choose the file that it was made from"
        )
    version = _small(file, members, f"{folder}/version").strip()
    if version not in [str(n) for n in range(1, 11)]:
        raise DefectError(f"its format has the unknown version {shown(version)}; {RESAVE}")
    byteorder = "little"
    if f"{folder}/byteorder" in members:
        byteorder = _small(file, members, f"{folder}/byteorder")
    if byteorder not in ("little", "big"):
        raise DefectError(f"its byte order is {shown(byteorder)}; {DAMAGED}")
    pickle = members[f"{folder}/data.pkl"]
    if pickle.size > LONGEST:
        raise DefectError(f"its pickle of {pickle.size} bytes is far too long; {UNSAFE}")
    value = unpickle(read_bytes(file, pickle).tobytes()).value
    data = f"{folder}/data/"
    spans = {name[len(data) :]: span for name, span in members.items() if name.startswith(data)}
    return Archive(value, spans, byteorder)


def _small(file: BufferedReader, members: dict[str, Span], name: str) -> str:
    """The text of a member that is a word."""
    if name not in members or members[name].size > 16:
        raise DefectError(f"it has no valid {name}; {RESAVE}")
    return read_bytes(file, members[name]).tobytes().decode("latin-1")


def _members(file: BufferedReader, size: int) -> dict[str, Span]:
    """Where the bytes of every member lie, by name."""
    start, directory = _directory(file, size)
    members: dict[str, Span] = {}
    headers: dict[int, str] = {}
    for name, header, member in _entries(directory):
        if name in members or header in headers:
            raise DefectError(f"its member {shown(name)} is there twice; {UNSAFE}")
        members[name] = member
        headers[header] = name
    if not members:
        raise DefectError(f"it is empty; {DAMAGED}")
    end = 0
    for header in sorted(headers):
        name = headers[header]
        offset = _data_offset(file, header, name, start)
        if header < end or offset + members[name].size > start:
            raise DefectError(
                f"its member {shown(name)} overlaps another or reaches beyond the file; {UNSAFE}"
            )
        end = offset + members[name].size
        members[name] = Span(offset, members[name].size, members[name].crc)
    return members


def _directory(file: BufferedReader, size: int) -> tuple[int, bytes]:
    """Offset and bytes of the central directory, which the end of the file tells."""
    tail_size = min(size, _END.size + _LOCATOR_64.size + _END_64.size)
    file.seek(size - tail_size)
    tail = file.read(tail_size)
    if len(tail) < _END.size or tail[-_END.size :][:4] != b"PK\x05\x06":
        raise DefectError(f"the end of its zip archive is missing; {DAMAGED}")
    _, _, _, _, count, length, start, _ = _END.unpack(tail[-_END.size :])
    end = size - _END.size
    if count == 0xFFFF or 0xFFFFFFFF in (length, start):
        if len(tail) < tail_size or tail[:4] != b"PK\x06\x06":
            raise DefectError(f"the end of its zip archive is missing; {DAMAGED}")
        *_, length, start = _END_64.unpack(tail[: _END_64.size])
        end = size - tail_size
    if length > _LARGEST_DIRECTORY or start + length > end:
        raise DefectError(f"its zip directory of {length} bytes is not where it should be; {DAMAGED}")
    file.seek(start)
    return start, file.read(length)


def _entries(directory: bytes) -> Iterator[tuple[str, int, Span]]:
    """Name, offset of the header, and size and CRC of every member."""
    position = 0
    while position < len(directory):
        if position + _ENTRY.size > len(directory):
            raise DefectError(f"its zip directory breaks off; {DAMAGED}")
        fields = _ENTRY.unpack_from(directory, position)
        signature, flags, method, crc, packed, size, name_length, extra_length, comment_length, header = (
            fields[i] for i in (0, 3, 4, 7, 8, 9, 10, 11, 12, 16)
        )
        position += _ENTRY.size
        name = _name(directory[position : position + name_length])
        extra = directory[position + name_length :][:extra_length]
        position += name_length + extra_length + comment_length
        if signature != b"PK\x01\x02" or position > len(directory):
            raise DefectError(f"its zip directory is broken; {DAMAGED}")
        size, packed, header = _widened(extra, size, packed, header)
        if method or flags & _ENCRYPTED or packed != size:
            raise DefectError(f"its member {shown(name)} is compressed or encrypted; {UNSAFE}")
        yield name, header, Span(0, size, crc)


def _name(raw: bytes) -> str:
    """A member's name, which has to be a plain path in a folder."""
    name = raw.decode("utf-8", "backslashreplace")
    if not _PLAIN.fullmatch(name) or {".", ".."} & set(name.split("/")):
        raise DefectError(f"it has a member with the name {shown(name)}; {UNSAFE}")
    return name


def _widened(extra: bytes, *fields: int) -> list[int]:
    """Replaces 32-bit fields that say "too large" by the 64-bit ones that follow, in the same order."""
    values = list(fields)
    wide = [i for i, value in enumerate(values) if value == 0xFFFFFFFF]
    position = 0
    while wide and position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        if kind == 1 and length >= 8 * len(wide) and position + 4 + length <= len(extra):
            for i, value in zip(wide, struct.unpack_from(f"<{len(wide)}Q", extra, position + 4), strict=True):
                values[i] = value
            return values
        position += 4 + length
    return values


def _data_offset(file: BufferedReader, header: int, name: str, limit: int) -> int:
    """Where the bytes of a member begin, from the header in front of them."""
    if header + _LOCAL.size > limit:
        raise DefectError(f"its member {shown(name)} reaches beyond the file; {DAMAGED}")
    file.seek(header)
    fields = _LOCAL.unpack(file.read(_LOCAL.size))
    signature, method, name_length, extra_length = (fields[i] for i in (0, 3, 9, 10))
    raw_name = file.read(name_length)
    if not is_archive(signature) or (header and signature[:2] != b"PK") or method:
        raise DefectError(f"the header of its member {shown(name)} is broken; {DAMAGED}")
    if raw_name.decode("utf-8", "backslashreplace") != name:
        raise DefectError(f"its member {shown(name)} has two names; {UNSAFE}")
    return header + _LOCAL.size + len(raw_name) + int(extra_length)
