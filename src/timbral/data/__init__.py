"""Raw recordings to a training set: clips, texts, the official list, and a page to proofread it.

Each step is a module that can be used alone; `prepare` is all of them in order.
"""

from timbral.data.listing import Dropped, Line, Listing, find_list, read_list, write_list
from timbral.data.prepare import Prepared, prepare
from timbral.data.quality import Thresholds
from timbral.data.settings import Settings
from timbral.data.slicing import Slicing
from timbral.data.transcription import Transcriber, Transcript, register

__all__ = [
    "Dropped",
    "Line",
    "Listing",
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
