"""Sound changes of Korean within and between words, by the rules of the Standard Pronunciation.

Order and content of the rules are those of g2pk2 0.0.3 (github.com/tenebo/g2pk2, after Kyubyong Park's g2pK;
Apache-2.0), which the official front end uses. They work on conjoining jamo, in a text where marks tell what
grammar knows: `/P` a verb's stem that ends here, `/E` an ending in -ㄹ.
"""

import re
from functools import cache

from timbral.text.g2p.korean.jamo import decompose
from timbral.text.resources import read_lines

_Rule = tuple[re.Pattern[str], str]


def _rule(pattern: str, replacement: str) -> _Rule:
    return re.compile(decompose(pattern)), decompose(replacement)


_PLAIN, _TENSE = "ᄀᄃᄉᄌ", "ᄁᄄᄊᄍ"
_GRAMMAR: tuple[_Rule, ...] = (
    _rule("([ᄌᄍᄎ])ᅧ", r"\1ᅥ"),
    _rule("([ᄀᄁᄂᄃᄄᄅᄆᄇᄈᄉᄊᄌᄍᄎᄏᄐᄑᄒ])ᅴ", r"\1ᅵ"),
    # Names of letters: 디귿이 is 디그시.
    _rule("(디그)ᆮᄋ", r"\1ᄉ"),
    _rule("(지으|치으|티으|히으)[ᆽᆾᇀᇂ]ᄋ", r"\1ᄉ"),
    _rule("(키으)ᆿᄋ", r"\1ᄀ"),
    _rule("(피으)ᇁᄋ", r"\1ᄇ"),
    _rule("ᆰ/P[ᄀᄁ]", "ᆯᄁ"),
    *(_rule(f"([ᆲᆴ])/P{plain}", rf"\1{tense}") for plain, tense in zip(_PLAIN, _TENSE, strict=True)),
    *(_rule(f"([ᆫᆷ])/P{plain}", rf"\1{tense}") for plain, tense in zip(_PLAIN, _TENSE, strict=True)),
    *(_rule(f"ᆬ/P{plain}", f"ᆫ{tense}") for plain, tense in zip(_PLAIN, _TENSE, strict=True)),
    *(_rule(f"ᆱ/P{plain}", f"ᆷ{tense}") for plain, tense in zip(_PLAIN, _TENSE, strict=True)),
    _rule("(바)ᆲ($|[^ᄋᄒ])", r"\1ᆸ\2"),
    _rule("(너)ᆲ([ᄌᄍᄃᄄ]ᅮ)", r"\1ᆸ\2"),
    _rule("ᆮᄋ([ᅵᅧ])", r"ᄌ\1"),
    _rule("ᇀᄋ([ᅵᅧ])", r"ᄎ\1"),
    _rule("ᆴᄋ([ᅵᅧ])", r"ᆯᄎ\1"),
    _rule("ᆮ히", "치"),
    *(_rule(f"ᆯ/E {plain}", f"ᆯ {tense}") for plain, tense in zip("ᄀᄃᄇᄉᄌ", "ᄁᄄᄈᄊᄍ", strict=True)),
    _rule("ᆯ걸", "ᆯ껄"),
    _rule("ᆯ밖에", "ᆯ빠께"),
    _rule("ᆯ세라", "ᆯ쎄라"),
    _rule("ᆯ수록", "ᆯ쑤록"),
    _rule("ᆯ지라도", "ᆯ찌라도"),
    _rule("ᆯ지언정", "ᆯ찌언정"),
    _rule("ᆯ진대", "ᆯ찐대"),
    _rule("(칠|팔)십", r"\1씹"),
    _rule("/[PE]", ""),
)

_CODAS_BEFORE_VOWELS = (
    dict(zip("ᆨᆩᆫᆮᆯᆷᆸᆺᆻᆽᆾᆿᇀᇁ", "ᄀᄁᄂᄃᄅᄆᄇᄉᄊᄌᄎᄏᄐᄑ", strict=True))
    | dict(zip("ᆪᆬᆰᆱᆲᆳᆴᆵᆹ", ("ᆨᄊ", "ᆫᄌ", "ᆯᄀ", "ᆯᄆ", "ᆯᄇ", "ᆯᄊ", "ᆯᄐ", "ᆯᄑ", "ᆸᄊ"), strict=True))
    | {"ᇂ": "ᄋ", "ᆭ": "ᄂ", "ᆶ": "ᄅ"}
)
_CODA_BEFORE_VOWEL = re.compile(f"([{''.join(_CODAS_BEFORE_VOWELS)}])ᄋ")
# The table of borders forgets a few clusters before ᄐ and ᄑ, which no phone is there for.
_CLUSTERS_LEFT = str.maketrans("ᆪᆬᆭᆰᆱᆲᆳᆴᆵᆶᆹ", "ᆨᆫᆫᆨᆷᆯᆯᆯᆸᆯᆸ")


@cache
def _borders() -> tuple[_Rule, ...]:
    """What a coda and the next onset (or the end of a word) make of each other, across a blank too."""
    header, *rows = (line.split(",") for line in read_lines("ko_syllable_borders.csv"))
    return tuple(
        _rule(row[0] + (r"(\W|$)" if onset == "end" else f"( ?){onset}"), cell.replace(" ", r"\1"))
        for row in rows
        for onset, cell in zip(header[1:], row[1:], strict=True)
        if cell
    )


@cache
def _idioms() -> tuple[tuple[str, str], ...]:
    """Words whose sound no rule gives, such as 담요 and 등불."""
    return tuple((idiom, sound) for idiom, sound in map(str.split, read_lines("ko_idioms.txt")))


def say_idioms(text: str) -> str:
    """Irregular words as they sound, still in syllables."""
    for idiom, sound in _idioms():
        text = text.replace(idiom, sound)
    return text


def change_sounds(jamo: str) -> str:
    """Marked conjoining jamo as they are said."""
    for pattern, replacement in (*_GRAMMAR, *_borders()):
        jamo = pattern.sub(replacement, jamo)
    jamo = _CODA_BEFORE_VOWEL.sub(lambda match: _CODAS_BEFORE_VOWELS[match[1]], jamo)
    return jamo.translate(_CLUSTERS_LEFT)
