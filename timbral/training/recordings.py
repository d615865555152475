"""What training knows of a recording; the official list that names them is read by `timbral.data`."""

from dataclasses import dataclass
from pathlib import Path

from timbral.data.listing import find_list, read_list
from timbral.errors import TrainingError


@dataclass(frozen=True)
class Recording:
    """A recording to train on. text, language: what is said; both empty where that is not known."""

    audio: Path
    text: str = ""
    language: str = ""


def read_recordings(source: Path) -> tuple[list[Recording], list[str]]:
    """The recordings of a list, or of the only list in a folder, and what is wrong with the lines that are left out.

    Raises DataError: there is no list, or it cannot be read; TrainingError: nothing in it can be used.
    """
    path = find_list(source) if source.is_dir() else source
    listing = read_list(path)
    if not listing.lines:
        told = listing.problems[0] if listing.problems else f"{path} is empty; it needs a line a recording"
        raise TrainingError(told)
    found = [Recording(line.audio, line.text, line.language) for line in listing.lines]
    return found, list(listing.problems)
