"""Rewriting rules: a pattern, and what is said in the place of each match."""

import re
from collections.abc import Callable, Mapping, Sequence

Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]

_NEAR = 40


def rule(pattern: str | re.Pattern[str], spoken: str | Callable[[re.Match[str]], str]) -> Rule:
    """A rule; `spoken` is what `re.sub` takes. Patterns have to be linear in the length of the text."""
    return re.compile(pattern), spoken


def replacements(table: Mapping[str, str], around: str = "{}") -> Rule:
    """A rule that replaces the keys of a table by its values; `around` is the pattern in which the keys stand."""
    keys = "|".join(map(re.escape, sorted(table, key=len, reverse=True)))
    return re.compile(around.replace("{}", f"(?:{keys})")), lambda match: table[match[0]]


def rewrite(text: str, rules: Sequence[Rule]) -> str:
    """The text after each rule in turn."""
    for pattern, spoken in rules:
        text = pattern.sub(spoken, text)
    return text


def before(match: re.Match[str]) -> str:
    """The last characters before a match."""
    return match.string[max(match.start() - _NEAR, 0) : match.start()]


def after(match: re.Match[str]) -> str:
    """The first characters after a match."""
    return match.string[match.end() : match.end() + _NEAR]
