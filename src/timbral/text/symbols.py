"""The phone inventories of the GPT-SoVITS family: which integer stands for which phone.

The tables are those of the official code (RVC-Boss/GPT-SoVITS, `text/symbols.py` and `symbols2.py`):
checkpoints index their text embedding by them, so the order can never change. v1's table is the beginning of
v2's.
"""

import json
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from timbral.text.g2p.pronunciation import SymbolVersion
from timbral.text.resources import read_text

UNKNOWN = "UNK"
"""The phone that stands for every phone that a table lacks."""

PAUSES = frozenset({*"!?…,.-_[]空停", "SP", "SP2", "SP3", UNKNOWN})
"""Phones without speech of their own: punctuation, silences, prosody marks and the unknown phone."""


@lru_cache(maxsize=2)
def symbols(version: SymbolVersion) -> tuple[str, ...]:
    """All phones of a table in the order of their ids: 322 (v1) or 732 (v2)."""
    data = json.loads(read_text("symbols.json"))
    table: list[str] = data["symbols"]
    return tuple(table[: data["v1"]] if version == "v1" else table)


@lru_cache(maxsize=2)
def _ids_of(version: SymbolVersion) -> dict[str, int]:
    return {symbol: index for index, symbol in enumerate(symbols(version))}


def known_phones(phones: Iterable[str], version: SymbolVersion) -> tuple[str, ...]:
    """The phones with each one that the table lacks replaced by `UNK`."""
    table = _ids_of(version)
    return tuple(phone if phone in table else UNKNOWN for phone in phones)


def phone_ids(phones: Iterable[str], version: SymbolVersion) -> NDArray[np.int64]:
    """Ids of phones, int64 [n]; a phone that the table lacks gets the id of `UNK`."""
    table = _ids_of(version)
    unknown = table[UNKNOWN]
    return np.array([table.get(phone, unknown) for phone in phones], dtype=np.int64)
