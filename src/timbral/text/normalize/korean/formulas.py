"""Ranges, sums, fractions, ratios and hyphens between numbers in Korean text."""

import re

from timbral.text.normalize.korean.numerals import ends_in_consonant, sino
from timbral.text.normalize.korean.units import OPERATORS
from timbral.text.normalize.rewriting import Rule, after, before, rule

_PARTICLES = {
    "이": "이가",
    "가": "이가",
    "은": "은는",
    "는": "은는",
    "을": "을를",
    "를": "을를",
    "과": "과와",
    "와": "과와",
}
"""Particles with their forms after a consonant and after a vowel."""
_SPORTS = re.compile("경기|이기|이겼|졌|승리|패배|무승부|스코어|골")
_QUANTITY = re.compile(r"\s?(?:[년월일시분초개명원도권장회세살층주%]|번(?!지)|km|kg|cm|m|g|L)")


def _rooted(number: str) -> str:
    return "루트 " + sino(number[1:]) if number[0] == "√" else sino(number)


def _fraction(match: re.Match[str]) -> str:
    """이분의 일; a particle after it agrees with what is said."""
    groups = {"minus": None, "particle": None} | match.groupdict()
    spoken = f"{_rooted(match['down'])}분의 {_rooted(match['up'])}"
    if groups["minus"]:
        spoken = "마이너스 " + spoken
    if groups["particle"]:
        spoken += _PARTICLES[groups["particle"]][not ends_in_consonant(spoken)]
    return spoken


def _expression(match: re.Match[str]) -> str:
    """A sum in words: 삼 더하기 오는 팔."""
    if not re.search(r"[+×÷*=x]", match[0]):
        return match[0]
    spoken = re.sub(r"(?<=\d)\s*([-+×÷*x])\s*(?=\d)", lambda sign: OPERATORS[sign[1]], match[0])
    left, equals, right = spoken.partition("=")
    if not equals:
        return spoken
    left = re.sub(r"(?<!\d)\d[\d,]{0,30}$", lambda last: sino(last[0]), left.rstrip())
    return f"{left}{'은' if ends_in_consonant(left) else '는'} {right.strip()}"


def _hyphen(match: re.Match[str]) -> str:
    """What a hyphen between two numbers says: a range, a result of a game or a part of an address."""
    if _QUANTITY.match(after(match)):
        return f"{match['left']}에서 {match['right']}"
    of_a_game = _SPORTS.search(before(match) + after(match))
    return f"{match['left']} {'대' if of_a_game else '다시'} {match['right']}"


RANGES: tuple[Rule, ...] = (rule(r"(?<=[\d%원도])\s?~\s?(?=-?[\d$₩€])|(?<=[가-힣])~(?=[\d가-힣])", "에서 "),)

FORMULAS: tuple[Rule, ...] = (
    rule(
        r"(?<![\d.,A-Za-z])\d[\d,]{0,20}(?:\s?[-+×÷*=x]\s?\d[\d,]{0,20}){1,20}(?![\d.A-Za-z])",
        _expression,
    ),
    rule(r"(?<=\d) ?(?P<and>[과와]) ?(?=√?\d{1,30}/√?\d)", r"\g<and> "),
    rule(
        r"(?P<minus>-)?(?<![\d/])(?P<up>√?\d{1,30}) ?/ ?(?P<down>√?\d{1,30})(?![\d/])"
        r"(?:(?P<particle>[이가은는을를과와])(?=\s|$|[.,]))?",
        _fraction,
    ),
    rule(r"(?<!\d)(?P<down>\d{1,30}) ?분의 ?(?P<up>\d{1,30})", _fraction),
    rule(r"(?<=\d) ?: ?(?=\d)", " 대 "),
)

HYPHEN = rule(r"(?<![\d.,-])(?P<left>\d{1,9}) ?- ?(?P<right>\d{1,9})(?!\.?\d|-)", _hyphen)
