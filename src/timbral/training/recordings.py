"""Reads the list of a training set."""

from pathlib import Path

from timbral.data.listing import Line, find_list, read_list
from timbral.errors import TrainingError


def read_recordings(source: Path) -> tuple[list[Line], list[str]]:
    """The clips of a list, or of the only list in a folder, and the problems of unusable lines.

    Raises DataError: there is no list; TrainingError: no line is usable.
    """
    path = find_list(source) if source.is_dir() else source
    listing = read_list(path)
    if not listing.lines:
        raise TrainingError(
            f"{path}: {listing.problems[0] if listing.problems else 'is empty; a line a recording is needed'}"
        )
    return list(listing.lines), list(listing.problems)
