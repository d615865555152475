"""What the modules of all languages share: the sound of a text, and who decides on polyphones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

SymbolVersion = Literal["v1", "v2"]
"""Which phone inventory a model was trained with: 322 symbols (v1) or 732 (v2 and everything later)."""

Polyphones = Callable[[str], Sequence[str | None]]
"""Reads a Chinese clause: for each character its pinyin with tone number (`"zhong4"`), None without an opinion."""


class Word(NamedTuple):
    """A word of a normalised text, or a mark in it, and how many phones say it."""

    text: str
    phones: int


@dataclass(frozen=True)
class Pronunciation:
    """Phones of a text in one language.

    phones: symbol names, each in the symbol table or replaced by `UNK` when ids are looked up.
    text: the normalised text that was pronounced.
    words: whose phones, one after the other, are all phones; none where phones of a language are not counted by words.
    word2ph: number of phones of each character of `text` (zh and yue only), else None.
    """

    phones: tuple[str, ...]
    text: str
    words: tuple[Word, ...] = ()
    word2ph: tuple[int, ...] | None = None
