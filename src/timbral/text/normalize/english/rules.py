"""What the rules of English normalisation have in common."""

import re
from collections.abc import Callable, Sequence

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]
"""A pattern, and what is said in the place of each match."""

BEFORE = r"(?<![\w.,])"
"""No word or number ends right before this place."""
AFTER = r"(?![\w])(?!\.\d)"
"""No word or number goes on after this place."""


def rule(pattern: str, spoken: Callable[[re.Match[str]], str], flags: int = 0) -> Rule:
    """A rule; the pattern counts ASCII digits only, since `timbral.text.clean` leaves no others."""
    return re.compile(pattern, flags), spoken


def apply(rules: Sequence[Rule], text: str) -> str:
    """The text after each rule in turn."""
    for pattern, spoken in rules:
        text = pattern.sub(spoken, text)
    return text
