"""Nothing of a bundle is loaded before its manifest is understood and every file is as it says."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from timbral.errors import BundleError
from timbral.models.files import FORMER_NAMES, LEXICON, MANIFEST
from timbral.models.manifest import FileEntry, Manifest
from timbral.paths import sha256

_MANIFEST_LIMIT = 1 << 20


@dataclass(frozen=True)
class Bundle:
    """A checked model folder."""

    folder: Path
    manifest: Manifest

    def has(self, name: str) -> bool:
        """Whether the bundle has a file, under this name or its former one."""
        return self._stored_name(name) is not None

    def path(self, name: str) -> Path:
        """Path of a file of the bundle, by its present name. Raises BundleError where there is none."""
        stored = self._stored_name(name)
        if stored is None:
            raise BundleError(f"{self.folder}: the model has no {name}; {_AGAIN}")
        return self.folder / stored

    def _stored_name(self, name: str) -> str | None:
        names = (name, FORMER_NAMES.get(name, name))
        return next((one for one in names if one in self.manifest.files), None)

    @property
    def size(self) -> int:
        """Bytes of all files of the bundle."""
        return sum(entry.bytes for entry in self.manifest.files.values())


def read_bundle(folder: Path, *, verify: bool = True) -> Bundle:
    """The bundle in `folder`; with `verify` every file, otherwise only the manifest is checked.

    Raises BundleError: no such folder, unknown format or family, a file missing, altered, or not listed.
    """
    if not folder.is_dir():
        raise BundleError(f"{folder}: no such model folder; {_AGAIN}")
    bundle = Bundle(folder, _read_manifest(folder))
    if verify:
        _verify(bundle)
    return bundle


def write_manifest(folder: Path, description: dict[str, Any]) -> Bundle:
    """Makes a bundle of a folder of graphs: writes the manifest, with size and SHA-256 of every file.

    description: the manifest without `format` and `files`. Raises BundleError where it is invalid.
    """
    names = sorted(n for n in _listing(folder) if n != MANIFEST)
    files = {n: {"sha256": sha256(folder / n), "bytes": (folder / n).stat().st_size} for n in names}
    try:
        manifest = Manifest.model_validate({**description, "format": 1, "files": files}, strict=False)
    except ValidationError as error:
        raise BundleError(f"{folder}: {_first_problem(error)}") from None
    part = folder / f".{MANIFEST}.part"
    part.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    part.replace(folder / MANIFEST)
    return Bundle(folder, manifest)


def manifest_of(text: bytes, path: Path) -> Manifest:
    """The manifest with this text, which was read from `path`. Raises BundleError where it is none."""
    try:
        return Manifest.model_validate_json(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BundleError(f"{path}: cannot be read ({error}); {_AGAIN}") from None
    except ValidationError as error:
        raise BundleError(f"{path}: {_first_problem(error)}") from None


_NEWER = {("format",), ("family",)}
"""Fields whose unknown values a newer version of Timbral may know."""

_AGAIN = "get the model again, or reinstall timbral if it is the embedded one"


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        if not path.is_file() and path.exists():
            raise BundleError(f"{path}: not a regular file; {_AGAIN}")
        if path.stat().st_size > _MANIFEST_LIMIT:
            raise BundleError(f"{path}: far too large for a manifest; {_AGAIN}")
        text = path.read_bytes()
    except FileNotFoundError:
        raise BundleError(f"{folder}: not a Timbral model, it has no {MANIFEST}") from None
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error}); {_AGAIN}") from None
    return manifest_of(text, path)


def _first_problem(error: ValidationError) -> str:
    """One line for a manifest that does not hold; the cause where one mistake has several symptoms."""
    problems = error.errors(include_url=False)
    for problem in problems:
        if problem["type"] == "union_tag_invalid":
            return f"acoustic.kind {ascii(problem['ctx']['tag'])[:40]} is unknown to this version of timbral; upgrade timbral"
        if problem["type"] == "literal_error" and problem["loc"] in _NEWER:
            what, value = ".".join(map(str, problem["loc"])), ascii(problem["input"])[:40]
            return f"{what} {value} is unknown to this version of timbral; upgrade timbral"
    where = ".".join(map(str, problems[0]["loc"])) or "manifest"
    return f"{where}: {problems[0]['msg'].lower()}; {_AGAIN}"


def _verify(bundle: Bundle) -> None:
    listed = bundle.manifest.files
    present = _listing(bundle.folder) - {MANIFEST}
    for name in sorted(listed.keys() - present):
        raise BundleError(f"{bundle.folder}: {name} is missing; {_AGAIN}")
    for name in sorted(present - listed.keys()):
        raise BundleError(f"{bundle.folder}: {name} is not part of the model; remove it, or {_AGAIN}")
    for name, entry in listed.items():
        if not _is_unaltered(bundle.folder / name, entry):
            raise BundleError(f"{bundle.folder}: {name} is damaged or was altered; {_AGAIN}")


def _listing(folder: Path) -> set[str]:
    """Names in a model folder, without the user's lexicon and without files of desktops and version control."""
    names = {entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")}
    return names - {"Thumbs.db", "desktop.ini", LEXICON}


def _is_unaltered(path: Path, entry: FileEntry) -> bool:
    try:
        return path.is_file() and path.stat().st_size == entry.bytes and sha256(path) == entry.sha256
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); {_AGAIN}") from None
