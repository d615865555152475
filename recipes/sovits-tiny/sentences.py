"""The sentences of the recipe: what synthetic speech says, and what stays out of it for evaluation."""

import random
from pathlib import Path

LENGTHS = {"zh": (6, 30), "en": (18, 120), "ja": (8, 40)}
"""Characters of a sentence."""
HELD_OUT = 150


def sentences(folder: Path, lang: str, *, held_out: bool) -> list[str]:
    """Lines of LANG.txt of fitting length and without digits, shuffled: the first 150, or the rest."""
    low, high = LENGTHS[lang]
    lines = (folder / f"{lang}.txt").read_text().splitlines()
    found = [t for t in lines if low <= len(t) <= high and not any(c.isdigit() for c in t)]
    if lang == "zh":
        found = [t for t in found if not any("a" <= c.lower() <= "z" for c in t)]
    random.Random(5).shuffle(found)
    return found[:HELD_OUT] if held_out else found[HELD_OUT:]
