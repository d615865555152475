"""Fractions, ratios, ranges, formulas, ordinals and what is left of plain numbers in English words."""

import re

from timbral.text.normalize.english.numbers import (
    NUMBER,
    cardinal,
    digits_in_words,
    number,
    ordinal,
    pairs,
    year,
)
from timbral.text.normalize.english.rules import AFTER, BEFORE, Rule, rule

_OPERATORS = {
    "+": "plus", "-": "minus", "−": "minus", "×": "times", "*": "times", "·": "times", "÷": "divided by",
    "/": "divided by", "=": "equals", "≠": "is not equal to", "≈": "is about", "<": "is less than",
    ">": "is greater than", "≤": "is at most", "≥": "is at least", "±": "plus or minus", "^": "to the power of",
}  # fmt: skip
_POWERS = {"²": "squared", "³": "cubed", "^2": "squared", "^3": "cubed"}
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_SAID_AS_PAIR = {
    "9/11": "nine eleven",
    "24/7": "twenty-four seven",
    "50/50": "fifty fifty",
    "20/20": "twenty twenty",
}
_COUNTED = r"(?:than|about|over|nearly|almost|around|approximately|least|most|total of|some|exactly|roughly|only|up to)"
_NOT_COUNTED = r"(?:was|is|has|as|does|its|this|us|his|whereas|yes|plus|perhaps|always|its|thus|versus|means|sees|says)\b"


def fraction(whole: str | None, numerator: str, denominator: str) -> str:
    """A fraction in words: (None, "3", "4") gives "three quarters"."""
    top, bottom = cardinal(numerator, with_and=False), denominator.lstrip("0")
    if bottom in ("", "1"):
        said = f"{top} over {cardinal(denominator)}"
    else:
        one = numerator.lstrip("0") == "1"
        names = {"2": ("half", "halves"), "4": ("quarter", "quarters")}
        name = names[bottom][not one] if bottom in names else ordinal(bottom) + ("" if one else "s")
        said = f"{'a' if whole and bottom == '2' and one else top} {name}"
    return f"{cardinal(whole)} and {said}" if whole else said


def signed(text: str) -> str:
    """A number with its sign in words; decimals are "minus", whole numbers "negative"."""
    sign = text[0] if text[0] in "-+±" else ""
    words = number(text.removeprefix(sign))
    return {"": "", "-": "minus " if "." in text else "negative ", "+": "plus ", "±": "plus or minus "}[
        sign
    ] + words


def _fraction(match: re.Match[str]) -> str:
    if match[0] in _SAID_AS_PAIR:
        return _SAID_AS_PAIR[match[0]]
    return fraction(match["whole"], match["top"], match["bottom"])


def _ratio(match: re.Match[str]) -> str:
    return " to ".join(number(part) for part in match[0].split(":"))


def _range(match: re.Match[str]) -> str:
    first, last = match["first"], match["last"]
    spaced = match["space"]
    values = [float(text.replace(",", "")) for text in (first, last)]
    rising = values[0] < values[1] or (max(values) < 100 and not spaced)
    joined = " to " if rising else " - " if max(values) > 99 or not spaced else " minus "
    return signed(first) + joined + signed(last)


def _operand(text: str) -> str:
    power = re.fullmatch(r"(.+?)([²³]|\^[23])", text)
    if power:
        return f"{_operand(power[1])} {_POWERS[power[2]]}"
    return signed(text) if text.lstrip("-+±")[:1].isdigit() or text.lstrip("-+±")[:1] == "." else text


_LETTER = r"(?<![A-Za-z'])[A-Za-z](?![A-Za-z'])"
_OPERAND = rf"(?:{NUMBER}|{_LETTER})(?:[²³]|\^[23](?!\d))?"
_RELATION = "[=≠≈≤≥<>]"


def _formula(match: re.Match[str]) -> str:
    """Every sign of a formula in words, once its relation or its operator shows that it is one."""
    parts = re.findall(rf"{NUMBER}|[A-Za-z]+|[²³⁰¹⁴-⁹⁻]+|\S", match[0])
    said: list[str] = []
    for before, part in zip(["", *parts], parts, strict=False):
        if part[0].isdigit() or (part[0] == "." and len(part) > 1):
            said.append(number(part))
        elif part == "-" and (not before or before in "=<>≠≈≤≥(×÷*/"):
            said.append("minus")
        elif part in _POWERS:
            said.append(_POWERS[part])
        elif part[0] in "⁰¹²³⁴⁵⁶⁷⁸⁹⁻":
            exponent = part.translate(_SUPERSCRIPTS)
            said.append("to the power of " + (signed(exponent) if exponent.strip("-") else ""))
        else:
            said.append(_OPERATORS.get(part, part))
    words = " ".join(said)
    return re.sub(
        r"to the power of (two|three)\b(?! hundred)",
        lambda m: {"two": "squared", "three": "cubed"}[m[1]],
        words,
    )


def _power(match: re.Match[str]) -> str:
    exponent = (match["raised"] or match["superscript"]).lstrip("^").translate(_SUPERSCRIPTS)
    base = _operand(match["base"])
    if exponent in ("2", "3"):
        return f"{base} {'squared' if exponent == '2' else 'cubed'}"
    return f"{base} to the power of {signed(exponent)}"


def _root(match: re.Match[str]) -> str:
    return f"the {'square' if match['sign'] == '√' else 'cube'} root of {_operand(match['of'])}"


def _ordinal(match: re.Match[str]) -> str:
    digits, suffix = match["digits"].replace(",", ""), match["suffix"].lower()
    right = (
        "th" if digits[-2:] in ("11", "12", "13") else {"1": "st", "2": "nd", "3": "rd"}.get(digits[-1], "th")
    )
    return ordinal(digits) if suffix == right else f"{cardinal(digits)} {suffix}"


def _year_or_number(match: re.Match[str]) -> str:
    """Four digits are a year unless they count something: "1066", but "more than 1066 people"."""
    digits = match["digits"]
    following = match.string[match.end() : match.end() + 24]
    counted = re.match(r"\s(?:[a-z]+s\b(?<!ss)|people|men|women|children)", following)
    if counted and not re.match(rf"\s{_NOT_COUNTED}", following):
        return pairs(digits) if digits.endswith("00") and digits[1] != "0" else cardinal(digits)
    before = match.string[max(match.start() - 20, 0) : match.start()]
    if re.search(rf"\b{_COUNTED}\s$", before, re.IGNORECASE):
        return cardinal(digits)
    return year(digits)


def _bare_thousand(match: re.Match[str]) -> str:
    return cardinal(match[0]).removeprefix("one ")


def _hyphenated(match: re.Match[str]) -> str:
    return number(match["digits"], with_and=False) + "-"


def _and_magnitude(match: re.Match[str]) -> str:
    sign = match["digits"][0] if match["digits"][0] in "-+±" else ""
    words = number(match["digits"].removeprefix(sign), zero="oh", with_and=False)
    return {"": "", "-": "minus ", "+": "plus ", "±": "plus or minus "}[sign] + f"{words} {match['word']}"


def _exponent(match: re.Match[str]) -> str:
    sign = "minus " if match["sign"] == "-" else ""
    return f"{signed(match['mantissa'])} times ten to the power of {sign}{cardinal(match['exponent'])}"


def _out_of(match: re.Match[str]) -> str:
    return f"{match['lead']}{number(match['top'])} out of {number(match['bottom'])}"


_MARKS = r"(?:scored|score of|scores|rated|rating of|rating is|got|gave it|gets|grade of|ranked)"
QUANTITIES: tuple[Rule, ...] = (
    rule(
        rf"{BEFORE}(?P<mantissa>-?(?:{NUMBER}))[eE](?P<sign>[-+]?)(?P<exponent>\d{{1,3}}){AFTER}", _exponent
    ),
    rule(
        rf"(?P<lead>\b{_MARKS}(?:\sa)?\s)(?P<top>\d{{1,3}}(?:\.\d)?)\s?/\s?(?P<bottom>\d{{1,3}}){AFTER}(?!/)",
        _out_of,
    ),
    rule(rf"{BEFORE}(?P<digits>{NUMBER})K(?=\s[a-z]+s\b|\+)", lambda m: f"{number(m['digits'])} thousand"),
    rule(rf"(?P<sign>[√∛])\s?(?P<of>{NUMBER}|[A-Za-z]\b)", _root),
    rule(
        rf"(?<![\w.])(?P<base>{NUMBER}|[A-Za-z])(?:(?P<raised>\^-?\d{{1,4}})|(?P<superscript>⁻?[²³⁰¹⁴-⁹]{{1,4}}))(?!\d)(?![A-Za-z])",
        _power,
    ),
    rule(
        rf"(?<![\w.])[-+]?{_OPERAND}(?:\s?(?:[-+×*·÷/^±]|{_RELATION})\s?[-+]?{_OPERAND}){{0,12}}?\s?{_RELATION}\s?[-+]?"
        rf"{_OPERAND}(?:\s?(?:[-+×*·÷/^±]|{_RELATION})\s?[-+]?{_OPERAND}){{0,12}}(?![\w])",
        _formula,
    ),
    rule(rf"(?<![\w.])(?:{_OPERAND})(?:\s?[+÷±]\s?(?:{_OPERAND})){{1,12}}(?!\w)", _formula),
    rule(
        rf"{BEFORE}(?:{NUMBER})(?:\s?[x×]\s?(?:{NUMBER})){{1,2}}{AFTER}",
        lambda m: " by ".join(map(number, re.split(r"\s?[x×]\s?", m[0]))),
    ),
    rule(rf"(?<![\w.])(?P<a>{NUMBER})\s?\*\s?(?:{NUMBER})(?![\w])", _formula),
    rule(
        rf"{BEFORE}(?P<digits>[-+±]?(?:{NUMBER}))\s(?P<word>(?:hundred|thousand|million|billion|trillion)\b)",
        _and_magnitude,
    ),
    rule(
        rf"(?<![\w.,/-])(?:(?P<whole>\d{{1,6}})\s)?(?P<top>\d{{1,6}})\s?/\s?(?P<bottom>\d{{1,6}})(?:th|TH|rd|RD|nd|ND|s)?{AFTER}(?!/)",
        _fraction,
    ),
    rule(rf"{BEFORE}\d{{1,6}}(?:\.\d{{1,3}})?(?::\d{{1,6}}(?:\.\d{{1,3}})?){{1,2}}(?![\w:])", _ratio),
    rule(
        rf"(?<![\w.,/-])(?<!-\s)(?P<first>-?(?:{NUMBER}))(?P<space>\s?)(?:-|~)\s?(?P<last>(?:{NUMBER}))(?![\w/])(?!\s?-\s?\d)(?!\.\d)",
        _range,
    ),
    rule(rf"{BEFORE}(?P<first>-?(?:{NUMBER}))\s?~\s?(?P<last>-?(?:{NUMBER}))(?P<space>)(?![\w/])", _range),
    rule(
        r"(?<![\w.,])(?P<digits>\d{1,3}(?:,\d{3})+|\d{1,15})(?P<suffix>st|nd|rd|th|ST|ND|RD|TH)\b", _ordinal
    ),
)

NUMBERS: tuple[Rule, ...] = (
    rule(
        r"(?<![\w.,])(?P<digits>\d{1,3}(?:,\d{3})+|\d{1,15}(?:\.\d{1,15})?)-(?=[A-Za-z])",
        _hyphenated,
    ),
    rule(r"^(?:10\d\d|11[01]\d)$", _bare_thousand),
    rule(r"(?<![\w.,$-])(?P<digits>[12]\d{3})(?![\w%])(?!\.\d)(?!,\d)", _year_or_number),
    rule(r"(?<=~)(?=\d)", lambda _: ""),
    rule(rf"~\s?(?=(?:{NUMBER}))", lambda _: "about "),
    rule(rf"(?<![\w)])-(?P<digits>{NUMBER})", lambda m: signed(m[0])),
    rule(rf"(?<!\w)[+±](?P<digits>{NUMBER})", lambda m: signed(m[0])),
    rule(r"\d{16,}", lambda m: digits_in_words(m[0])),
    rule(NUMBER, lambda m: f" {number(m[0])} "),
)
