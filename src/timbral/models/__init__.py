"""A model is a folder, a *bundle*: a manifest and the files that it lists, checked before it is used.

`open_bundle` finds one by name or path and checks every file; `write_manifest` makes one of a folder of graphs.
"""

from timbral.models.bundle import Bundle, read_bundle, write_manifest
from timbral.models.manifest import FileEntry, Manifest, Precision, SamplingDefaults, Semantic, SourceFilter
from timbral.models.store import EMBEDDED, embedded_path, list_bundles, models_folder, open_bundle

__all__ = [
    "EMBEDDED",
    "Bundle",
    "FileEntry",
    "Manifest",
    "Precision",
    "SamplingDefaults",
    "Semantic",
    "SourceFilter",
    "embedded_path",
    "list_bundles",
    "models_folder",
    "open_bundle",
    "read_bundle",
    "write_manifest",
]
