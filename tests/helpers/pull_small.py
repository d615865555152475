"""`timbral` with a catalog of small files and an importer that only notes what it was given.

Run as a process of its own, since huggingface_hub reads the environment when it is imported:

    python pull_small.py CATALOG.json pull v2 ...
"""

import json
import sys
import types
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from timbral.cli import main
from timbral.errors import CheckpointError
from timbral.hub import catalog
from timbral.models import Bundle, Precision, write_manifest
from timbral.paths import sha256

SMALL = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
"""`models`, the catalog; `description`, what the manifests of imported models say; `broken`, what the importer refuses."""


@dataclass(frozen=True)
class Sources:
    gpt: Path
    sovits: Path
    hubert: Path
    bert: Path | None = None
    speaker: Path | None = None
    vocoder: Path | None = None
    lora: Path | None = None
    g2pw: Path | None = None


def import_model(
    sources: Sources,
    target: Path,
    *,
    name: str,
    precision: Precision,
    on_progress: Callable[[str, float], None],
) -> Bundle:
    """A bundle that lists the files by their roles and fingerprints."""
    target.mkdir(parents=True)
    given = {role: path for role, path in asdict(sources).items() if path}
    for role, path in given.items():
        on_progress(f"importing {role}", 0.5)
        parts = sorted(path.iterdir()) if path.is_dir() else [path]
        seen = {part.name: sha256(part) for part in parts}
        (target / f"{role}.onnx").write_text(json.dumps(seen), encoding="utf-8")
        if any(seen[part.name] == SMALL["broken"] for part in parts):
            raise CheckpointError(f"{path}: it is no checkpoint")
    return write_manifest(target, {**SMALL["description"], "name": name, "precision": precision})


def _model(entry: dict[str, Any]) -> catalog.PublishedModel:
    files = {
        role: tuple(catalog.HubFile(**one) for one in value)
        if isinstance(value, list)
        else catalog.HubFile(**value)
        for role, value in entry["files"].items()
    }
    return catalog.PublishedModel(entry["name"], ("zh", "en"), 24_000, **files)  # type: ignore[arg-type]


if __name__ == "__main__":
    importing: Any = types.ModuleType("timbral.conversion.importer")
    importing.Sources, importing.import_model = Sources, import_model
    sys.modules["timbral.conversion.importer"] = importing
    catalog.MODELS = tuple(_model(entry) for entry in SMALL["models"])
    sys.exit(main(sys.argv[2:]))
