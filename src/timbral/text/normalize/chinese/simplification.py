"""Traditional to simplified characters, with regard to the words where the simplified form differs."""

import re
from functools import cache

from timbral.text.resources import read_lines

# 著 is the particle 着 except in words about fame and writing.
_PARTICLE = re.compile("(?<![显顯名原巨译譯土昭卓编編论論合遗遺专專拙所])著(?![名作者述书書称稱有重录錄])")


@cache
def _words() -> tuple[re.Pattern[str], dict[str, str]]:
    pairs = dict(line.split() for line in read_lines("zh_traditional.txt"))
    longest_first = sorted(pairs, key=len, reverse=True)
    characters = "".join(word for word in longest_first if len(word) == 1)
    words = "|".join(word for word in longest_first if len(word) > 1)
    return re.compile(f"{words}|[{characters}]"), pairs


def simplify(text: str) -> str:
    """The text in simplified characters, each replaced by one."""
    expression, pairs = _words()
    text = expression.sub(lambda match: pairs[match[0]], _PARTICLE.sub("着", text))
    return simplify_characters(text)


@cache
def _characters() -> dict[int, str]:
    return {ord(pair[0]): pair[1] for line in read_lines("zh_simplified.txt") for pair in line.split()}


def simplify_characters(text: str) -> str:
    """The text with traditional characters replaced one by one, whatever word they are in."""
    return text.translate(_characters())
