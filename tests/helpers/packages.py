"""A bundle that is quick to pack, and packages with contents of any kind."""

import hashlib
import json
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from timbral.models import embedded_path, write_manifest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CONTENTS: Mapping[str, bytes] = {"a.onnx": b"graph" * 2000, "b.weights": bytes(range(256)) * 300}


def description() -> dict[str, Any]:
    """The manifest of the embedded model without its files."""
    manifest: dict[str, Any] = json.loads((embedded_path() / "bundle.json").read_text("utf-8"))
    return {name: value for name, value in manifest.items() if name not in ("format", "files")}


def small_bundle(folder: Path, name: str = "small") -> Path:
    """A folder that is a bundle as far as its manifest and hashes go."""
    folder.mkdir(parents=True)
    for file, content in CONTENTS.items():
        (folder / file).write_bytes(content)
    write_manifest(folder, {**description(), "name": name})
    return folder


def package_of(manifest: Mapping[str, Any], content: bytes, *, window_log: int = 20) -> bytes:
    """A package with this manifest and these bytes in its frame, true or not."""
    text = json.dumps(manifest).encode()
    options = {int(zstd.CompressionParameter.window_log): window_log}
    head = struct.pack("<8sI32s", b"TIMBRAL\x01", len(text), hashlib.sha256(text).digest())
    return head + text + zstd.compress(content, options=options)


def manifest_of(contents: Mapping[str, bytes]) -> dict[str, Any]:
    """A manifest that describes these files."""
    files = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in contents.items()
    }
    return {**description(), "name": "made", "format": 1, "files": files}
