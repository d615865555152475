"""Word lists in plain text: words with white space between them, comments in lines that start with #."""

from functools import cache

from timbral.text.resources import read_lines


@cache
def words_in(name: str) -> frozenset[str]:
    """The words of the data file `name`."""
    return frozenset(word for line in read_lines(name) for word in line.split())
