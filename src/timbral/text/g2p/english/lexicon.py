"""English pronunciations by heart: the CMU dictionary, first names, and words that are said in two ways.

The files are read on first use and kept: about 0.2 s and 25 MB.
"""

from functools import cache
from typing import NamedTuple

from timbral.text.resources import read_lines

Phones = tuple[str, ...]


class Homograph(NamedTuple):
    """A word with two pronunciations: `first` where it is used as `part_of_speech`, `second` elsewhere.

    part_of_speech: the beginning of a Penn Treebank tag ("V" is every verb form).
    """

    first: Phones
    second: Phones
    part_of_speech: str


def word(spelling: str) -> Phones | None:
    """ARPAbet phones of a lower-case word, or None where the dictionaries lack it."""
    return _find(_table("en_additions.txt"), spelling) or _find(_table("en_words.txt.xz"), spelling)


def spellings() -> list[str]:
    """All words of the dictionary, in lower case."""
    return list(_table("en_words.txt.xz"))


def first_name(spelling: str) -> Phones | None:
    """ARPAbet phones of a lower-case first name, or None."""
    return _find(_table("en_names.txt.xz"), spelling)


@cache
def homographs() -> dict[str, Homograph]:
    """Words in lower case with their two pronunciations: g2p_en's table with the official corrections."""
    rows = (line.split("|") for line in read_lines("en_homographs.txt"))
    return {row[0]: Homograph(tuple(row[1].split()), tuple(row[2].split()), row[3]) for row in rows}


@cache
def _table(name: str) -> dict[str, str]:
    return dict(row.split(" ", 1) for row in read_lines(name))


def _find(table: dict[str, str], spelling: str) -> Phones | None:
    phones = table.get(spelling)
    return None if phones is None else tuple(phones.split())
