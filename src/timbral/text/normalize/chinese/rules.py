"""Rewriting rules: what stands at a place of a text is replaced by what is said, in one pass from left to right."""

import re
from collections.abc import Callable, Mapping, Sequence

from timbral.text.scripts import HAN

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str | None]]
"""An expression and the words for a match of it, or None if the match is something else after all."""

TO = r"\s* (?: [-~–—‐] | —— ) \s*"
"""The sign between the ends of a range."""

# Figures, words, the sign of an ordinal, and signs but those of East Asian typography.
_START = re.compile(
    rf"[0-9第]|(?<![A-Za-z])[A-Za-z]|[￠-￦]|[^\w\s{HAN}\u3000-\u303f\uff00-\uffef]", re.ASCII
)
_WORD = re.compile("[A-Za-z]+")


def pattern(expression: str) -> re.Pattern[str]:
    """A verbose expression in which `\\d` and `\\w` are ASCII."""
    return re.compile(expression, re.ASCII | re.VERBOSE)


def rewrite(text: str, rules: Sequence[Rule], dialect: Mapping[int, int] | None = None) -> str:
    """The text with each figure, sign and letter word replaced by the first rule that reads it.

    Rules see the text around their match as it is written. Signs and words that no rule reads stay.
    dialect: other characters for those in the words of the rules, as for `str.translate`.
    """
    parts: list[str] = []
    at = 0
    while start := _START.search(text, at):
        parts.append(text[at : start.start()])
        at = start.start()
        for expression, read in rules:
            match = expression.match(text, at)
            if match and match.end() > at and (words := read(match)) is not None:
                parts.append(words.translate(dialect) if dialect else words)
                at = match.end()
                break
        else:
            word = _WORD.match(text, at)
            end = word.end() if word else at + 1
            parts.append(text[at:end])
            at = end
    return "".join(parts) + text[at:]
