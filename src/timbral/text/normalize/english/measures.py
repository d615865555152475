"""Numbers with units in English words: "12 km/h", "-5°C", "20-30%"."""

import re

from timbral.text.normalize.english.numbers import NUMBER, is_one, number
from timbral.text.normalize.english.quantities import fraction
from timbral.text.normalize.english.rules import BEFORE, Rule, rule
from timbral.text.resources import read_lines

_PREFIXES = {
    "n": "nano", "μ": "micro", "µ": "micro", "u": "micro", "m": "milli", "c": "centi", "d": "deci", "k": "kilo",
    "M": "mega", "G": "giga", "T": "tera",
}  # fmt: skip
_PREFIXED = {
    "m": ("nμµumcdk", "meter"), "g": ("nμµumk", "gram"), "s": ("nμµm", "second"), "L": ("μµmcd", "liter"),
    "l": ("μµmcd", "liter"), "Hz": ("kMGT", "hertz"), "W": ("mkMGT", "watt"), "V": ("mk", "volt"), 
    "Wh": ("kMGT", "watt hour"), "Ah": ("m", "ampere hour"), "Pa": ("kM", "pascal"), "J": ("kM", "joule"),
    "N": ("k", "newton"), "cal": ("k", "calorie"), "eV": ("kMG", "electron volt"),
    "mol": ("m", "mole"), "bar": ("m", "bar"), "Sv": ("μµm", "sievert"),
}  # fmt: skip
_UNITS = {
    symbol: (one, many) for symbol, one, many in (line.split("\t") for line in read_lines("en_units.txt"))
}
for _symbol, (_before, _one) in _PREFIXED.items():
    _many = _one if _one == "hertz" else _one + "s"
    _UNITS.setdefault(_symbol, (_one, _many))
    for _prefix in _before:
        _UNITS.setdefault(_prefix + _symbol, (_PREFIXES[_prefix] + _one, _PREFIXES[_prefix] + _many))
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_POWERS = {"²": "square", "2": "square", "^2": "square", "³": "cubic", "3": "cubic", "^3": "cubic"}
_LENGTHS = frozenset(("m", "km", "cm", "mm", "dm", "μm", "ft", "in", "yd", "mi", "s", "KM"))
_NEEDS_NO_SPACE = frozenset(("in", "A", "K", "B", "F", "C", "t", "pt", "u", "AU", "MP", "h"))
"""Units that mean something else after a space: "5 in the room", "Section 5 A"."""
_ONLY_WITH_POINT = r"(?:in|ft|lb|lbs|oz|hr|hrs|min|mins|sec|secs|yd|gal|mi|tbsp|tsp|yr|yrs)\."

_SIMPLE = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_UNIT = rf"(?:{_SIMPLE})(?:\^?[23](?!\d)|[²³])?"
_COMPOSED = rf"(?P<unit>{_UNIT}(?:\s?[·⋅*]\s?{_UNIT}){{0,2}})(?:\s?(?P<slash>/|per\b)\s?(?P<per>{_UNIT}))?"
_MAGNITUDE = r"(?:\s(?P<magnitude>hundred|thousand|million|billion|trillion))?"
_TO = r"(?P<unit_of_first>(?:°[CF]?|[℃℉%])?)\s?(?:-|~|to)\s?"
_BY = r"\s?[x×*]\s?"
_UNIT_ENDS = r"(?![\w°²³^])(?!'s)"


def _name(symbol: str, plural: bool) -> str:
    power = re.search(r"(?:\^?[23]|[²³])$", symbol)
    if symbol in _UNITS or not power:
        return _UNITS[symbol][plural]
    base = symbol[: power.start()]
    if base not in _LENGTHS:
        return f"{_UNITS[base][plural]} {'squared' if _POWERS[power[0]] == 'square' else 'cubed'}"
    if base == "s":
        return f"second {'squared' if _POWERS[power[0]] == 'square' else 'cubed'}"
    return f"{_POWERS[power[0]]} {_UNITS[base][plural]}"


def _unit(match: re.Match[str], plural: bool) -> str:
    factors = re.split(r"\s?[·⋅*]\s?", match["unit"])
    words = [_name(factor, False) for factor in factors[:-1]] + [_name(factors[-1], plural)]
    said = " ".join(words)
    return f"{said} per {_name(match['per'], False)}" if match["per"] else said


def _signed(digits: str, unit: str) -> str:
    sign = digits[0] if digits[0] in "-+±" else ""
    words = number(digits.removeprefix(sign))
    below_zero = "minus " if "." in digits or unit.startswith(("°", "℃", "℉", "%")) else "negative "
    return {"": "", "-": below_zero, "+": "plus ", "±": "plus or minus "}[sign] + words


def _allowed(match: re.Match[str]) -> bool:
    spaced = match["space"]
    unit = match["unit"]
    return not (spaced and not match["per"] and unit in _NEEDS_NO_SPACE)


def _measure(match: re.Match[str]) -> str:
    if not _allowed(match):
        return match[0]
    digits, magnitude = match["digits"], match["magnitude"]
    words = _signed(digits, match["unit"]) + (f" {magnitude}" if magnitude else "")
    return f"{words} {_unit(match, plural=bool(magnitude) or not is_one(digits.lstrip('-+±')))}"


def _measures(match: re.Match[str]) -> str:
    if not _allowed(match):
        return match[0]
    first, last = (_signed(match[name], match["unit"]) for name in ("first", "digits"))
    return f"{first} to {last} {_unit(match, plural=True)}"


def _compound(match: re.Match[str]) -> str:
    """A number before a hyphen and a unit, as in "a 5-kg bag", stands in the singular."""
    return f"{number(match['digits'], with_and=False)}-{_unit(match, plural=False)}"


def _size(match: re.Match[str]) -> str:
    sides = match["sides"]
    by = " times " if "*" in sides else " by "
    return f"{by.join(map(number, re.split(_BY, sides)))} {_unit(match, plural=True)}"


def _feet_and_inches(match: re.Match[str]) -> str:
    feet = f"{number(match['feet'])} {'foot' if match['feet'] == '1' else 'feet'}"
    inches = match["inches"]
    return f"{feet} {number(inches)} inch{'' if inches == '1' else 'es'}" if inches else feet


def _mixed(match: re.Match[str]) -> str:
    """Four and a half pounds; three quarters of an inch."""
    whole = match["whole"]
    of = " of a" if not whole else ""
    return f"{fraction(whole, match['top'], match['bottom'])}{of} {_unit(match, plural=bool(whole))}"


def _rate(match: re.Match[str]) -> str:
    return f"{number(match['digits'])} per {_name(match['per'], False)}"


def _scientific(match: re.Match[str]) -> str:
    exponent = (match["raised"] or match["superscript"]).translate(_SUPERSCRIPTS)
    power = f"{'minus ' if exponent[0] == '-' else ''}{number(exponent.lstrip('-+'))}"
    return f"{number(match['mantissa'])} times ten to the power of {power}" + (
        f" {_unit(match, plural=True)}" if match["unit"] else ""
    )


def _inches(match: re.Match[str]) -> str:
    return f"{' by '.join(map(number, re.findall(NUMBER, match[0])))} inches"


MEASURES: tuple[Rule, ...] = (
    rule(
        rf"{BEFORE}(?P<mantissa>{NUMBER})(?:\s?[×x*]\s?10(?:\^(?P<raised>-?\d{{1,3}})|(?P<superscript>⁻?[⁰¹²³⁴-⁹]{{1,3}}))"
        rf"(?:\s?(?P<space>){_COMPOSED}{_UNIT_ENDS})?)(?!\w)",
        _scientific,
    ),
    rule(rf"{BEFORE}(?:{NUMBER})\"\s?[x×]\s?(?:{NUMBER})\"", _inches),
    rule(
        rf"{BEFORE}(?:(?P<whole>\d{{1,4}})\s)?(?P<top>\d{{1,2}})/(?P<bottom>\d{{1,3}})\s?(?P<space>){_COMPOSED}{_UNIT_ENDS}",
        _mixed,
    ),
    rule(rf"{BEFORE}(?P<feet>\d{{1,2}})'\s?(?P<inches>\d{{1,2}})(?:\"|'')", _feet_and_inches),
    rule(
        rf"{BEFORE}(?P<digits>{NUMBER})\"(?=\s[a-z]|[,.;]?$)(?<!\"\d\")",
        lambda m: m[0] if m.string.count('"') > 1 else f"{number(m['digits'])}-inch",
    ),
    rule(
        rf"{BEFORE}(?P<sides>(?:{NUMBER})(?:{_BY}(?:{NUMBER})){{1,2}})\s?(?P<space>){_COMPOSED}{_UNIT_ENDS}",
        _size,
    ),
    rule(
        rf"(?<![\w.,/-])(?P<first>[-+±]?(?:{NUMBER})){_TO}(?P<digits>[-+±]?(?:{NUMBER}))(?P<space>\s?){_COMPOSED}{_UNIT_ENDS}",
        _measures,
    ),
    rule(rf"{BEFORE}(?P<digits>{NUMBER})-(?P<space>){_COMPOSED}{_UNIT_ENDS}", _compound),
    rule(
        rf"(?<![\w.,])(?<![A-Za-z]-)(?P<digits>(?:(?<![)/])[-+±])?(?:{NUMBER})){_MAGNITUDE}(?P<space>\s?){_COMPOSED}{_UNIT_ENDS}",
        _measure,
    ),
    rule(rf"{BEFORE}(?P<digits>{NUMBER})\s?/\s?(?P<per>{_UNIT}){_UNIT_ENDS}", _rate),
)
