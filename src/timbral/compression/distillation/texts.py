"""Texts that the teacher speaks for its students."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from timbral.errors import CompressionError
from timbral.training.sampled_tokens import sentences

_CHARACTERS = {"zh": 30, "ja": 40, "yue": 30, "ko": 40}
_DEFAULT_CHARACTERS = 120


def read_texts(folder: Path | None, languages: Sequence[str]) -> dict[str, list[str]]:
    """Sentences by language: of `zh.txt`, `en.txt` and so on in a folder, a sentence a line, or those of the package.

    Raises CompressionError: the folder has no text in any of the languages.
    """
    if folder is None:
        return {language: texts for language, texts in sentences().items() if language in languages}
    found = {}
    for language in languages:
        path = folder / f"{language}.txt"
        if path.is_file():
            lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
            longest = _CHARACTERS.get(language, _DEFAULT_CHARACTERS)
            found[language] = [line for line in lines if 1 < len(line) <= longest]
    if not any(found.values()):
        raise CompressionError(
            f"{folder} has no {' or '.join(f'{language}.txt' for language in languages)} with a sentence a line"
        )
    return {language: lines for language, lines in found.items() if lines}


def drawn_texts(texts: Mapping[str, Sequence[str]], count: int, seed: int) -> list[tuple[str, str]]:
    """`count` pairs of language and text, languages in turn, in an order that follows from the seed.

    Where there are too few sentences, new ones are made of the clauses of two.
    """
    chance = np.random.default_rng(seed)
    orders = {language: chance.permutation(len(lines)) for language, lines in texts.items()}
    languages, drawn = list(texts), []
    for number in range(count):
        language = languages[number % len(languages)]
        lines, turn = texts[language], number // len(languages)
        if turn < len(lines):
            text = lines[int(orders[language][turn])]
        else:
            first, second = (lines[int(chance.integers(len(lines)))] for _ in range(2))
            text = _joined(first, second, chance)
        drawn.append((language, text))
    return drawn


def _joined(first: str, second: str, chance: np.random.Generator) -> str:
    """The beginning of one sentence and the end of another one."""
    space = " " if " " in first else ""
    one, two = (text.split(" ") if space else list(text) for text in (first, second))
    here, there = int(chance.integers(1, len(one) + 1)), int(chance.integers(0, len(two)))
    return space.join([*one[:here], *two[there:]])
