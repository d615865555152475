"""What the rules of English normalisation have in common."""

import re
from collections.abc import Callable, Sequence

from timbral.text.normalize.english.word_lists import word_list

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]
"""A pattern, and what is said in the place of each match."""

BEFORE = r"(?<![\w.,])"
"""No word or number ends right before this place."""
AFTER = r"(?![\w])(?!\.\d)"
"""No word or number goes on after this place."""


def rule(pattern: str, spoken: Callable[[re.Match[str]], str], flags: int = 0) -> Rule:
    """A rule; the pattern counts ASCII digits only, since `timbral.text.clean` leaves no others."""
    return re.compile(pattern, flags), spoken


_SENTENCE_STARTS = word_list("sentence starts")


def ends_sentence(match: re.Match[str]) -> bool:
    """Whether the text ends after a match, or goes on with a word that begins sentences."""
    following = re.match(
        r"[)\"']*(?:\s+[\"'(]?([A-Z][a-z]*)|\s*$)", match.string[match.end() : match.end() + 24]
    )
    return following is not None and (following[1] is None or following[1].lower() in _SENTENCE_STARTS)


def apply(rules: Sequence[Rule], text: str) -> str:
    """The text after each rule in turn."""
    for pattern, spoken in rules:
        text = pattern.sub(spoken, text)
    return text
