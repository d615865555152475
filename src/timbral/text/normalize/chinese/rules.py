"""Rewriting rules: patterns whose matches are replaced by what is spoken, applied one after the other."""

import re
from collections.abc import Callable, Iterable

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


def pattern(expression: str) -> re.Pattern[str]:
    """A verbose expression in which `\\d` and `\\w` are ASCII."""
    return re.compile(expression, re.ASCII | re.VERBOSE)


def apply(rules: Iterable[Rule], text: str) -> str:
    """The text after all rules, in order: what is left by one is read by the next."""
    for expression, spoken in rules:
        text = expression.sub(spoken, text)
    return text
