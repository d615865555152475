"""Writes English out in full: numbers, times, money, units, fractions, ordinals.

`official` repeats the steps of the official front end one by one, in its order and with its quirks, because
published models learnt to speak from its output; each quirk is named where it happens.
"""

import re
import unicodedata
from functools import partial

from timbral.text.normalize.english.numbers import cardinal, number_or_year, ordinal, ordinal_suffix

_UNITS = {
    "m": ("meter", "meters"),
    "km": ("kilometer", "kilometers"),
    "km/h": ("kilometer per hour", "kilometers per hour"),
    "ft": ("feet", "feet"),
    "L": ("liter", "liters"),
    "tbsp": ("tablespoon", "tablespoons"),
    "tsp": ("teaspoon", "teaspoons"),
    "h": ("hour", "hours"),
    "min": ("minute", "minutes"),
    "s": ("second", "seconds"),
    "°C": ("degree celsius", "degrees celsius"),
    "°F": ("degree fahrenheit", "degrees fahrenheit"),
}
_OPERATORS = {"+": " plus ", "-": " minus ", "×": " times ", "÷": " divided by ", "=": " Equals "}

_LIST_NUMBER = re.compile(r"\b([0-9]+)\. ")
_POWERS = "[⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ]*"
_OPERAND = rf"-?[0-9]+(?:\.[0-9]+)?{_POWERS}|\.[0-9]+{_POWERS}|[A-Za-z]{_POWERS}"
_OPERATION = re.compile(rf"({_OPERAND})\s+([+\-×÷=])\s+({_OPERAND})")
_NEGATIVE = re.compile(r"(?:^|\s+)-([0-9]+)")
_THOUSANDS = re.compile(r"[0-9][0-9,]+[0-9]")
_TIME = re.compile(r"\b([01]?[0-9]|2[0-3]):([0-5][0-9])\b")
_MEASURE = re.compile(r"\b([0-9]+(\.[0-9]+)?)(m|km|km/h|ft|L|tbsp|tsp|h|min|s|°C|°F)\b")
_MONEY = (
    (re.compile(r"£([0-9.,]*[0-9])"), ("pound", "pounds"), ("penny", "pence")),
    (re.compile(r"(?<![0-9.,])([0-9.,]*[0-9])£"), ("pound", "pounds"), ("penny", "pence")),
    (re.compile(r"\$([0-9.,]*[0-9])"), ("dollar", "dollars"), ("cent", "cents")),
    (re.compile(r"(?<![(0-9.,])([(0-9.,]*[0-9])\$"), ("dollar", "dollars"), ("cent", "cents")),
)
_DECIMAL = re.compile(r"([0-9]+)\.\s*([0-9]+)")
_FRACTION = re.compile(r"([0-9]+)/([0-9]+)")
_ORDINAL = re.compile(r"([0-9]+)(?:st|nd|rd|th)")
_NUMBER = re.compile(r"[0-9]+")
_UNSPEAKABLE = re.compile(r"[^ A-Za-z'.,?!\-]")
_CAPITAL_WITHIN = re.compile(r"(?<!^)(?<!\s)([A-Z])")
_REPEATED_PUNCTUATION = re.compile(r"([!?….,\-\s])[!?….,\-]+")
_PUNCTUATION = {'["’]': "'", "[;:：，；]": ",", "。": ".", "！": "!", "？": "?"}


def official(text: str) -> str:
    """The official normalised form of an English text, made of letters, spaces and `'.,?!-` only."""
    for mark, plain in _PUNCTUATION.items():
        text = text.replace(mark, plain)
    text = _LIST_NUMBER.sub(lambda m: f"{m[1]}{ordinal_suffix(m[1])}, ", text)
    while _OPERATION.search(text):
        text = _OPERATION.sub(lambda m: m[1] + _OPERATORS[m[2]] + m[3], text)
    text = _NEGATIVE.sub(r"negative \1", text)  # quirk: the space before the sign is lost
    text = _THOUSANDS.sub(lambda m: m[0].replace(",", ""), text)
    text = _TIME.sub(_time, text)
    text = _MEASURE.sub(_measure, text)
    for pattern, unit, subunit in _MONEY:
        text = pattern.sub(partial(_money, unit=unit, subunit=subunit), text)
    text = _DECIMAL.sub(lambda m: f"{m[1]} point {' '.join(m[2])}", text)
    text = _FRACTION.sub(_fraction, text)
    text = _ORDINAL.sub(lambda m: ordinal(m[1]), text)
    text = _NUMBER.sub(lambda m: number_or_year(m[0]), text)
    text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    text = text.replace("%", " percent")
    text = _UNSPEAKABLE.sub("", text)
    text = re.sub(r"(?i)i\.e\.", "that is", text)
    text = re.sub(r"(?i)e\.g\.", "for example", text)
    text = _CAPITAL_WITHIN.sub(r" \1", text)
    return _REPEATED_PUNCTUATION.sub(r"\1", text)


def _time(match: re.Match[str]) -> str:
    """Quirk: a.m. or p.m. is always added, also where the text already says it."""
    hours, minutes = int(match[1]), int(match[2])
    period = "a.m." if hours < 12 else "p.m."
    hour = cardinal(str(hours - 12 if hours > 12 else hours))
    return f"{hour} {cardinal(str(minutes))} {period}" if minutes else f"{hour} o'clock {period}"


def _measure(match: re.Match[str]) -> str:
    singular, plural = _UNITS[match[3]]
    return f"{match[1]} {singular if match[1].lstrip('0') == '1' else plural}"


def _money(match: re.Match[str], unit: tuple[str, str], subunit: tuple[str, str]) -> str:
    amount = match[1]
    parts = amount.replace(",", "").split(".")
    if len(parts) > 2:
        return f"{amount} {unit[1]}"
    whole = parts[0].lstrip("0")
    rest = parts[1].ljust(2, "0").lstrip("0") if len(parts) == 2 else ""
    said = [f"{n} {name[n != '1']}" for n, name in ((whole, unit), (rest, subunit)) if n]
    return " and ".join(said) or f"zero {unit[1]}"


def _fraction(match: re.Match[str]) -> str:
    numerator = cardinal(match[1], with_and=True)
    denominator = match[2].lstrip("0")
    if denominator == "2":
        return f"{numerator} {'half' if numerator == 'one' else 'halves'}"
    if denominator == "1":
        return numerator
    return f"{numerator} {ordinal(match[2])}{'' if numerator in ('zero', 'one') else 's'}"
