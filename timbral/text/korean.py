"""Korean text to jamo as they are said, with `空` for blanks and `停` for what has no phone.

Latin letters are spelt, numbers read, then the rules of the Standard Pronunciation are applied (g2pk2); compound
vowels are two phones.
"""

import re
from functools import cache

from timbral.text.korean_jamo import decompose, letters
from timbral.text.korean_numbers import spell_numbers
from timbral.text.korean_rules import change_sounds, say_idioms
from timbral.text.lattice import Lexicon, load
from timbral.text.pronunciation import Pronunciation, SymbolVersion

_LETTER_NAMES = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        "에이 비 시 디 이 에프 지 에이치 아이 제이 케이 엘 엠 엔 오 피 큐 아르 에스 티 유 브이 더블유 엑스 와이 제트".split(),
        strict=True,
    )
)
_VOWEL_PARTS = str.maketrans(
    dict(
        zip("ㅘㅙㅚㅝㅞㅟㅢㅑㅒㅕㅖㅛㅠ", "ㅗㅏ ㅗㅐ ㅗㅣ ㅜㅓ ㅜㅔ ㅜㅣ ㅡㅣ ㅣㅏ ㅣㅐ ㅣㅓ ㅣㅔ ㅣㅗ ㅣㅜ".split(), strict=True)
    )
)
_PHONES = {
    **{letter: letter for letter in "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎㅏㅐㅓㅔㅗㅜㅡㅣ"},
    **{mark: mark for mark in "!?…,.-"},
    **dict(zip("：；，。！？\n·、 ", ",,,.!?.,,空", strict=True)),
}
_STEM_CODAS, _ENDING_CODA = "ᆫᆬᆷᆱᆰᆲᆴ", "ᆯ"
