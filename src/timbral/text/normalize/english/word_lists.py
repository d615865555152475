"""Lists of English words that rules decide by."""

from functools import cache

from timbral.text.resources import read_lines


@cache
def _lists() -> dict[str, frozenset[str]]:
    lists: dict[str, frozenset[str]] = {}
    for line in read_lines("en_word_lists.txt"):
        name, words = line.split("\t")
        lists[name] = lists.get(name, frozenset()) | frozenset(words.split())
    return lists


def word_list(name: str) -> frozenset[str]:
    """The words of a list in data/en_word_lists.txt."""
    return _lists()[name]
