"""Korean text to jamo as they are said, with `空` for blanks and `停` for what has no phone.

The rules are those of the Standard Pronunciation (after g2pk2); compound vowels are two phones.
"""

import re

from timbral.text.g2p.korean.jamo import decompose, letters
from timbral.text.g2p.korean.rules import change_sounds, say_idioms
from timbral.text.g2p.korean.words import mark_grammar
from timbral.text.g2p.pronunciation import Pronunciation, SymbolVersion
from timbral.text.scripts import HANGUL

_COMPOUND_VOWELS = (
    "ㅘㅗㅏ ㅙㅗㅐ ㅚㅗㅣ ㅝㅜㅓ ㅞㅜㅔ ㅟㅜㅣ ㅢㅡㅣ ㅑㅣㅏ ㅒㅣㅐ ㅕㅣㅓ ㅖㅣㅔ ㅛㅣㅗ ㅠㅣㅜ"
)
_VOWEL_PARTS = str.maketrans({row[0]: row[1:] for row in _COMPOUND_VOWELS.split()})
_PHONES = {
    **{letter: letter for letter in "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎㅏㅐㅓㅔㅗㅜㅡㅣ"},
    **{mark: mark for mark in "!?…,.-"},
    **dict(zip(":;：；，。！？\n·、 ", ",,,,,.!?.,,空", strict=True)),
}


def pronounce(text: str, version: SymbolVersion) -> Pronunciation:
    """Phones of a Korean text; they are in the symbol table of v2, v1 has none of them."""
    said = change_sounds(decompose(mark_grammar(say_idioms(text))))
    # A vowel that lost its onset to a rule gets the silent one.
    said = re.sub("(^|[^ᄀ-ᄒ])([ᅡ-ᅵ])", r"\1ᄋ\2", said)
    spelt = letters(decompose(said)).translate(_VOWEL_PARTS)
    spelt = re.sub("([ㅇㄹ]ㅡㄹ) ㄹ", r"\1 ㄴ", spelt)
    if re.search("[ㄱ-ㅣ]$", spelt):
        spelt += "."
    return Pronunciation(tuple(_PHONES.get(character, "停") for character in spelt), text)


def phones_of_reading(reading: str, version: SymbolVersion) -> tuple[str, ...] | None:
    """Phones of a respelling in hangul; None if it is something else."""
    if not re.fullmatch(f"[{HANGUL} ]+", reading.strip()):
        return None
    return pronounce(reading.strip() + "-", version).phones[:-1]
