"""Pinyin to phones: an initial and a final with tone for each syllable, in the opencpop-strict inventory."""

import re
from functools import cache

from pypinyin.contrib.tone_convert import to_finals_tone3, to_initials

from timbral.text.g2p.pronunciation import SymbolVersion
from timbral.text.symbols import symbols

_INITIALS = ("zh", "ch", "sh", *"bpmfdtnlgkhjqxrzcsyw")
_OPEN = {"a": "AA", "e": "EE", "o": "OO"}
_SHORTENED = {"uei": "ui", "iou": "iu", "uen": "un"}
_WHOLE = {"ing": "ying", "i": "yi", "in": "yin", "u": "wu"}
_GLIDES = {"v": "yu", "i": "y", "u": "w"}
_SYLLABLE = re.compile("[a-z]{1,6}[1-5]")
_WITHOUT_VOWEL = {"m": "mu", "n": "en", "ng": "eng", "hm": "heng", "hng": "heng"}


@cache
def split_pinyin(pinyin: str) -> tuple[str, str]:
    """`"zhong1"` to its strict initial and final with tone, `("zh", "ong1")`; a pause to itself twice."""
    if not pinyin[0].isalpha():
        return pinyin, pinyin
    body, tone = pinyin[:-1], pinyin[-1]
    spelled = _WITHOUT_VOWEL.get(body, body) + tone
    return to_initials(spelled), to_finals_tone3(spelled, neutral_tone_with_five=True)


@cache
def phones_of(initial: str, final: str) -> tuple[str, ...]:
    """Phones of a strict initial and final with tone; punctuation, which is both, is its own phone."""
    if initial == final:
        return (initial,)
    body, tone = final[:-1], final[-1]
    return _as_phones(initial + _SHORTENED.get(body, body) if initial else _spelled_alone(body), tone)


def _spelled_alone(body: str) -> str:
    return _WHOLE.get(body) or _GLIDES.get(body[0], body[0]) + body[1:]


def _as_phones(spelling: str, tone: str) -> tuple[str, str]:
    initial = next((i for i in _INITIALS if spelling.startswith(i)), "")
    final = spelling.removeprefix(initial)
    if not initial:
        return _OPEN[spelling[0]], final + tone
    if final == "i":
        # the vowel of zhi is not that of zi, and neither is that of ji
        final = "ir" if initial in {"zh", "ch", "sh", "r"} else "i0" if initial in {"z", "c", "s"} else "i"
    elif initial in {"j", "q", "x", "y"} and final.startswith("u"):
        final = "v" + final[1:]
    elif initial == "y" and final in {"e", "an"}:
        final = "E" + final[1:]
    elif final == "ue":
        final = "ve"
    return initial, final + tone


def phones_of_reading(reading: str, version: SymbolVersion) -> tuple[str, ...] | None:
    """Phones of syllables of pinyin with tone numbers, None if one is no syllable of Mandarin."""
    phones: list[str] = []
    for syllable in reading.replace("u:", "v").replace("ü", "v").split():
        initial, final = split_pinyin(syllable) if _SYLLABLE.fullmatch(syllable) else ("", "")
        if not final:
            return None
        phones += phones_of(initial, final)
    return tuple(phones) if phones and set(phones) <= {*symbols(version)} else None
