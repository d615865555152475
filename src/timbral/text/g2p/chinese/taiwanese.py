"""Simplified characters to traditional ones as they are written in Taiwan, which G2PW was taught to read.

The longest known word from each place on is replaced, as OpenCC does with its configuration `s2tw`; of its words only
those are here that are not written as their characters are, which changes fewer than 3 characters in 10,000.
"""

from functools import cache

from timbral.text.resources import read_lines


def to_taiwanese(text: str) -> str:
    """The text in traditional characters, as many as it had."""
    written, lengths = _dictionary()
    parts: list[str] = []
    at = 0
    while at < len(text):
        words = (text[at : at + length] for length in lengths.get(text[at], ()))
        word = next((word for word in words if word in written), text[at])
        parts.append(written.get(word, word))
        at += len(word)
    return "".join(parts)


@cache
def _dictionary() -> tuple[dict[str, str], dict[str, list[int]]]:
    """How words and characters are written, and for each first character the lengths of its words, longest first."""
    entries = [entry for line in read_lines("zh_taiwanese.txt.xz") for entry in line.split()]
    written = {entry[: len(entry) // 2]: entry[len(entry) // 2 :] for entry in entries}
    lengths: dict[str, set[int]] = {}
    for word in written:
        lengths.setdefault(word[0], set()).add(len(word))
    return written, {first: sorted(some, reverse=True) for first, some in lengths.items()}
