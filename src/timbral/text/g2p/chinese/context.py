"""Readings that follow from the characters around: expressions of `data/zh_contexts.txt`, which count whatever the words."""

import re
from functools import cache

from timbral.text.resources import read_lines

_Rule = tuple[str, re.Pattern[str]]


def apply_contexts(clause: str, pinyin: list[str]) -> None:
    """Puts the readings that the context of a character decides into the pinyin of a clause."""
    for character in set(clause) & _expressions().keys():
        for reading, expression in _rules(character):
            for match in expression.finditer(clause):
                for group in range(1, expression.groups + 1):
                    if match[group]:
                        pinyin[match.start(group)] = reading


@cache
def _expressions() -> dict[str, list[tuple[str, str]]]:
    """Reading and expression of the rules of each character."""
    rules: dict[str, list[tuple[str, str]]] = {}
    for line in read_lines("zh_contexts.txt"):
        character, reading, expression = line.split(" ", 2)
        rules.setdefault(character, []).append((reading, expression))
    return rules


@cache
def _rules(character: str) -> list[_Rule]:
    return [
        (reading, re.compile(expression.replace("_", f"({character})")))
        for reading, expression in _expressions()[character]
    ]
