"""Makes any string of Unicode fit to be read aloud, before the languages look at it.

Variants get their plain spelling (full-width and styled letters, `ß`, `①`, `㎏`). What nobody can hear goes: markup,
controls, emoji, marks of direction, scripts that no supported language reads.
"""

import re
import unicodedata
from functools import lru_cache
from itertools import groupby

from timbral.text.formatting import remove_formatting
from timbral.text.scripts import GREEK, HAN, HANGUL, KANA, LATIN

PLACEHOLDER = "\ue000"
"""Stands in a text for a word whose reading the user gives (see `timbral.text.markup`)."""

_LONGEST_WORD = 60
_LONGEST_NUMBER = 15
"""Digits; more than a card has are read one by one in every language."""
_MOST_SAME_SIGNS = 6
_MOST_SIGNS = 20
_MOST_COMBINING = 8
"""Combining marks on one character; Unicode normalisation sorts them in quadratic time."""
_COMPATIBLE = re.compile(
    "["
    "\u2100\u2102\u210a-\u2115\u2119-\u211d\u2124\u2128\u212a-\u2134"  # letter-like symbols
    "\u2150-\u217f\u00bc-\u00be\u2080-\u2089"  # fractions, Roman numerals, subscripts
    "\u2460-\u24ff\u2776-\u2793\u3200-\u33ff"  # enclosed characters, squared units
    "\u2f00-\u2fd5\uf900-\ufaff"  # radicals and duplicates of ideographs
    "\ufb00-\ufb06"  # ligatures
    "\uff03-\uff06\uff0b\uff10-\uff19\uff1d\uff20-\uff3a\uff41-\uff5a\uff66-\uff9f"  # full-width, half-width
    "\U0001d400-\U0001d7ff\U0001f100-\U0001f189"  # letters styled as mathematics or in boxes
    "]+"
)
_LETTER = re.compile(f"[{HAN}{KANA}{HANGUL}{LATIN}{GREEK}]")
_READ_MARK = re.compile("[\u00a1-\u00bf\u2010-\u205e\u3001-\u303f\u30a0\u30fb\uff01-\uff65]")
_FOREIGN_MARKS = {"،": ",", "؛": ";", "؟": "?", "۔": ".", "।": ".", "։": "."}
_LETTERS_WITHOUT_ACCENT = str.maketrans(
    {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
    | {"đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ħ": "h", "Ħ": "H", "ı": "i", "ŋ": "ng"}
)
_IDEOGRAPH_VARIANTS = str.maketrans("𠮷𠮟髙﨑德𣘺", "吉叱高崎德橋")
_SPOKEN_SYMBOLS = frozenset("℃℉№°©®™§")
_NUMBERED = re.compile("[\u2160-\u2188\u2460-\u249b\u24ea-\u24ff\u2776-\u2793]")
_ROMAN_NUMERAL = re.compile(
    rf"(?<=[{HAN}])(?=[IVX]{{2,6}}(?![A-Za-z0-9]))(X{{0,3}})(IX|IV|V?I{{0,3}})(?![A-Za-z0-9])"
)
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10}
_INVISIBLE = re.compile("\u0000+")
_SEPARATE_WORDS = f"[{LATIN}{HANGUL}{GREEK}0-9]"
_BETWEEN_WORDS = re.compile(f"(?<={_SEPARATE_WORDS})\u0000+(?={_SEPARATE_WORDS})")
_LONG_WORD = re.compile(f"([{LATIN}]{{{_LONGEST_WORD}}})(?=[{LATIN}])")
_LONG_NUMBER = re.compile(f"[0-9]{{{_LONGEST_NUMBER + 1},}}")
_MANY_SIGNS = re.compile(rf"([^\w\s])\1{{{_MOST_SAME_SIGNS},}}")
_LONG_SIGNS = re.compile(rf"([^\w\s]{{{_MOST_SIGNS}}})[^\w\s]+")
_LEADING_PAUSES = re.compile(r"^[ ,;，、；]+", re.MULTILINE)
_SPACES = re.compile(r"[^\S\n]+")


def _spell_out(match: re.Match[str]) -> str:
    spelled = _NUMBERED.sub(lambda sign: f"{unicodedata.numeric(sign[0]):g}", match[0])
    spelled = unicodedata.normalize("NFKC", spelled).replace("\u2044", "/")
    mixed_number = "/" in spelled and match.start() > 0 and match.string[match.start() - 1].isdigit()
    return " " + spelled if mixed_number else spelled


def _roman_in_digits(match: re.Match[str]) -> str:
    values = [_ROMAN_VALUES[letter] for letter in match[0]]
    return str(sum(-v if v < after else v for v, after in zip(values, [*values[1:], 0], strict=True)))


def _bounded(text: str) -> str:
    """The text with no more combining marks in a row than any language uses."""
    if text.isascii():
        return text
    kept: list[str] = []
    row = 0
    for character in text:
        row = row + 1 if unicodedata.combining(character) else 0
        if row <= _MOST_COMBINING:
            kept.append(character)
    return "".join(kept)


@lru_cache(maxsize=16384)
def _audible(character: str) -> str:
    """The character or its stand-in: a space, an ASCII digit, nothing, or `\\0` where words may part."""
    category = unicodedata.category(character)
    if character == "\n" or character.isascii():
        return character if character.isprintable() or character == "\n" else " "
    if category in ("Zl", "Zp"):
        return "\n"
    if category[0] == "Z":
        return " "
    if category == "Nd":
        return str(unicodedata.digit(character))
    if category[0] == "P":
        return character if _READ_MARK.match(character) else _FOREIGN_MARKS.get(character, "\0")
    if category in ("Sc", "Sm") or character in _SPOKEN_SYMBOLS:
        return character
    if category[0] == "L" or character == "\u3007":
        return character if _LETTER.match(character) else "\0"
    if category == "No":
        return character
    if category in ("Cf", "Mn", "Me"):
        return ""
    return character if character == PLACEHOLDER else "\0"


@lru_cache(maxsize=16384)
def _is_unread(character: str) -> bool:
    """Whether a character belongs to a script that no supported language reads."""
    if character.isascii() or unicodedata.category(character)[0] not in "LM":
        return False
    return unicodedata.category(character)[0] == "M" or not any(
        map(_LETTER.match, unicodedata.normalize("NFKC", character))
    )


def unread(text: str) -> list[str]:
    """The stretches of `text` in scripts that no supported language reads, which `clean` leaves out."""
    if text.isascii():
        return []
    text = unicodedata.normalize("NFC", _bounded(text))
    stretches = ("".join(group) for unread, group in groupby(text, _is_unread) if unread)
    return [stretch for stretch in stretches if any(map(str.isalpha, stretch))]


def clean(text: str) -> str:
    """`text` with characters that cannot be spoken removed and variants of characters unified.

    Line breaks stay, every other run of white space becomes one space. Endless words, numbers and rows of
    signs are broken up or shortened, so that no language has to cope with them. Linear in the length.
    """
    text = _bounded(text.replace("\r\n", "\n").replace("\r", "\n"))
    text = remove_formatting(unicodedata.normalize("NFC", text))
    text = _COMPATIBLE.sub(_spell_out, text)
    text = _ROMAN_NUMERAL.sub(_roman_in_digits, text)
    text = text.translate(_IDEOGRAPH_VARIANTS).translate(_LETTERS_WITHOUT_ACCENT)
    text = "".join(map(_audible, unicodedata.normalize("NFC", text)))
    text = _INVISIBLE.sub("", _BETWEEN_WORDS.sub(" ", text))
    text = _LONG_WORD.sub(r"\1 ", text)
    text = _LONG_NUMBER.sub(lambda digits: " ".join(digits[0]), text)
    text = _LONG_SIGNS.sub(r"\1", _MANY_SIGNS.sub(lambda sign: sign[1] * _MOST_SAME_SIGNS, text))
    return _LEADING_PAUSES.sub("", _SPACES.sub(" ", text)).strip()
