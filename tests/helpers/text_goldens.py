"""Sentences with the phones that the official front end gives them (tests/data/goldens/text_*.json)."""

import json
from typing import Any

from tests.helpers.paths import DATA
from timbral.text.g2p.pronunciation import Pronunciation, SymbolVersion
from timbral.text.symbols import symbols

_FOLDER = DATA / "goldens"


def sentences(name: str) -> list[dict[str, Any]]:
    """text, norm_text and phones (separated by blanks) of each sentence of a file, such as `en_v2`."""
    rows: list[dict[str, Any]] = json.loads((_FOLDER / f"text_{name}.json").read_text("utf-8"))
    return rows


def written(pronunciation: Pronunciation, version: SymbolVersion) -> str:
    """Phones as the goldens write them: what the symbol table lacks is UNK."""
    known = set(symbols(version))
    return " ".join(phone if phone in known else "UNK" for phone in pronunciation.phones)
