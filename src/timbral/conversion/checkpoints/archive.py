"""The zip archives of torch.save, read strictly: stored members in one folder that do not overlap.

`zipfile` reads the directory. What torch does not write is refused: compression, encryption, names that leave
the folder, two members at one place, anything before or behind the archive. Nothing is extracted to disk.

GPT-SoVITS overwrites the first two bytes of some files, which are `PK` in every zip, by a mark (`03` for a
LoRA of v3, ...).
"""

import re
import struct
import zipfile
from dataclasses import dataclass
from io import BufferedReader
from typing import IO, cast

from timbral.conversion.checkpoints.defects import DAMAGED, RESAVE, UNSAFE, DefectError, quoted
from timbral.conversion.checkpoints.pickles import MAX_BYTES, unpickle
from timbral.conversion.checkpoints.tensors import Span, read_bytes

MARKS = frozenset(f"0{n}" for n in range(7))
"""v1, v2, v3, LoRA of v3, LoRA of v4, v2Pro, v2ProPlus."""

_HEADER = struct.Struct("<4s5H3I2H")
_END_SIZE = 22
_MAX_DIRECTORY = 4 << 20
"""Bytes; the largest official files have 0.2 MB."""
_ENCRYPTED, _UTF8 = 0x1, 0x800
_MEMBER = re.compile(r"[^/\\\x00-\x1f]+(/[^/\\\x00-\x1f]+)+")


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
    version = _word(file, members, f"{folder}/version").strip()
    if version not in [str(n) for n in range(1, 11)]:
        raise DefectError(f"its format has the unknown version {quoted(version)}; {RESAVE}")
    byteorder = "little"
    if f"{folder}/byteorder" in members:
        byteorder = _word(file, members, f"{folder}/byteorder")
    if byteorder not in ("little", "big"):
        raise DefectError(f"its byte order is {quoted(byteorder)}; {DAMAGED}")
    pickle = members[f"{folder}/data.pkl"]
    if pickle.size > MAX_BYTES:
        raise DefectError(f"its pickle of {pickle.size} bytes is far too long; {UNSAFE}")
    value = unpickle(read_bytes(file, pickle).tobytes()).value
    data = f"{folder}/data/"
    spans = {name[len(data) :]: span for name, span in members.items() if name.startswith(data)}
    return Archive(value, spans, byteorder)


def _word(file: BufferedReader, members: dict[str, Span], name: str) -> str:
    """The text of a member that is a word."""
    if name not in members or members[name].size > 16:
        raise DefectError(f"it has no valid {name}; {RESAVE}")
    return read_bytes(file, members[name]).tobytes().decode("latin-1")


def _members(file: BufferedReader, size: int) -> dict[str, Span]:
    """Where the bytes of every member lie, by name."""
    directory, entries = _directory(file, size)
    members: dict[str, Span] = {}
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        name = entry.orig_filename
        if not _MEMBER.fullmatch(name) or {".", ".."} & set(name.split("/")):
            raise DefectError(f"it has a member with the name {quoted(name)}; {UNSAFE}")
        if name in members:
            raise DefectError(f"its member {quoted(name)} is there twice; {UNSAFE}")
        if entry.compress_type or entry.flag_bits & _ENCRYPTED or entry.compress_size != entry.file_size:
            raise DefectError(f"its member {quoted(name)} is compressed or encrypted; {UNSAFE}")
        offset = _data_offset(file, entry, directory)
        if (
            entry.header_offset < end
            or offset + entry.file_size > directory
            or (entry.header_offset and not end)
        ):
            raise DefectError(
                f"its member {quoted(name)} overlaps another or reaches beyond the file; {UNSAFE}"
            )
        end = offset + entry.file_size
        members[name] = Span(offset, entry.file_size, entry.CRC)
    if not members:
        raise DefectError(f"it is empty; {DAMAGED}")
    return members


class _Bounded:
    """A file for `zipfile`, which reads as much as the end of the archive asks for."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if size > _MAX_DIRECTORY:
            raise DefectError(f"its zip directory of {size} bytes is not where it should be; {DAMAGED}")
        return self._file.read(_MAX_DIRECTORY if size < 0 else size)


def _directory(file: BufferedReader, size: int) -> tuple[int, list[zipfile.ZipInfo]]:
    """Offset of the archive's directory, and its entries."""
    file.seek(max(0, size - _END_SIZE))
    if file.read(4) != b"PK\x05\x06":
        raise DefectError(f"the end of its zip archive is missing; {DAMAGED}")
    try:
        archive = zipfile.ZipFile(cast(IO[bytes], _Bounded(file)))
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        ValueError,
        OverflowError,
        struct.error,
        OSError,
    ) as error:
        raise DefectError(f"its zip directory cannot be read ({quoted(str(error))}); {DAMAGED}") from None
    return archive.start_dir, archive.infolist()


def _data_offset(file: BufferedReader, entry: zipfile.ZipInfo, limit: int) -> int:
    """Where the bytes of a member begin, from the header in front of them."""
    name, header = entry.orig_filename, entry.header_offset
    if not 0 <= header <= limit - _HEADER.size:
        raise DefectError(f"its member {quoted(name)} reaches beyond the file; {DAMAGED}")
    file.seek(header)
    fields = _HEADER.unpack(file.read(_HEADER.size))
    signature, method, name_length, extra_length = (fields[i] for i in (0, 3, 9, 10))
    raw_name = file.read(name_length)
    if not is_archive(signature) or (header and signature[:2] != b"PK") or method:
        raise DefectError(f"the header of its member {quoted(name)} is broken; {DAMAGED}")
    if raw_name.decode("utf-8" if entry.flag_bits & _UTF8 else "cp437", "replace") != name:
        raise DefectError(f"its member {quoted(name)} has two names; {UNSAFE}")
    return header + _HEADER.size + len(raw_name) + int(extra_length)
