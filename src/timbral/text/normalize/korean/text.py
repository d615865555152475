"""Korean text as written to what is said: figures, dates, units and signs in hangul.

Rules run in a fixed order, each over the whole text, from the most specific notation (telephone numbers, dates) to
plain numbers. A rule leaves figures that a later one has to spell.
"""

import re

from timbral.text.normalize.korean.calendar import CALENDAR
from timbral.text.normalize.korean.formulas import FORMULAS, HYPHEN, RANGES
from timbral.text.normalize.korean.numerals import digits, sino
from timbral.text.normalize.korean.quantities import COUNTED_RANGE, MONEY, NUMBERS, UNITS_AND_COUNTERS
from timbral.text.normalize.korean.units import LETTERS, SIGNS, WORDS
from timbral.text.normalize.rewriting import Rule, replacements, rewrite, rule

_LONGEST_TELEPHONE = 13


def _telephone(match: re.Match[str]) -> str:
    """The figures of each group one by one, 국가번호 before the code of a country."""
    country, number = match.groupdict().get("country"), match["number"]
    groups = re.findall(r"\d+", number)
    zero = "공" if sum(map(len, groups)) <= _LONGEST_TELEPHONE else "영"
    spoken = " ".join(digits(group, zero) for group in groups)
    return f"국가번호 {digits(country)} {spoken}" if country else spoken


def _dotted(match: re.Match[str]) -> str:
    """A version by the value of its numbers, an address of the internet figure by figure."""
    parts = match[0].split(".")
    address = len(parts) == 4 and all(int(part) < 256 for part in parts)
    return "점".join(digits(part, "공") if address else sino(part) for part in parts)


_FORMS: tuple[Rule, ...] = (
    rule(r"[〜～∼]", "~"),
    rule(r"[−－](?=\d)|(?<=\d)[‐‑–—―](?=\d)", "-"),
    rule(r"(?<=[가-힣])(?<!제)(?=\d)", " "),
)
_SPELT: tuple[Rule, ...] = (
    rule(r"\d{31,}", lambda match: digits(match[0])),
    # Telephone numbers and numbers of cards.
    rule(
        r"(?<![\d+])\+(?P<country>\d{1,3})[- ](?P<number>\(?\d{1,4}\)?(?:[-. ]{1,2}\d{2,4}){1,3})(?!\d)",
        _telephone,
    ),
    rule(
        r"(?<![\d.+])(?P<number>\(?0\d{1,3}\)?[-. ]{0,2}\d{3,4}[-. ]\d{4}"
        r"|\(?\d{3}\)?[-. ]{1,2}\d{3,4}[-.]\d{4}|\(\d{3}\)\d{3}-\d{4})(?!\d)",
        _telephone,
    ),
    rule(r"(?<![\d-])(?P<number>\d{3,4}(?:-\d{4}){1,3}|0\d{9,10})(?![\d-])", _telephone),
    rule(
        r"(?P<lead>(?:[네4] ?자리|끝 ?자리|번호는?|코드는?)\s?)(?P<n>\d{3,20})(?![\d,.년월원])",
        lambda match: match["lead"] + digits(match["n"]),
    ),
    replacements(WORDS, "(?<![A-Za-z0-9.]){}(?![A-Za-z0-9])"),
)
_VERSIONS = rule(r"(?<![\d.])\d{1,4}(?:\.\d{1,4}){2,6}(?!\.?\d)", _dotted)
_SIGNS_AND_LETTERS: tuple[Rule, ...] = (
    replacements(SIGNS),
    rule(r"(?<=[A-Za-z가-힣])\.(?=[A-Za-z]{2,4}(?![A-Za-z]))", " 닷 "),
    rule(r"[A-Za-z]", lambda match: LETTERS[match[0].lower()]),
    rule(r" {2,}", " "),
)
_RULES = (
    *_FORMS,
    *_SPELT,
    *CALENDAR,
    *MONEY,
    COUNTED_RANGE,
    *RANGES,
    *FORMULAS,
    _VERSIONS,
    HYPHEN,
    *UNITS_AND_COUNTERS,
    NUMBERS,
    *_SIGNS_AND_LETTERS,
)


def normalize(text: str) -> str:
    """Korean text in words: 3월 15일 is 삼월 십오일, 3개 세개; letters are spelt."""
    return rewrite(text, _RULES)
