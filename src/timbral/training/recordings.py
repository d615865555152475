"""What a voice is trained on: the clips of a training set, as `timbral prepare` or others list them."""

from pathlib import Path

from timbral.data.listing import Line, find_list, read_list
from timbral.errors import TrainingError


def read_recordings(source: Path) -> tuple[list[Line], list[str]]:
    """The clips of a list, or of the only list in a folder, and what is wrong with the lines that are left out.

    Raises DataError: there is no list; TrainingError: nothing in it can be used.
    """
    path = find_list(source) if source.is_dir() else source
    listing = read_list(path)
    if not listing.lines:
        raise TrainingError(
            f"{path}: {listing.problems[0] if listing.problems else 'is empty; a line a recording is needed'}"
        )
    return list(listing.lines), list(listing.problems)
