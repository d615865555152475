"""A model is a folder, a *bundle*: a manifest and the files that it lists, checked before it is used.

`open_bundle` finds one by name or path and checks every file; `write_manifest` makes one of a folder of graphs.
"""

from timbral.models import files
from timbral.models.bundle import Bundle, read_bundle, write_manifest
from timbral.models.manifest import (
    FileEntry,
    FlowMatching,
    Manifest,
    Precision,
    ReferenceFormat,
    Semantic,
    SourceFilter,
    TokenRate,
    Vits,
)
from timbral.models.store import EMBEDDED, embedded_path, list_bundles, models_folder, open_bundle

__all__ = [
    "EMBEDDED",
    "Bundle",
    "FileEntry",
    "FlowMatching",
    "Manifest",
    "Precision",
    "ReferenceFormat",
    "Semantic",
    "SourceFilter",
    "TokenRate",
    "Vits",
    "embedded_path",
    "files",
    "list_bundles",
    "models_folder",
    "open_bundle",
    "read_bundle",
    "write_manifest",
]
