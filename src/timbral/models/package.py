"""A model as one file, NAME.timbral: its manifest, then its files in one zstd frame.

| bytes        | content                                                              |
|--------------|----------------------------------------------------------------------|
| 8            | `TIMBRAL` and the version of the format, 1                           |
| 4            | length of the manifest, little-endian, at most 1 MiB                 |
| 32           | SHA-256 of the manifest                                              |
| length       | the manifest, `bundle.json`, with size and SHA-256 of every file     |
| to the end   | a zstd frame: the files, one after the other, in the order of names  |

The file holds data only: no paths, links or permissions, and nothing that is executed. Whoever unpacks it checks
every byte against the manifest as it comes, in memory that does not depend on what the file claims.
"""

import hashlib
import secrets
import shutil
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from timbral.errors import BundleError
from timbral.models.bundle import Bundle, manifest_of, read_bundle
from timbral.models.files import MANIFEST
from timbral.models.manifest import Manifest
from timbral.paths import atomic_write, cache_folder, describe_error, sha256

SUFFIX = ".timbral"
MOST_BYTES = 8 << 30
"""Of the files of a package, far more than the largest model."""
LARGEST_MANIFEST = 1 << 20

_MAGIC = b"TIMBRAL\x01"
_HEAD = struct.Struct("<8sI32s")
_LEVEL = 3
"""Higher ones take a hundred times as long for weights, and save nothing (docs/adr/044)."""
_WINDOW_LOG = 24
"""Window of the decompressor at most: 16 MB of memory."""
_BLOCK = 1 << 18
_STALE_SECONDS = 24 * 3600
"""Age from which on an unfinished folder is taken for abandoned."""

OnProgress = Callable[[float], None]
"""Called with the share of the bytes that is done, 0 to 1."""


def pack(folder: Path, target: Path, on_progress: OnProgress = lambda share: None) -> str:
    """Writes the model in `folder` to the file `target`, whole or not at all; returns the file's SHA-256.

    The same model gives the same bytes with the same version of zstd. The user's lexicon stays out. Raises
    BundleError: a folder that is no model, or whose files are not as they should be; OSError: `target` cannot be
    written.
    """
    bundle = read_bundle(folder)
    manifest = (bundle.manifest.model_dump_json(indent=2) + "\n").encode()
    done = 0
    with atomic_write(target) as part, part.open("wb") as file:
        file.write(_HEAD.pack(_MAGIC, len(manifest), hashlib.sha256(manifest).digest()))
        file.write(manifest)
        compressor = _zstd().ZstdCompressor(level=_LEVEL)
        for name in sorted(bundle.manifest.files):
            with (folder / name).open("rb") as source:
                while block := source.read(_BLOCK):
                    file.write(compressor.compress(block))
                    done += len(block)
                    on_progress(done / bundle.size)
        file.write(compressor.flush())
    return sha256(target)


def compressed_size(path: Path) -> int:
    """Bytes that a file takes in a package."""
    compressor, size = _zstd().ZstdCompressor(level=_LEVEL), 0
    with path.open("rb") as source:
        while block := source.read(_BLOCK):
            size += len(compressor.compress(block))
    return size + len(compressor.flush())


def is_package(path: str | Path) -> bool:
    """Whether a path is that of a packed model; no path, however malformed, raises."""
    try:
        return Path(path).suffix.lower() == SUFFIX and Path(path).is_file()
    except (OSError, ValueError):
        return False


def read_manifest(path: Path) -> Manifest:
    """The manifest of a packed model. Raises BundleError."""
    with _opened(path) as file:
        return _read_head(file, path)


def unpack(path: Path, folder: Path, on_progress: OnProgress = lambda share: None) -> Bundle:
    """Makes the model folder `folder`, which must not exist, of a packed model, whole or not at all.

    Raises BundleError: a file that is no packed model, or that is damaged, cut off or goes on too long; OSError: the
    folder cannot be written.
    """
    _remove_stale(folder)
    part = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    part.mkdir(parents=True)
    try:
        with _opened(path) as file:
            manifest = _read_head(file, path)
            _check_room(manifest, part, path)
            _write_files(manifest, _decompressed(file, path), part, path, on_progress)
        (part / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return Bundle(folder, manifest)


def unpacked(path: Path) -> Path:
    """The folder of a packed model in the user's cache; unpacked there when it is first asked for.

    Its name is the SHA-256 of the file. Raises BundleError.
    """
    try:
        folder = cache_folder() / "unpacked" / sha256(path)
        if not folder.is_dir():
            try:
                unpack(path, folder)
            except OSError:
                if not folder.is_dir():  # otherwise another process was faster
                    raise
    except OSError as error:
        raise BundleError(describe_error(error, Path(error.filename or path))) from None
    return folder


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise BundleError(describe_error(error, path)) from None
    with file:
        yield file


def _read_head(file: BinaryIO, path: Path) -> Manifest:
    head = file.read(_HEAD.size)
    if not head.startswith(_MAGIC[:-1]):
        raise BundleError(f"{path}: not a packed model; give a file that `timbral pack` made")
    if not head.startswith(_MAGIC):
        raise BundleError(
            f"{path}: packed in a format that this version of timbral does not know; upgrade timbral"
        )
    if len(head) < _HEAD.size:
        raise _damaged(path)
    _, length, digest = _HEAD.unpack(head)
    if length > LARGEST_MANIFEST:
        raise _damaged(path)
    text = file.read(length)
    if len(text) < length or hashlib.sha256(text).digest() != digest:
        raise _damaged(path)
    return manifest_of(text, path)


def _check_room(manifest: Manifest, folder: Path, path: Path) -> None:
    needed = sum(entry.bytes for entry in manifest.files.values())
    if needed > MOST_BYTES:
        raise BundleError(f"{path}: claims to hold {needed / 1e9:.0f} GB, more than any model; get it again")
    if needed > shutil.disk_usage(folder).free:
        raise BundleError(f"{path}: needs {needed / 1e6:.0f} MB in {folder.parent}; make room there")


def _decompressed(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """The contents of the frame in blocks of bounded size. Raises BundleError: damage, or bytes behind the frame."""
    zstd = _zstd()
    options = {int(zstd.DecompressionParameter.window_log_max): _WINDOW_LOG}
    decompressor = zstd.ZstdDecompressor(options=options)
    try:
        while not decompressor.eof:
            given = file.read(_BLOCK) if decompressor.needs_input else b""
            if decompressor.needs_input and not given:
                raise _damaged(path)
            if block := decompressor.decompress(given, max_length=_BLOCK):
                yield block
    except zstd.ZstdError:
        raise _damaged(path) from None
    if decompressor.unused_data or file.read(1):
        raise _damaged(path)


def _write_files(
    manifest: Manifest, blocks: Iterator[bytes], folder: Path, path: Path, on_progress: OnProgress
) -> None:
    """Writes the files of the manifest, and checks each as soon as it is there."""
    total, done, rest = sum(entry.bytes for entry in manifest.files.values()), 0, b""
    for name in sorted(manifest.files):
        entry = manifest.files[name]
        digest, missing = hashlib.sha256(), entry.bytes
        with (folder / name).open("xb") as file:
            while missing:
                block = rest or next(blocks, b"")
                if not block:
                    raise _damaged(path)
                taken, rest = block[:missing], block[missing:]
                file.write(taken)
                digest.update(taken)
                missing -= len(taken)
                done += len(taken)
                on_progress(done / total)
        if digest.hexdigest() != entry.sha256:
            raise _damaged(path)
    if rest or next(blocks, b""):
        raise _damaged(path)


def _zstd() -> Any:
    """The module of zstd, which only packages need."""
    return import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


def _damaged(path: Path) -> BundleError:
    return BundleError(f"{path}: damaged, altered or incomplete; get it again")


def _remove_stale(folder: Path) -> None:
    """Removes what killed processes left unfinished."""
    for part in folder.parent.glob(".*.part"):
        if part.name.startswith(f".{folder.name}.") and time.time() - part.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(part, ignore_errors=True)
