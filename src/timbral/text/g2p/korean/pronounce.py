"""Korean text to jamo as they are said, with `空` for blanks and `停` for what has no phone.

Latin letters are spelt, numbers read, then the rules of the Standard Pronunciation are applied (g2pk2);
compound vowels are two phones.
"""

import re
from functools import cache

from timbral.text.g2p.korean.jamo import decompose, letters
from timbral.text.g2p.korean.numbers import spell_numbers
from timbral.text.g2p.korean.rules import change_sounds, say_idioms
from timbral.text.g2p.lattice import Lexicon, load
from timbral.text.g2p.pronunciation import Pronunciation, SymbolVersion

_LETTER_NAMES = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        [
            "에이",
            "비",
            "시",
            "디",
            "이",
            "에프",
            "지",
            "에이치",
            "아이",
            "제이",
            "케이",
            "엘",
            "엠",
            "엔",
            "오",
            "피",
            "큐",
            "아르",
            "에스",
            "티",
            "유",
            "브이",
            "더블유",
            "엑스",
            "와이",
            "제트",
        ],
        strict=True,
    )
)
_VOWEL_PARTS = str.maketrans(
    dict(
        zip(
            "ㅘㅙㅚㅝㅞㅟㅢㅑㅒㅕㅖㅛㅠ",
            [
                "ㅗㅏ",
                "ㅗㅐ",
                "ㅗㅣ",
                "ㅜㅓ",
                "ㅜㅔ",
                "ㅜㅣ",
                "ㅡㅣ",
                "ㅣㅏ",
                "ㅣㅐ",
                "ㅣㅓ",
                "ㅣㅔ",
                "ㅣㅗ",
                "ㅣㅜ",
            ],
            strict=True,
        )
    )
)
_PHONES = {
    **{letter: letter for letter in "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎㅏㅐㅓㅔㅗㅜㅡㅣ"},
    **{mark: mark for mark in "!?…,.-"},
    **dict(zip("：；，。！？\n·、 ", ",,,.!?.,,空", strict=True)),
}
_STEM_CODAS, _ENDING_CODA = "ᆫᆬᆷᆱᆰᆲᆴ", "ᆯ"


def normalize(text: str) -> str:
    """Korean needs no separate step: letters and numbers are read while it is pronounced."""
    return text


def pronounce(text: str, version: SymbolVersion) -> Pronunciation:
    """Phones of a Korean text; they are in the symbol table of v2, v1 has none of them."""
    marked = spell_numbers(_mark_grammar(say_idioms(_spell_latin(text))))
    said = change_sounds(decompose(marked))
    # A vowel that lost its onset to a rule gets the silent one.
    said = re.sub("(^|[^ᄀ-ᄒ])([ᅡ-ᅵ])", r"\1ᄋ\2", said)
    spelt = letters(decompose(said)).translate(_VOWEL_PARTS)
    spelt = re.sub("([ㅇㄹ]ㅡㄹ) ㄹ", r"\1 ㄴ", spelt)
    if re.search("[ㄱ-ㅣ]$", spelt):
        spelt += "."
    return Pronunciation(tuple(_PHONES.get(character, "停") for character in spelt), normalize(text))


@cache
def _lexicon() -> Lexicon:
    lexicon, _ = load("ko_words.npz.xz")
    lexicon.penalize_after_blank([int(features.split(",")[1]) for features in lexicon.classes])
    return lexicon


def _spell_latin(text: str) -> str:
    return "".join(
        _LETTER_NAMES.get(character.lower(), character) if character.isascii() else character
        for character in text
    )


def _mark_grammar(text: str) -> str:
    """Marks what the sound rules ask for, at the ends of words.

    /P stems of verbs, /E endings in -ㄹ, /B counters.
    """
    lexicon = _lexicon()
    words = lexicon.split(text)
    if "".join(text[word.start : word.end] for word in words) != text.replace(" ", ""):
        return text
    marked, place = "", 0
    for word in words:
        marked += text[place : word.end]
        place = word.end
        tag = lexicon.classes[word.word_class].split(",")[0]
        coda = decompose(text[word.end - 1])[-1]
        if tag == "NNBC":
            marked += "/B"
        elif tag.startswith("E") and coda == _ENDING_CODA:
            marked += "/E"
        elif tag.startswith("V") and coda in _STEM_CODAS:
            marked += "/P"
    return marked + text[place:]
