"""Amounts of money in English words."""

import re

from timbral.text.normalize.english.numbers import NUMBER, cardinal, is_one, number
from timbral.text.normalize.english.rules import BEFORE, Rule, rule

_DOLLAR, _CENT = ("dollar", "dollars"), ("cent", "cents")
_POUND, _EURO, _YEN, _WON, _YUAN = (
    ("pound", "pounds"),
    ("euro", "euros"),
    ("yen",) * 2,
    ("won",) * 2,
    ("yuan",) * 2,
)
_Name = tuple[str, str]
_CURRENCIES: dict[str, tuple[_Name, _Name | None]] = {
    "$": (_DOLLAR, _CENT),
    "€": (_EURO, _CENT),
    "£": (_POUND, ("penny", "pence")),
    "¥": (_YEN, None),
    "₩": (_WON, None),
    "₹": (("rupee", "rupees"), ("paisa", "paise")),
    "₽": (("ruble", "rubles"), ("kopeck", "kopecks")),
    "₺": (("lira", "lira"), None),
    "₫": (("dong", "dong"), None),
    "฿": (("baht", "baht"), None),
    "₿": (("bitcoin", "bitcoins"), None),
    "₪": (("shekel", "shekels"), None),
    "₴": (("hryvnia", "hryvnias"), None),
    "₱": (("peso", "pesos"), None),
    "₦": (("naira", "naira"), None),
    "¢": (_CENT, None),
    "CHF": (("Swiss franc", "Swiss francs"), None),
    "EUR": (_EURO, _CENT),
    "GBP": (_POUND, ("penny", "pence")),
    "JPY": (_YEN, None),
    "CNY": (_YUAN, None),
    "RMB": (_YUAN, None),
    "KRW": (_WON, None),
    "INR": (("rupee", "rupees"), ("paisa", "paise")),
}
_NATIONS = {
    "US": "U S", "HK": "Hong Kong", "NT": "New Taiwan", "A": "Australian", "AU": "Australian", "C": "Canadian",
    "CA": "Canadian", "NZ": "New Zealand", "S": "Singapore", "SG": "Singapore",
}  # fmt: skip
for _nation, _adjective in _NATIONS.items():
    _CURRENCIES[_nation + "$"] = ((f"{_adjective} dollar", f"{_adjective} dollars"), _CENT)
for _code, _nation in {
    "USD": "US",
    "HKD": "HK",
    "TWD": "NT",
    "AUD": "A",
    "CAD": "C",
    "NZD": "NZ",
    "SGD": "S",
}.items():
    _CURRENCIES[_code] = _CURRENCIES[_nation + "$"]
_CURRENCIES["R$"] = (("real", "reais"), None)

MAGNITUDES = {
    "k": "thousand", "m": "million", "mn": "million", "mm": "million", "b": "billion", "bn": "billion", "t": "trillion",
    "tn": "trillion",
}  # fmt: skip
_WORD = r"(?:hundred|thousand|million|billion|trillion|quadrillion)\b"
_MAGNITUDE = rf"(?:\s?(?P<word>{_WORD})|\s?(?P<letter>(?:[KkMmBbTt]|mn|bn|tn|mm|MM))(?![\w]))?"
_PERIODS = {
    "mo": "month", "month": "month", "yr": "year", "y": "year", "year": "year", "wk": "week", "week": "week",
    "d": "day", "day": "day", "hr": "hour", "h": "hour", "hour": "hour", "min": "minute", "person": "person",
    "kg": "kilogram", "lb": "pound", "oz": "ounce", "gal": "gallon", "unit": "unit", "night": "night", "user": "user",
    "mi": "mile", "km": "kilometer", "L": "liter", "g": "gram", "t": "ton", "ton": "ton", "sqft": "square foot",
}  # fmt: skip
_PER = rf"(?:\s?/\s?(?P<per>{'|'.join(sorted(_PERIODS, key=len, reverse=True))})\b)?"
_SIGN = "|".join(re.escape(sign) for sign in sorted(_CURRENCIES, key=len, reverse=True) if not sign.isalpha())
_CODE = "|".join(code for code in _CURRENCIES if code.isalpha())
_TO = r"\s?(?:-|~|to)\s?"


def amount(digits: str, currency: str, magnitude: str = "") -> str:
    """Money in words: ("2.50", "$") gives "two dollars and fifty cents"."""
    unit, subunit = _CURRENCIES[currency]
    digits = digits.replace(",", "")
    if magnitude:
        return f"{number(digits, zero='oh', with_and=False)} {magnitude} {unit[1]}"
    whole, _, fraction = digits.partition(".")
    significant = fraction.rstrip("0") if len(fraction) != 2 else fraction
    if not significant.strip("0"):
        return f"{cardinal(whole or '0')} {unit[not is_one(whole)]}"
    if subunit is None or len(significant) > 2 or len(fraction) > 3:
        return f"{number(whole + '.' + significant, zero=_leading_zero(significant))} {unit[1]}"
    cents = significant.ljust(2, "0").lstrip("0")
    parts = [(whole.lstrip("0"), unit), (cents, subunit)]
    return " and ".join(f"{cardinal(count)} {name[count != '1']}" for count, name in parts if count)


def _leading_zero(fraction: str) -> str:
    return "oh" if fraction.startswith("0") else "zero"


def _money(match: re.Match[str]) -> str:
    groups = match.groupdict()
    magnitude = groups["word"] or MAGNITUDES.get((groups["letter"] or "").lower(), "")
    currency = groups["currency"].upper()
    minus = "minus " if groups.get("minus") else ""
    words = minus + amount(groups["digits"], currency, magnitude)
    if groups.get("last"):
        words = f"{_first_of_range(groups, currency)} to {amount(groups['last'], currency, magnitude)}"
    return f"{words} per {_PERIODS[groups['per']]}" if groups.get("per") else words


def _first_of_range(groups: dict[str, str | None], currency: str) -> str:
    """$50-$100 says its currency twice, $50-100 once."""
    digits = groups["digits"] or ""
    return amount(digits, currency) if groups["again"] else number(digits.replace(",", ""))


_AMOUNT = rf"(?P<digits>{NUMBER})"
MONEY: tuple[Rule, ...] = (
    rule(
        rf"(?<![A-Za-z])(?P<currency>{_SIGN})\s?{_AMOUNT}{_TO}(?P<again>(?:{_SIGN})?)\s?(?P<last>{NUMBER}){_MAGNITUDE}{_PER}"
        r"(?![\d%@])",
        _money,
    ),
    rule(
        rf"(?<![A-Za-z])(?P<minus>(?<!\w)-)?(?P<currency>{_SIGN})\s?(?P<other>-)?{_AMOUNT}{_MAGNITUDE}{_PER}(?![\d@])",
        _money,
    ),
    rule(rf"\b(?P<currency>{_CODE})\s?{_AMOUNT}{_MAGNITUDE}{_PER}(?!\d)", _money),
    rule(
        rf"{BEFORE}(?P<minus>-)?{_AMOUNT}{_MAGNITUDE}\s?(?P<currency>[€£¥₩₹₽₺₫฿₿₪₴₱¢]|\$(?!\w)|(?:{_CODE})\b){_PER}",
        _money,
    ),
)
