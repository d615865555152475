"""Normalised English to ARPAbet phones with stress."""

import re
from itertools import pairwise

from timbral.text.g2p.english.homographs import homograph
from timbral.text.g2p.english.spelling import is_spelled, spell
from timbral.text.g2p.english.words import pronounce_word
from timbral.text.g2p.pronunciation import Pronunciation, SymbolVersion, Word

_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_ONES = (
    "one|two|three|four|five|six|seven|eight|nine|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth"
)
_NUMBER = re.compile(rf"\b({_TENS})[ -]({_ONES})\b", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Z](?: [A-Z])+(?![A-Za-z'])|[A-Za-z]+(?:['-][A-Za-z]+)*'?|'[A-Za-z]+|[.,?!-]")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")
_SENTENCE_ENDS = frozenset(".?!")


def pronounce(text: str, version: SymbolVersion) -> Pronunciation:
    """ARPAbet phones of a normalised English text; both symbol tables have them all."""
    tokens = tokens_of(text)
    spoken = [phones for start, end in _sentences(tokens) for phones in _sentence(tokens[start:end])]
    words = tuple(Word(token, len(phones)) for token, phones in zip(tokens, spoken, strict=True))
    return Pronunciation(tuple(phone for phones in spoken for phone in phones), text, words)


def tokens_of(text: str) -> list[str]:
    """The words and marks of a normalised text; numbers below a hundred are one word."""
    return _TOKEN.findall(_NUMBER.sub(r"\1-\2", text))


def _sentences(tokens: list[str]) -> list[tuple[int, int]]:
    ends = [index + 1 for index, token in enumerate(tokens) if token in _SENTENCE_ENDS]
    borders = [0, *ends, len(tokens)]
    return list(pairwise(borders))


def _sentence(tokens: list[str]) -> list[tuple[str, ...]]:
    """The phones of each token of a sentence."""
    words = [token for token in tokens if len(token) > 1 and token[0].isalpha()]
    shouted = len(words) > 1 and all(word.isupper() for word in words)
    return [_token(tokens, index, shouted=shouted) for index in range(len(tokens))]


def _token(tokens: list[str], index: int, *, shouted: bool) -> tuple[str, ...]:
    token = tokens[index]
    if not any(map(str.isalpha, token)):
        return (token,)
    if " " in token:
        return spell(token.replace(" ", ""))
    if len(token) == 1:
        article = token == "a" and any(map(str.isalpha, "".join(tokens[:index] + tokens[index + 1 :])))
        return ("AH0",) if article else spell(token)
    chosen = homograph(tokens, index)
    if chosen and not (token.isupper() and is_spelled(token, shouted=shouted)):
        return chosen
    known = None if token.isupper() else pronounce_word(token, sounded_out=False)
    if known:
        return known
    parts = [camel for part in token.split("-") for camel in _CAMEL.split(part) if camel.strip("'")]
    return tuple(phone for part in parts for phone in _part(part, shouted=shouted))


def _part(part: str, *, shouted: bool) -> tuple[str, ...]:
    plural = re.fullmatch(r"([A-Z]{2,})('?s)", part)
    if plural and is_spelled(plural[1], shouted=False):
        return (
            *spell(plural[1]),
            "Z" if plural[1][-1] not in "SXHZ" else "IH0",
            *("Z" if plural[1][-1] in "SXHZ" else ""),
        )
    if len(part) == 1 or (part.isupper() and is_spelled(part, shouted=shouted)):
        return spell(part)
    return pronounce_word(part)
