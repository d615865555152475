"""Telephone numbers, versions, network addresses, addresses of houses, and names with digits in English words."""

import re

from timbral.text.normalize.english.numbers import cardinal, decade, digits_in_words, number, pairs
from timbral.text.normalize.english.rules import AFTER, BEFORE, Rule, rule

_STATES = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California", "CO": "Colorado",
    "CT": "Connecticut", "DE": "Delaware", "FL": "Florida", "GA": "Georgia", "HI": "Hawaii", "ID": "Idaho",
    "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky", "LA": "Louisiana",
    "ME": "Maine", "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota",
    "MS": "Mississippi", "MO": "Missouri", "MT": "Montana", "NE": "Nebraska", "NV": "Nevada", "NH": "New Hampshire",
    "NJ": "New Jersey", "NM": "New Mexico", "NY": "New York", "NC": "North Carolina", "ND": "North Dakota",
    "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon", "PA": "Pennsylvania", "RI": "Rhode Island",
    "SC": "South Carolina", "SD": "South Dakota", "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VT": "Vermont",
    "VA": "Virginia", "WA": "Washington", "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming",
}  # fmt: skip
_STREETS = {
    "st": "Street", "ave": "Avenue", "av": "Avenue", "blvd": "Boulevard", "rd": "Road", "dr": "Drive", "ln": "Lane",
    "ct": "Court", "pl": "Place", "sq": "Square", "hwy": "Highway", "expy": "Expressway", "pkwy": "Parkway",
    "ter": "Terrace", "cir": "Circle", "fwy": "Freeway", "trl": "Trail",
}  # fmt: skip
_STREET = "|".join(spelling for name in _STREETS for spelling in (name, name.title(), name.upper()))
_STREET_NAME = r"(?:\d{1,3}(?:st|nd|rd|th)|[A-Z][A-Za-z']{0,20}(?:\s[A-Z][A-Za-z']{0,20}){0,3}?)"
_ROOMS = "[Rr]oom|[Ff]light|[Ss]uite|[Aa]partment|[Hh]ighway|Boeing|Airbus|[Bb]us|[Gg]ate|[Ii]nterstate|[Rr]oute|[Uu]nit"
_COMPASS = {
    "N": "North", "S": "South", "E": "East", "W": "West", "NE": "Northeast", "NW": "Northwest", "SE": "Southeast",
    "SW": "Southwest",
}  # fmt: skip


def _groups(text: str) -> str:
    """Groups of digits one by one, with a pause between; a round hundred as it is called."""
    said = [
        cardinal(group) if group == "800" else digits_in_words(group) for group in re.findall(r"\d+", text)
    ]
    return ", ".join(said)


def _phone(match: re.Match[str]) -> str:
    return ("plus " if match[0].startswith("+") else "") + _groups(match[0])


def _lettered_phone(match: re.Match[str]) -> str:
    head = _groups(match["digits"])
    letters = [digits_in_words(part) if part.isdigit() else part for part in match["letters"].split("-")]
    return f"{head}, {' '.join(letters)}"


def _network_address(match: re.Match[str]) -> str:
    return " point ".join(digits_in_words(part) for part in match[0].split("."))


def _version(match: re.Match[str]) -> str:
    name = {"v": "version ", "": ""}.get((match["name"] or "").lower(), match["name"] or "")
    return name + " point ".join(cardinal(part) for part in match["digits"].split("."))


def _after_word(match: re.Match[str]) -> str:
    return f"{match['lead']}{digits_in_words(match['digits'])}"


def _room(match: re.Match[str]) -> str:
    """Room 101 is one oh one, flight 370 three seventy."""
    return f"{match['lead']}{pairs(match['digits'])}"


def _hexadecimal(match: re.Match[str]) -> str:
    return " ".join(digits_in_words(c) if c.isdigit() else c.upper() for c in match[0] if c.isalnum())


def _book_number(match: re.Match[str]) -> str:
    return f"ISBN {_groups(match['digits'])}"


def _three_digits(digits: str) -> str:
    return digits_in_words(digits) if digits[1] == "0" and digits[2] != "0" else pairs(digits)


def _address(match: re.Match[str]) -> str:
    house, street = match["house"], match["street"]
    said = _three_digits(house) if len(house) == 3 else pairs(house) if len(house) == 4 else cardinal(house)
    direction = f"{_COMPASS[match['direction']]} " if match["direction"] else ""
    rest = re.split(r"[\s]", match["name"])
    full = _STREETS[street.lower()]
    stop = "." if match["dot"] and re.match(r"\s+[A-Z]|$", match.string[match.end() :]) else ""
    return f"{said} {direction}{' '.join(rest)} {full}{stop}"


def _state(match: re.Match[str]) -> str:
    return f", {_STATES[match['state']]}"


def _state_and_code(match: re.Match[str]) -> str:
    zip_code = " ".join(filter(None, (digits_in_words(part, "oh") for part in match["code"].split("-"))))
    return f", {_STATES[match['state']]}{match['comma']} {zip_code}"


def _digits_within(digits: str, first: str) -> str:
    """Digits of a name such as B2A23C, A380, t2000."""
    if digits[0] == "0" or len(digits) > 4:
        return digits_in_words(digits)
    if len(digits) < 3 or digits.endswith("000"):
        return cardinal(digits)
    paired = digits.endswith("00") or len(digits) == 3 or (digits[-2] != "0" and not first.islower())
    return pairs(digits) if paired else digits_in_words(digits)


def _name(match: re.Match[str]) -> str:
    """Letters and digits of a name apart: "F-16" gives "F sixteen"."""
    text = match[0]
    if re.fullmatch(r"[A-Za-z'.-]+|[\d.,:/-]+", text):
        return text
    if re.match(r"\d+-[A-Za-z]", text):
        return text
    several = re.fullmatch(r"([A-Z]+)-?(\d{1,2})s", text)
    if several:
        return f"{several[1]} {decade(several[2])}"
    said = re.sub(r"\d+\.\d+", lambda decimal: f" {number(decimal[0])} ", text)
    said = re.sub(r"\d+", lambda digits: f" {_digits_within(digits[0], text[:1])} ", said)
    return re.sub(r"\s+", " ", re.sub(r"(?<=\s)-|-(?=\s)", " ", said)).strip()


_PHONE = r"(?:\+?\d{1,3}[\s.-]?)?(?:\(\d{2,4}\)[\s.-]?|\d{3}[\s.-])\d{3}[\s.-]\d{4}(?:-\d{1,5})?"
CODES: tuple[Rule, ...] = (
    rule(rf"(?<![\w.,-]){_PHONE}(?![\w-])(?!\.\d)", _phone),
    rule(r"(?<![\w.,-])\+\d{1,3}(?:[\s.-]?\(?\d{2,5}\)?){2,5}(?![\w-])(?!\.\d)", _phone),
    rule(
        r"(?<![\w.,-])(?P<digits>1-\d{3})-(?P<letters>[A-Z\d]{1,7}(?:-[A-Z\d]{1,7}){0,3})(?![\w-])",
        _lettered_phone,
    ),
    rule(r"(?<![\w.,-])\d{3}-\d{2}-\d{4}(?![\w-])", _phone),
    rule(r"(?<![\w.,$€£-])\d{3}-\d{4}(?![\w%-])(?!\.\d)(?!\s[a-z]+s\b)", _phone),
    rule(r"(?<![\w.,-])0\d{2,4}[\s-]\d{3,4}(?:[\s-]\d{3,4})?(?![\w-])", _phone),
    rule(rf"{BEFORE}\d{{1,3}}(?:\.\d{{1,3}}){{3}}{AFTER}", _network_address),
    rule(
        rf"(?<![\w.,])(?P<name>[vV](?:er(?:sion)?)?\.?\s?)?(?P<digits>\d{{1,4}}(?:\.\d{{1,4}}){{2}}){AFTER}",
        _version,
    ),
    rule(rf"(?<![\w.,])(?P<name>[vV])(?P<digits>\d{{1,4}}(?:\.\d{{1,4}})?){AFTER}", _version),
    rule(
        r"(?P<lead>\b(?:[Dd]ial|[Cc]all|PIN|[Pp]in|OTP|otp|[Cc]ode|[Pp]asscode|[Ee]nding in|[Ee]xt\.?|[Ee]xtension)"
        r"\s(?:is\s|number\s)?)"
        r"(?P<digits>\d{3,12})(?![\w,])(?!\.\d)(?!\s[a-z]+s\b)",
        _after_word,
    ),
)
CODES += (
    rule(rf"\b(?P<lead>(?:{_ROOMS})\s)(?P<digits>[1-9]\d{{2}}){AFTER}(?!,\d)", _room),
    rule(r"(?<!\w)(?:0[xX][0-9A-Fa-f]{1,16}|#(?=[0-9A-F]{0,5}[A-F])[0-9A-F]{6})(?!\w)", _hexadecimal),
    rule(r"\bISBN[\s:-]{0,3}(?P<digits>\d[\d-]{8,16}\d)(?!\w)", _book_number),
)
ADDRESSES: tuple[Rule, ...] = (
    rule(
        rf"{BEFORE}(?P<house>\d{{1,5}})\s(?:(?P<direction>[NSEW]|N[EW]|S[EW])\.?\s)?(?P<name>{_STREET_NAME})\s"
        rf"(?P<street>{_STREET})(?P<dot>\.?)(?!\w)",
        _address,
    ),
    rule(
        rf",\s(?P<state>{'|'.join(_STATES)})(?P<comma>,?)\s(?P<code>\d{{5}}(?:-\d{{4}})?)(?!\d)",
        _state_and_code,
    ),
    rule(rf"(?<=[a-z]),\s(?P<state>{'|'.join(_STATES)})(?=[,.;]|$)", _state),
)
NAMES: tuple[Rule, ...] = (
    rule(
        r"(?<![\w.,])(?=[\d-]*[A-Za-z])[A-Za-z\d]{1,30}(?:(?:-|(?<=\d)\.(?=\d))[A-Za-z\d]{1,30}){0,8}(?!\w)",
        _name,
    ),
)
