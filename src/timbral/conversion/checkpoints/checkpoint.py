"""Reads a checkpoint of GPT-SoVITS, or of the networks that it needs, without running anything that is in it."""

import hashlib
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from timbral.conversion.checkpoints.archive import MARKS, is_archive, read_archive
from timbral.conversion.checkpoints.defects import DAMAGED, DefectError, quoted
from timbral.conversion.checkpoints.legacy import read_stream
from timbral.conversion.checkpoints.metadata import MetadataReader, NotPlainError, Value
from timbral.conversion.checkpoints.safetensors import is_safe_file, read_safe_file
from timbral.conversion.checkpoints.tensors import Array, Span, TensorView, read_tensors
from timbral.errors import CheckpointError

_HEAD = 8192
_SECTIONS = ("weight", "generator", "state_dict", "model")
"""Where checkpoints keep their tensors: GPT-SoVITS, BigVGAN, Lightning, GPT-SoVITS in training."""

_WRAPPERS = ("module.", "_orig_mod.", "model.module.")
"""What DistributedDataParallel, torch.compile and modules around them put before every name."""


@dataclass(frozen=True)
class Checkpoint:
    """What a file of weights holds.

    tensors: by name; half precision stays, bfloat16 became float32.
    metadata: what stands beside the tensors (`config`, `info`, `lora_rank`, ...) as plain values; entries
    that hold tensors, such as an optimizer's, are left out.
    mark: the two characters that GPT-SoVITS wrote over the beginning of the file, such as "04".
    fingerprint: MD5 of the first 8192 bytes, by which GPT-SoVITS knows the files that it published.
    """

    path: Path
    tensors: dict[str, Array]
    metadata: dict[str, Value]
    mark: str | None
    fingerprint: str


@dataclass(frozen=True)
class _Content:
    value: object
    spans: Mapping[str, Span]
    metadata: Mapping[object, object]
    byteorder: str = "little"


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Reads a file of torch.save, in its present and its old format, or of safetensors.

    The tensors are read into memory once; an optimizer's are left where they are. Nothing in the file is
    run or imported, and the file is not changed. Raises CheckpointError: not there, not a regular file, not a
    checkpoint, damaged, or unsafe.
    """
    path = Path(path)
    try:
        # A pipe or a device would block, or never end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise DefectError("cannot be read (not a regular file); choose the .ckpt or .pth file")
        with path.open("rb") as file:
            return _read(path, file)
    except DefectError as defect:
        raise CheckpointError(f"{path}: {defect}") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error}); check the path") from None
    except ValueError as error:
        raise CheckpointError(f"{quoted(str(path))} is no path ({error}); check it") from None


def _read(path: Path, file: BufferedReader) -> Checkpoint:
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(_HEAD)
    content = _content(file, head, size)
    views, rest = _tensors_and_rest(content.value)
    tensors = read_tensors(file, views, content.spans, content.byteorder)
    mark = head[:2].decode("latin-1")
    return Checkpoint(
        path=path,
        tensors=tensors,
        metadata=_metadata(rest | dict(content.metadata)),
        mark=mark if mark in MARKS else None,
        fingerprint=hashlib.md5(head, usedforsecurity=False).hexdigest(),
    )


def _content(file: BufferedReader, head: bytes, size: int) -> _Content:
    if is_archive(head):
        archive = read_archive(file, size)
        return _Content(archive.value, archive.spans, {}, archive.byteorder)
    if head[:1] == b"\x80":
        stream = read_stream(file, size)
        return _Content(stream.value, stream.spans, {})
    if is_safe_file(head):
        safe = read_safe_file(file, size)
        return _Content(safe.value, safe.spans, safe.metadata)
    raise DefectError(_unrecognized(head))


def _unrecognized(head: bytes) -> str:
    """Why a file is no checkpoint."""
    start = head.lstrip()[:200].lower()
    if not head:
        return f"the file is empty; {DAMAGED}"
    if start.startswith((b"<!doctype", b"<html")):
        return "it is a web page; download the file itself, not the page that shows it"
    if start.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`"
    return "it is not a checkpoint (neither torch.save nor safetensors); choose the .ckpt or .pth file"


def _tensors_and_rest(value: object) -> tuple[dict[str, TensorView], dict[object, object]]:
    """Takes the tensors out of a checkpoint; what else it holds remains."""
    if not isinstance(value, dict):
        raise DefectError(
            f"it holds a {type(value).__name__}, not tensors by name; choose the .ckpt or .pth file"
        )
    for section in _SECTIONS:
        inside = value.get(section)
        if isinstance(inside, dict) and any(isinstance(part, TensorView) for part in inside.values()):
            rest = {name: part for name, part in value.items() if name != section}
            return _named(inside, section), rest
    views = {name: part for name, part in value.items() if isinstance(part, TensorView)}
    if not views:
        raise DefectError("it holds no tensors by name; choose the .ckpt or .pth file with the weights")
    return _named(views, "checkpoint"), {name: part for name, part in value.items() if name not in views}


def _named(tensors: Mapping[object, object], where: str) -> dict[str, TensorView]:
    named = {}
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, TensorView):
            raise DefectError(f"{quoted(name)} in its {where} is {quoted(tensor)}, not a tensor; {DAMAGED}")
        named[name] = tensor
    # One wrapper may hold another: each round takes the outermost off.
    while wrapper := next(
        (one for one in _WRAPPERS if named and all(n.startswith(one) for n in named)), None
    ):
        named = {name.removeprefix(wrapper): tensor for name, tensor in named.items()}
    return named


def _metadata(entries: Mapping[object, object]) -> dict[str, Value]:
    reader = MetadataReader()
    plain: dict[str, Value] = {}
    for name, entry in entries.items():
        try:
            plain[str(name)] = reader.read(entry)
        except NotPlainError:
            continue
    return plain
