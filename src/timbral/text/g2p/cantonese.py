"""Cantonese: a text to phones, two for each syllable (initial, rest with tone) and one for each pause.

The official front end first makes the characters simplified, which merges words that sound different (隻 zek3
and 只 zi2). Here a text is read in the characters that it is written in.
"""

import gc
import re
from functools import cache
from importlib import import_module
from typing import Any

from timbral.errors import TextError
from timbral.text.g2p.pronunciation import Pronunciation, SymbolVersion
from timbral.text.scripts import PAUSES
from timbral.text.symbols import symbols

__all__ = ["phones_of_reading", "pronounce"]

# In the order of the official list: the first that fits wins, whatever jyutping calls an initial.
_INITIAL = re.compile(
    "aa|ai|au|ap|at|ak|a|p|b|e|t|d|kw|k|gw|g|f|h|l|m|ng|n|s|w|c|z|j|ong|on|ou|oi|ok|o|uk|ung"
)
_WITHOUT_SYMBOL = {
    # syllables of which a half has no symbol, by the nearest that has one
    "at": ("a", "t"),
    "ap": ("a", "p"),
    "ang": ("a", "ang"),
    "aang": ("aa", "aang"),
    "ong": ("o", "ong"),
    "ung": ("o", "ung"),
    "ik": ("j", "ik"),
    "it": ("j", "it"),
    "oet": ("o", "oek"),
    "hng": ("h", "ang"),
}
_NEAREST_FINAL = {"eu": "iu", "em": "im", "en": "in", "ep": "ip", "et": "ek", "oet": "oek"}
_SYLLABLE = re.compile("[a-z]{1,6}[1-6]")
_READINGS = {"瀡": "soe4"}
"""Readings that the dictionary lacks or has otherwise."""


def pronounce(text: str, version: SymbolVersion) -> Pronunciation:
    """How a normalised Cantonese text sounds; ideographs that have no jyutping are left out.

    Raises TextError for v1, whose phones have no Cantonese.
    """
    if version == "v1":
        raise TextError("models of version v1 do not speak Cantonese: use one of version v2 or later")
    phones: list[str] = []
    word2ph: list[int] = []
    spoken = ""
    for char, reading in _readings(text):
        syllables = map(_phones_of, reading.split())
        sounds = [char] if char in PAUSES else [phone for syllable in syllables for phone in syllable]
        if sounds:
            spoken += char
            phones += sounds
            word2ph.append(len(sounds))
    return Pronunciation(tuple(phones), spoken, word2ph=tuple(word2ph))


def phones_of_reading(reading: str, version: SymbolVersion) -> tuple[str, ...] | None:
    """Phones of jyutping (`"coeng4 gong1"`); None if it is something else, or v1, which has no Cantonese."""
    syllables = reading.split()
    if not syllables or not all(map(_SYLLABLE.fullmatch, syllables)):
        return None
    phones = tuple(phone for syllable in syllables for phone in _phones_of(syllable))
    return phones if set(phones) <= {*symbols(version)} else None


def _readings(text: str) -> list[tuple[str, str]]:
    """Each character with its jyutping: mostly one syllable with tone number, none for what is not read."""
    return [
        (char, _READINGS.get(char, reading or "")) for char, reading in _dictionary().get_jyutping_list(text)
    ]


@cache
def _dictionary() -> Any:
    """ToJyutping, loaded when Cantonese is first read: it takes a third of a second, twice that with collections."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return import_module("ToJyutping")
    finally:
        if collects:
            gc.enable()


@cache
def _phones_of(syllable: str) -> tuple[str, str]:
    body, tone = syllable[:-1], syllable[-1]
    if body in _WITHOUT_SYMBOL:
        initial, rest = _WITHOUT_SYMBOL[body]
    else:
        match = _INITIAL.match(body)
        initial = match[0] if match else body[:1]
        rest = body.removeprefix(initial) or initial[-1]
        rest = _NEAREST_FINAL.get(rest, rest)
    return f"Y{initial}", f"Y{rest}{tone}"
