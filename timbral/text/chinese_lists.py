"""Word lists in plain text: words with white space between them, comments in lines that start with #."""

from functools import cache
from importlib.resources import files


@cache
def words_in(name: str) -> frozenset[str]:
    """The words of the data file `name`."""
    text = files("timbral").joinpath("text", "data", name).read_text(encoding="utf-8")
    return frozenset(w for line in text.splitlines() if not line.startswith("#") for w in line.split())
