"""Texts that the teacher speaks for its students."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from timbral.errors import CompressionError
from timbral.text.g2p.english.lexicon import spellings
from timbral.training.sampled_tokens import sentences

_CHARACTERS = {"zh": 30, "ja": 40, "yue": 30, "ko": 40}
_DEFAULT_CHARACTERS = 120
_WORDS: Mapping[str, tuple[int, int, str, str]] = {
    "zh": (3, 6, "", "。"),
    "en": (5, 9, " ", "."),
    "ja": (3, 6, "", "。"),
}
"""Fewest and most words of an invented text, what stands between them, and what behind them."""
_KANA = (
    "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわがぎぐげご"
    "ざじずぜぞだでどばびぶべぼぱぴぷぺぽん"
)


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

    Where there are too few sentences, words of dictionaries are put together: they make no sense and hold all sounds.
    """
    chance = np.random.default_rng(seed)
    orders = {language: chance.permutation(len(lines)) for language, lines in texts.items()}
    languages, drawn = list(texts), []
    for number in range(count):
        language = languages[number % len(languages)]
        lines, turn = texts[language], number // len(languages)
        text = lines[int(orders[language][turn])] if turn < len(lines) else _invented(language, lines, chance)
        drawn.append((language, text))
    return drawn


def _invented(language: str, lines: Sequence[str], chance: np.random.Generator) -> str:
    """Words of a dictionary, or else the beginning of one sentence and the end of another one."""
    low, high, space, end = _WORDS.get(language, (0, 0, "", ""))
    if high:
        words = _words(language)
        chosen = [words[int(chance.integers(len(words)))] for _ in range(int(chance.integers(low, high + 1)))]
        return space.join(chosen) + end
    first, second = (lines[int(chance.integers(len(lines)))] for _ in range(2))
    return first[: int(chance.integers(1, len(first) + 1))] + second[int(chance.integers(len(second))) :]


@cache
def _words(language: str) -> list[str]:
    if language == "zh":
        # A dependency of the front end, which reads them.
        from pypinyin.phrases_dict import phrases_dict

        return sorted(phrases_dict)
    if language == "en":
        return sorted(word for word in spellings() if word.isalpha() and 2 < len(word) < 12)
    chance = np.random.default_rng(0)
    return ["".join(chance.choice(list(_KANA), int(chance.integers(2, 6)))) for _ in range(2000)]
