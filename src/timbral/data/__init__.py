"""Raw recordings to a training set: clips, texts, the official list, and a page to proofread it.

Each step is a module that can be used alone; `prepare` is all of them in order.
"""

from timbral.data.config import PreparationConfig
from timbral.data.listing import Dropped, Line, ListEntry, Listing, find_list, read_list, write_list
from timbral.data.prepare import Prepared, prepare
from timbral.data.quality import Thresholds
from timbral.data.slicing import Slicing
from timbral.data.transcribers import register
from timbral.data.transcription import Transcriber, Transcript

Settings = PreparationConfig
"""The name of `PreparationConfig` in version 0.1."""

__all__ = [
    "Dropped",
    "Line",
    "ListEntry",
    "Listing",
    "PreparationConfig",
    "Prepared",
    "Settings",
    "Slicing",
    "Thresholds",
    "Transcriber",
    "Transcript",
    "find_list",
    "prepare",
    "read_list",
    "register",
    "write_list",
]
