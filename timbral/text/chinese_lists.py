"""Word lists shipped as plain text: words separated by white space, lines that start with # being comments."""

from functools import cache
from importlib.resources import files


@cache
def words_in(name: str) -> frozenset[str]:
    """The words of the data file `name`."""
    text = files("timbral").joinpath("text", "data", name).read_text(encoding="utf-8")
    return frozenset(w for line in text.splitlines() if not line.startswith("#") for w in line.split())
