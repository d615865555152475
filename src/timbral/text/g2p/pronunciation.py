"""What all language modules share: what they return, the sound of a text, and how they may be told to read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

SymbolVersion = Literal["v1", "v2"]
"""Which phone inventory a model was trained with: 322 symbols (v1) or 732 (v2 and everything later)."""

Reading = Literal["official", "best"]
"""How Chinese and Cantonese are read: as the official front end does, mistakes included, or as they should be."""

Polyphones = Callable[[str], Sequence[str | None]]
"""Reads a Chinese clause: for each character its pinyin with tone number (`"zhong4"`), None without an opinion."""


@dataclass(frozen=True)
class Pronunciation:
    """Phones of a text in one language.

    phones: symbol names, each in the symbol table or replaced by `UNK` when ids are looked up.
    text: the normalised text that was pronounced.
    word2ph: number of phones of each character of `text` (zh and yue only), else None.
    """

    phones: tuple[str, ...]
    text: str
    word2ph: tuple[int, ...] | None = None
