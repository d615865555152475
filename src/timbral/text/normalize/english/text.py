"""English as it is said: numbers, dates, units, signs and abbreviations in words.

Each group of rules takes away what the next ones could misread, so the order matters: what is long and special
(addresses, dates, telephone numbers) comes before what is short and plain.
"""

import re
import unicodedata

from timbral.text.normalize.english.abbreviations import ABBREVIATIONS, NUMERALS
from timbral.text.normalize.english.calendar import DATES, TIMES
from timbral.text.normalize.english.codes import ADDRESSES, CODES, NAMES
from timbral.text.normalize.english.electronic import RULES as ELECTRONIC
from timbral.text.normalize.english.measures import MEASURES
from timbral.text.normalize.english.money import MONEY
from timbral.text.normalize.english.quantities import NUMBERS, QUANTITIES
from timbral.text.normalize.english.rules import apply
from timbral.text.normalize.english.symbols import SIGNS

_QUOTES = str.maketrans(
    {"’": "'", "‘": "'", "ʼ": "'", "＇": "'", "`": "'", "´": "'", "′": "'", "″": '"', "“": '"', "”": '"'}
)
_DASHES = str.maketrans({"‐": "-", "‑": "-", "‒": "-", "–": "-", "−": "-", "～": "~", "〜": "~", "∼": "~"})
_PAUSES = str.maketrans(
    {
        ";": ",",
        ":": ",",
        "：": ",",
        "，": ",",
        "；": ",",
        "、": ",",
        "。": ".",
        "！": "!",
        "？": "?",
        "·": ",",
    }
)
_LONG_DASH = re.compile(r"\s?(?:[—―─━]+|(?<=[\w\s])--+(?=[\w\s]))\s?")
_ELLIPSIS = re.compile(r"\s?(?:…|\.\s?\.\s?\.)[.…]*")
_SPACED_THOUSANDS = re.compile(r"(?<=\d) (?=000(?: 000)*(?!\w)(?!\.\d))")
_WORDLESS_APOSTROPHE = re.compile(
    r"(?<![A-Za-z0-9.])'(?!(?:em|til|tis|twas|cause|bout|round)\b)|'(?![A-Za-z0-9])(?<!in')", re.IGNORECASE
)
_UNSPEAKABLE = re.compile(r"[^ A-Za-z'.,?!\-]")
_REPEATED_PUNCTUATION = re.compile(r"([!?.,\-])(?:\s?[!?.,\-])+")

_GROUPS = (
    ELECTRONIC,
    DATES,
    TIMES,
    CODES,
    ADDRESSES,
    ABBREVIATIONS,
    MONEY,
    MEASURES,
    QUANTITIES,
    NUMERALS,
    NAMES,
    NUMBERS,
    SIGNS,
)


def normalize(text: str) -> str:
    """The text in words, made of letters, spaces and `'.,?!-` only."""
    text = text.translate(_QUOTES).translate(_DASHES)
    text = _LONG_DASH.sub(", ", text)
    text = _ELLIPSIS.sub(". ", text)
    text = _SPACED_THOUSANDS.sub("", text)
    for rules in _GROUPS:
        text = apply(rules, text)
    text = text.translate(_PAUSES)
    decomposed = unicodedata.normalize("NFD", text)
    text = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
    text = _WORDLESS_APOSTROPHE.sub("", text)
    text = _UNSPEAKABLE.sub(" ", text)
    text = re.sub(r" +", " ", text)
    text = re.sub(r" (?=[,.?!])", "", text)
    text = _REPEATED_PUNCTUATION.sub(r"\1", text)
    return text.strip()
