"""Text as the token ids that Chinese BERT models read: a token for each Chinese character and sign, pieces of other words.

WordPiece with the text cleaning of BERT (github.com/google-research/bert, `tokenization.py`, uncased), and without its
weight in libraries: only the vocabulary comes from the model's folder.
"""

import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbral.errors import BundleError

_BEGIN, _END, _UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
_LONGEST_WORD = 100
"""Characters from which on a word is not looked up."""
_IDEOGRAPHS = (
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2CEAF), (0x2F800, 0x2FA1F),
)  # fmt: skip


@dataclass(frozen=True)
class Tokens:
    """A text as tokens.

    ids: int64 [n + 2], between [CLS] and [SEP].
    of_character: int64 [characters], for each character of the text the place of its (first) token among
    the n, -1 for one that has none, as white space.
    """

    ids: NDArray[np.int64]
    of_character: NDArray[np.int64]


def read_vocabulary(path: Path) -> dict[str, int]:
    """Ids by token of a `vocab.txt`, a token a line, or of a `tokenizer.json`.

    Raises BundleError if the file is missing or is no vocabulary.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".json":
            return {token: at for at, token in enumerate(text.split("\n")) if token}
        vocabulary = json.loads(text)["model"]["vocab"]
        return {str(token): int(at) for token, at in vocabulary.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path} is not the vocabulary of a BERT model: get the model again") from error


class WordPieces:
    """Cuts texts into tokens of a vocabulary."""

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        """vocabulary: ids by token; a token that goes on with a word starts with ##."""
        missing = [token for token in (_BEGIN, _END, _UNKNOWN) if token not in vocabulary]
        if missing:
            raise BundleError(f"the vocabulary lacks {', '.join(missing)}: it is not one of a BERT model")
        self._ids = dict(vocabulary)

    @classmethod
    def read(cls, path: Path) -> "WordPieces":
        """The vocabulary of a `vocab.txt`, a token a line, or of a `tokenizer.json`.

        Raises BundleError if the file is missing or is no vocabulary.
        """
        return cls(read_vocabulary(path))

    def __call__(self, text: str) -> Tokens:
        """The tokens of a text."""
        ids = [self._ids[_BEGIN]]
        of_character = np.full(len(text), -1, np.int64)
        for word, origins in _words(text):
            for token, start, end in self._pieces(word):
                for character in origins[start:end]:
                    if of_character[character] < 0:
                        of_character[character] = len(ids) - 1
                ids.append(token)
        return Tokens(np.array([*ids, self._ids[_END]], np.int64), of_character)

    def _pieces(self, word: str) -> list[tuple[int, int, int]]:
        """Id, start and end of each piece: the longest that is known, then the longest that goes on from there."""
        unknown = [(self._ids[_UNKNOWN], 0, len(word))]
        if len(word) > _LONGEST_WORD:
            return unknown
        pieces: list[tuple[int, int, int]] = []
        start = 0
        while start < len(word):
            mark = "##" if start else ""
            ends = range(len(word), start, -1)
            end = next((end for end in ends if mark + word[start:end] in self._ids), None)
            if end is None:
                return unknown
            pieces.append((self._ids[mark + word[start:end]], start, end))
            start = end
        return pieces


def _words(text: str) -> Iterator[tuple[str, list[int]]]:
    """The words of a text, cleaned, with the place in the text that each of their characters comes from."""
    word, origins = "", list[int]()
    for at, character in enumerate(text):
        for sign in _cleaned(character):
            apart = _is_ideograph(character) or _is_punctuation(sign)
            if word and (apart or sign == " "):
                yield word, origins
                word, origins = "", []
            if apart:
                yield sign, [at]
            elif sign != " ":
                word += sign
                origins.append(at)
    if word:
        yield word, origins


@lru_cache(maxsize=8192)
def _cleaned(character: str) -> str:
    """A character in small letters without accents; a blank for white space, nothing for what controls."""
    if character in "\t\n\r" or unicodedata.category(character).startswith("Z"):
        return " "
    if character == "\ufffd" or unicodedata.category(character).startswith("C"):
        return ""
    parts = unicodedata.normalize("NFD", character)
    return "".join(part for part in parts if unicodedata.category(part) != "Mn").lower()


def _is_ideograph(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in _IDEOGRAPHS)


def _is_punctuation(sign: str) -> bool:
    """Whether a sign is a token of its own: all signs of ASCII, and what Unicode calls punctuation."""
    if sign.isascii():
        return sign.isprintable() and not sign.isalnum() and sign != " "
    return unicodedata.category(sign).startswith("P")
