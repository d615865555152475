"""Dates and times of day in words."""

import re

from timbral.text.normalize.chinese.numbers import DIGITS, amount, cardinal, number, spell
from timbral.text.normalize.chinese.rules import Rule, pattern

_TO = r"\s* [-~～–—至到] \s*"
_MONTH = r"(?:0?[1-9] | 1[0-2])"
_DAY = r"(?:0?[1-9] | [12]\d | 3[01])"
_CLOCK = r"(?:[01]?\d | 2[0-4])[:：][0-5]\d (?:[:：][0-5]\d)?"
_COUNTS_YEARS = "[了过過约約近超满滿达達有是的这這那前后後每又第随隨为為用花经經历歷时時隔长長]"


def _ymd(match: re.Match[str]) -> str:
    return f"{spell(match['year'])}年{cardinal(match['month'])}月{cardinal(match['day'])}日"


def _years(match: re.Match[str]) -> str:
    return f"{spell(match['first'])}到{spell(match['last'])}年"


def _months(match: re.Match[str]) -> str:
    return f"{cardinal(match['first'])}到{cardinal(match['last'])}月"


def _month_and_days(match: re.Match[str]) -> str:
    days = cardinal(match["day"]) + (f"到{cardinal(match['last'])}" if match["last"] else "")
    return f"{cardinal(match['month'])}月{days}{match['unit']}"


def _full_year(match: re.Match[str]) -> str:
    year = match["year"]
    is_span = year.endswith("000") and (year != "2000" or bool(match["span"]))
    return f"{amount(year) if is_span else spell(year)}年{match['span'] or ''}"


def _short_year(match: re.Match[str]) -> str:
    """08年 and 98年 name a year, 15年 is a time."""
    year = match["year"]
    names_year = year.startswith("0") or (year >= "60" and not match["cue"]) or match["date"] is not None
    return f"{match['cue'] or ''}{spell(year) if names_year else number(year)}年{match['date'] or ''}"


def _time(clock: str) -> str:
    hour, minute, *second = re.split("[:：]", clock)
    spoken = ("两" if int(hour) == 2 else number(hour)) + "点"
    if minute == "30" and not second:
        return spoken + "半"
    if minute != "00" or second:
        spoken += f"{_two_digits(minute)}分"
    return spoken + (f"{_two_digits(second[0])}秒" if second else "")


def _two_digits(digits: str) -> str:
    return (DIGITS[0] if digits.startswith("0") and digits != "00" else "") + number(str(int(digits)))


def _clock(match: re.Match[str]) -> str:
    half = {"a": "上午", "p": "下午"}.get((match["half"] or " ")[0].lower(), "")
    spoken = half + _time(match["first"])
    return spoken + (f"到{_time(match['last'])}" if match["last"] else "")


CALENDAR_RULES: tuple[Rule, ...] = (
    (
        pattern(
            rf"(?<![\d./-]) (?P<year>\d{{4}}) ([-/.]) (?P<month>{_MONTH}) \2 (?P<day>{_DAY}) (?![\d./-])"
        ),
        _ymd,
    ),
    (
        pattern(r"(?<![\d./-]) (?P<year>(?:19|20)\d\d) [-/] (?P<month>0[1-9]|1[0-2]) (?![\d./-])"),
        lambda match: f"{spell(match['year'])}年{cardinal(match['month'])}月",
    ),
    (pattern(rf"(?<!\d) (?P<first>\d{{4}}) 年? {_TO} (?P<last>\d{{4}}) 年"), _years),
    (pattern(r"(?<!\d) (?P<year>\d{4}) 年 (?P<span>[前来來以多余]|的?[历歷]史)?"), _full_year),
    (pattern(r"(?<!\d) (?P<decade>[1-9]0) (?=后|後)"), lambda match: spell(match["decade"])),
    (pattern(r"(?<!\d) (?P<decade>[1-9]0) (?=年代)"), lambda match: number(match["decade"])),
    (
        pattern(
            rf"(?P<cue>{_COUNTS_YEARS})? (?<!\d) (?P<year>\d\d) 年 (?P<date>(?=\d\d?月)|[初底末款级級届])?"
        ),
        _short_year,
    ),
    (
        pattern(
            rf"(?<!\d) (?P<month>{_MONTH}) 月"
            rf"(?P<day>{_DAY}) (?:[日号號]? {_TO} (?P<last>{_DAY}) )? (?P<unit>[日号號])"
        ),
        _month_and_days,
    ),
    (pattern(rf"(?<!\d) (?P<first>{_MONTH}) 月? {_TO} (?P<last>{_MONTH}) 月"), _months),
    (pattern(rf"(?<![\d.]) (?P<month>{_MONTH}) (?=月)"), lambda match: cardinal(match["month"])),
    (pattern(rf"(?<![\d.-]) (?P<day>{_DAY}) (?=[日号號])"), lambda match: cardinal(match["day"])),
    (
        pattern(
            rf"(?<![\d:：]) (?P<first>{_CLOCK}) (?: {_TO} (?P<last>{_CLOCK}) )? (?![\d:：])"
            r"(?: \s* (?P<half>[AaPp])\.?[Mm]\b\.? )?"
        ),
        _clock,
    ),
    (pattern(r"(?<![\d.第]) 2 (?=[点點] (?: \D | $ | \d\d\D))"), lambda match: "两"),
)
