"""Dates, years, decades and times of day in English words."""

import re

from timbral.text.normalize.english.numbers import cardinal, decade, ordinal, year
from timbral.text.normalize.english.rules import AFTER, BEFORE, Rule, ends_sentence, rule

_MONTHS = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
]  # fmt: skip
_MONTH_OF = {name[:3].lower(): name for name in _MONTHS}
_MONTH_NAME = (
    r"(?:Jan(?:uary|\.)?|Feb(?:ruary|\.)?|Mar(?:ch|\.)?|Apr(?:il|\.)?|May|June?\.?|July?\.?|Aug(?:ust|\.)?"
    r"|Sep(?:tember|t?\.|t)?|Oct(?:ober|\.)?|Nov(?:ember|\.)?|Dec(?:ember|\.)?)"
)
_MONTH = f"(?P<month>{_MONTH_NAME})"
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?P<year>1\d{3}|20\d\d|21\d\d)"
_IGNORED_CASE = re.IGNORECASE
_WEEKDAYS = {
    "mon": "Monday", "tue": "Tuesday", "tues": "Tuesday", "wed": "Wednesday", "thu": "Thursday", "thur": "Thursday",
    "thurs": "Thursday", "fri": "Friday", "sat": "Saturday", "sun": "Sunday",
}  # fmt: skip
_WEEKDAY = "Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun"
_HALF_DAY = r"(?P<half>[ap]\.\s?m\b\.?|[AP]\.\s?M\b\.?|[ap]m\b|[AP]\s?M\b)"
_ZONE = r"(?:\s?(?P<zone>(?i:[ECMP]\.?[SD]\.?T\b\.?|GMT\b|UTC\b|BST\b|CET\b|JST\b|IST\b)))?"
_HOUR = r"(?P<hour>[01]?\d|2[0-4])"
_TO = r"\s?(?:-|~|to)\s?"


def _month(name: str) -> str:
    return _MONTH_OF[name[:3].lower()]


def _day_first(day: str, month: str) -> str:
    return f"the {ordinal(day)} of {month}"


def _month_first(match: re.Match[str]) -> str:
    """January 5, 2012; only "Jan. 5, 2012" is read in the British order."""
    groups = match.groupdict()
    name, day = _month(groups["month"]), groups["day"]
    ending = f", {year(groups['year'])}" if groups["year"] else ""
    british = groups["month"].endswith(".") and groups["comma"]
    return (_day_first(day, name) if british else f"{name} {ordinal(day)}") + ending


def _day_month(match: re.Match[str]) -> str:
    groups = match.groupdict()
    article = "" if groups["the"] else "the "
    ending = f" {year(groups['year'])}" if groups["year"] else ""
    return f"{groups['the'] or ''}{article}{ordinal(groups['day'])} of {_month(groups['month'])}{ending}"


def _month_year(match: re.Match[str]) -> str:
    return f"{_month(match['month'])} {year(match['year'])}"


def _iso_date(match: re.Match[str]) -> str:
    return f"{_day_first(match['day'], _MONTHS[int(match['number']) - 1])} {year(match['year'])}"


def _numeric_date(match: re.Match[str]) -> str:
    """12/25/2024 has the month first unless that is impossible."""
    first, second, last = int(match["first"]), int(match["second"]), match["year"]
    if not 1 <= min(first, second) <= 12 or max(first, second) > 31 or not min(first, second):
        return match[0]
    if first > 12:
        return f"{_day_first(match['first'], _MONTHS[second - 1])} {year(last)}"
    return f"{_MONTHS[first - 1]} {ordinal(match['second'])}, {year(last)}"


def _day_after_preposition(match: re.Match[str]) -> str:
    if match[0].endswith(" 9/11"):
        return match[0]
    return f"{match['lead']}{_MONTHS[int(match['number']) - 1]} {ordinal(match['day'])}"


def _quarter(match: re.Match[str]) -> str:
    of = {"Q": "quarter", "H": "half"}[match["part"]]
    return f"the {ordinal(match['count'])} {of} of {year(match['year'])}"


def _era(match: re.Match[str]) -> str:
    digits = match["year"].replace(",", "")
    return f"{year(digits)} {' '.join(match['era'].replace('.', '').replace(' ', '').upper())}"


def _decade(match: re.Match[str]) -> str:
    return decade(match["decade"])


def _decades(match: re.Match[str]) -> str:
    return f"{decade(match['first'])} to {decade(match['decade'])}"


def _clock(hour: str, minute: str, half: str | None) -> str:
    hours, minutes = int(hour), int(minute)
    ending = f" {half[0].upper()} M" if half else ""
    if minutes:
        past = f"oh {cardinal(minute)}" if minutes < 10 else cardinal(minute)
        return f"{cardinal(hour)} {past}{ending}"
    if half:
        return cardinal(hour) + ending
    return "midnight" if hours in (0, 24) else f"{cardinal(hour)} o'clock"


def _with_zone(words: str, zone: str | None) -> str:
    return f"{words} {' '.join(zone.replace('.', '').upper())}" if zone else words


def _time(match: re.Match[str]) -> str:
    groups = match.groupdict()
    words = _clock(groups["hour"], groups.get("minute") or "0", groups.get("half"))
    stop = "." if match[0].endswith(".") and ends_sentence(match) else ""
    return _with_zone(words, groups.get("zone")) + stop


def _time_range(match: re.Match[str]) -> str:
    """The first time of "9-5 pm" or "2:30-4pm" is of the same half of the day, unsaid."""
    first = (
        cardinal(match["from"])
        if not match["from_minute"]
        else _clock(match["from"], match["from_minute"], None)
    )
    return f"{first.removesuffix(' o' + chr(39) + 'clock')} to {_time(match)}"


def _long_time(match: re.Match[str]) -> str:
    hour, minute, second = (
        f"{cardinal(match[name])} {name}{'' if int(match[name]) == 1 else 's'}"
        for name in ("hour", "minute", "second")
    )
    ending = f" {match['half'][0].upper()} M" if match["half"] else ""
    return _with_zone(f"{hour} {minute} and {second}{ending}", match["zone"])


def _weekdays(match: re.Match[str]) -> str:
    first = _WEEKDAYS[match["first"].lower()]
    stop = "." if match[0].endswith(".") and ends_sentence(match) else ""
    return f"{first} to {_WEEKDAYS[match['last'].lower()]}{stop}" if match["last"] else first


def _years(match: re.Match[str]) -> str:
    first, last = match["first"], match["last"]
    return f"{year(first)} to {year(last)}" if first < last else match[0]


def _year_and_month(match: re.Match[str]) -> str:
    """2012-05 is a month, 2012-13 two years."""
    first, last = match["year"], match["number"]
    if 1 <= int(last) <= 12 and int(last) != (int(first) + 1) % 100:
        return f"{_MONTHS[int(last) - 1]} {year(first)}"
    return f"{year(first)} to {year(last)}" if int(last) > int(first[2:]) else match[0]


_ENDS = r"(?![\w/])(?!-\d)(?!\.\d)"
_MIDDLE = r"(?:0?[1-9]|1[0-2])"
DATES: tuple[Rule, ...] = (
    rule(
        r"(?<!\w)(?P<date>\d{4}-\d\d-\d\d)T(?P<time>\d\d:\d\d)(?::\d\d(?:\.\d{1,9})?)?(?P<utc>Z?)(?!\w)",
        lambda match: f"{match['date']} {match['time']}{' UTC' if match['utc'] else ''}",
    ),
    rule(
        rf"\b(?P<first>{_WEEKDAY})\.?(?:{_TO}(?P<last>{_WEEKDAY})\b\.?(?=\s|$|[,;:)]))",
        _weekdays,
    ),
    rule(
        rf"\b(?P<first>{_WEEKDAY})(?P<last>)(?:\.(?=,?\s(?:{_MONTH_NAME}|\d))|(?=,?\s{_MONTH_NAME}\s\d))",
        _weekdays,
    ),
    rule(rf"{BEFORE}{_YEAR}(?P<sep>[-/.])(?P<number>{_MIDDLE})(?P=sep){_DAY}{_ENDS}", _iso_date),
    rule(
        rf"{BEFORE}(?P<first>\d\d?)(?P<sep>[-/.])(?P<second>\d\d?)(?P=sep)(?P<year>[12]\d{{3}}){_ENDS}",
        _numeric_date,
    ),
    rule(rf"{BEFORE}(?P<first>\d\d?)(?P<sep>/)(?P<second>\d\d?)/(?P<year>\d\d){_ENDS}", _numeric_date),
    rule(
        rf"(?P<the>\bthe\s)?{BEFORE}{_DAY}(?:st|nd|rd|th)?(?:\s|-)(?:of\s)?{_MONTH}(?![a-z])(?:,?(?:\s|-){_YEAR}{AFTER})?",
        _day_month,
        _IGNORED_CASE,
    ),
    rule(
        rf"\b{_MONTH}(?:\s|-){_DAY}(?:st|nd|rd|th)?(?:(?:(?P<comma>,\s?)|\s|-){_YEAR}{AFTER}|(?![\w/:%])(?![.,-]\d))",
        _month_first,
        _IGNORED_CASE,
    ),
    rule(rf"\b{_MONTH},?(?:\s|-){_YEAR}{AFTER}", _month_year, _IGNORED_CASE),
    rule(
        rf"(?P<lead>\b(?:[Oo]n|[Bb]y|[Uu]ntil|[Ss]ince|[Dd]ated?:?|[Ff]rom)\s)(?P<number>{_MIDDLE})/{_DAY}(?![\w/])(?!\.\d)",
        _day_after_preposition,
    ),
    rule(rf"{BEFORE}(?P<count>[1-4])(?P<part>[QH])(?P<year>(?:20)?\d\d){AFTER}", _quarter),
    rule(rf"{BEFORE}(?P<part>[QH])(?P<count>[1-4])\s(?P<year>20\d\d){AFTER}", _quarter),
    rule(
        rf"{BEFORE}(?P<year>\d{{1,4}}|\d,\d{{3}})\s?(?P<era>B\.?\s?C\.?\s?E\b\.?|C\.E\.|CE\b|B\.?C\b\.?|A\.?D\b\.?)",
        _era,
    ),
    rule(r"(?<![\w.,])'?(?P<first>(?:[12]\d)?\d0)'?s\s?[-~]\s?'?(?P<decade>(?:[12]\d)?\d0)'?s\b", _decades),
    rule(r"(?<![\w.,'])(?P<decade>[12]\d\d0)(?:'?s|\ss)\b", _decade),
    rule(r"(?<!\w)'(?P<decade>[1-9]0)'?s\b", _decade),
    rule(
        r"\b(?P<lead>(?:the|his|her|my|our|your|their|mid|early|late|low|high)[\s-])(?P<decade>[2-9]0)s\b",
        lambda match: match["lead"] + decade(match["decade"]),
        re.IGNORECASE,
    ),
    rule(
        rf"{BEFORE}(?P<first>1[1-9]\d\d|20\d\d)\s?[-~]\s?(?P<last>1[1-9]\d\d|20\d\d)(?![\w%])(?!\s?[-/+=×]\s?\w)(?!\.\d)",
        _years,
    ),
    rule(rf"{BEFORE}{_YEAR}-(?P<number>\d\d){AFTER}(?!-)", _year_and_month),
)

TIMES: tuple[Rule, ...] = (
    rule(r"(?<=\d:[0-5]\d)\s?[-~]\s?(?=\d?\d:[0-5]\d)", lambda _: " to "),
    rule(r"(?<=[\d\s][AaPp][Mm])\s?[-~]\s?(?=\d)", lambda _: " to "),
    rule(
        rf"{BEFORE}{_HOUR}:(?P<minute>[0-5]?\d):(?P<second>[0-5]\d)(?:\s?{_HALF_DAY})?{_ZONE}(?![\w:])",
        _long_time,
    ),
    rule(
        rf"{BEFORE}(?P<from>1[0-2]|[1-9])(?:[:.](?P<from_minute>[0-5]\d))?\s?[-~]\s?{_HOUR}(?:[:.](?P<minute>[0-5]\d))?"
        rf"\s?{_HALF_DAY}{_ZONE}",
        _time_range,
    ),
    rule(rf"{BEFORE}{_HOUR}[:.](?P<minute>[0-5]\d)\s?{_HALF_DAY}{_ZONE}", _time),
    rule(rf"{BEFORE}{_HOUR}\s?{_HALF_DAY}{_ZONE}", _time),
    rule(rf"{BEFORE}{_HOUR}:(?P<minute>[0-5]\d)(?![\w:])(?!\.\d){_ZONE}", _time),
)
