"""Cantonese: a text to phones, two for each syllable (initial, rest with tone) and one for each pause.

The official front end first makes the characters simplified, which merges words that sound different (隻 zek3
and 只 zi2). Here a text is read in the characters that it is written in.
"""

import re
from functools import cache

from timbral.errors import TextError
from timbral.text.g2p.pronunciation import Pronunciation, SymbolVersion
from timbral.text.normalize.chinese import official as official_rules
from timbral.text.normalize.chinese.text import rewrite, with_pauses
from timbral.text.scripts import PAUSES

__all__ = ["normalize", "pronounce", "pronounce_officially"]

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
_OFFICIAL_MARKS = str.maketrans("：；，。！？·、$～~—", ",,,.!?,,.---")


def normalize(text: str) -> str:
    """The text in words, its punctuation reduced to single `PAUSES`; else only ideographs are left."""
    # Cantonese has no 幺 for one, not even on the telephone
    written = rewrite(text) if "幺" in text else rewrite(text).replace("幺", "一")
    spoken = "".join(official_rules.verbalize(clause) for clause in official_rules.clauses(written))
    return _pronounceable(with_pauses(spoken))


def pronounce(text: str, version: SymbolVersion) -> Pronunciation:
    """How a Cantonese text sounds. Raises TextError for v1, whose phones have no Cantonese."""
    return _pronounce(normalize(text), version)


def pronounce_officially(text: str, version: SymbolVersion) -> Pronunciation:
    """What the official front end of GPT-SoVITS makes of a Cantonese text.

    Raises TextError for v1, of which the official code makes silence.
    """
    spoken = "".join(
        official_rules.verbalize(official_rules.simplify(clause)) for clause in official_rules.clauses(text)
    )
    marked = spoken.replace("...", "…").translate(_OFFICIAL_MARKS)
    return _pronounce(_pronounceable(re.sub(rf"[^一-龥{PAUSES}]", "", marked)), version)


def _pronounce(normalized: str, version: SymbolVersion) -> Pronunciation:
    if version == "v1":
        raise TextError("models of version v1 do not speak Cantonese: use one of version v2 or later")
    phones: list[str] = []
    word2ph: list[int] = []
    for char, reading in _readings(normalized):
        syllables = map(_phones_of, reading.split())
        spoken = [char] if char in PAUSES else [phone for syllable in syllables for phone in syllable]
        phones += spoken
        word2ph.append(len(spoken))
    return Pronunciation(tuple(phones), normalized, tuple(word2ph))


def _pronounceable(text: str) -> str:
    """The text without ideographs that have no jyutping."""
    return "".join(char for char, reading in _readings(text) if char in PAUSES or reading)


def _readings(text: str) -> list[tuple[str, str]]:
    """Each character with its jyutping: mostly one syllable with tone number, none for what is not read."""
    import ToJyutping  # takes half a second, which only Cantonese should cost

    return [(char, reading or "") for char, reading in ToJyutping.get_jyutping_list(text)]


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
