"""A model is a folder, a *bundle*: a manifest and the files that it lists, checked before it is used.

`open_bundle` finds one by name or path and checks every file; `seal` makes one of a folder of graphs.
"""

from timbral.bundle.check import Bundle, read_bundle, seal
from timbral.bundle.manifest import FileEntry, Manifest, Precision, SamplingDefaults, Semantic, SourceFilter
from timbral.bundle.shelf import EMBEDDED, embedded_path, list_bundles, models_folder, open_bundle

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
    "seal",
]
