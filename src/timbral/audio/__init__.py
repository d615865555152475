"""Sound in and out: files of any common format, rates, levels, and whether a recording can be cloned from."""

from timbral.audio.clip import Audio
from timbral.audio.reading import Source, file_name, list_sources, read
from timbral.audio.reference import Reference, read_reference
from timbral.audio.writing import Writer, check_target, create, save

__all__ = [
    "Audio",
    "Reference",
    "Source",
    "Writer",
    "check_target",
    "create",
    "file_name",
    "list_sources",
    "read",
    "read_reference",
    "save",
]
