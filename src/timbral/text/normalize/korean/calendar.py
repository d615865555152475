"""Dates and times of Korean text, as figures with 년, 월, 일, 시, 분 and 초 after them; months and hours in words."""

import re

from timbral.text.normalize.korean.numerals import digits, native, sino
from timbral.text.normalize.rewriting import Rule, rule

_WEEKDAYS = "월화수목금토일"
_MONTH, _DAY = r"(?:0?[1-9]|1[0-2])", r"(?:[12]\d|3[01]|0?[1-9])"
_HIGHEST_NATIVE_HOUR = 12
_HALF = r"[aApP]\.? ?[mM](?![A-Za-z])\.?"
_POINT = rf"(?<!\d)\d{{1,4}}(?:년|월|일|시)(?:\s?\d{{1,2}}(?:월|일|분)){{0,2}}(?:\s?[{_WEEKDAYS}]요일)?"


def _date(year: str, month: str, day: str) -> str:
    return " ".join(f"{int(n)}{unit}" for n, unit in ((year, "년"), (month, "월"), (day, "일")) if n)


def _named(match: re.Match[str]) -> str:
    groups = match.groupdict()
    return _date(groups.get("y") or "", groups.get("m") or "", groups.get("d") or "")


def _year_last(match: re.Match[str]) -> str:
    first, second = match["a"], match["b"]
    return _date(match["y"], second, first) if int(first) > 12 else _date(match["y"], first, second)


def _weekday(match: re.Match[str]) -> str:
    last = f"부터 {match['last']}요일까지" if match["last"] else ""
    return f" {match['first']}요일{last}"


def _clock(match: re.Match[str]) -> str:
    groups = {"m": "", "s": "", "before": "", "after": ""} | match.groupdict("")
    half = (groups["before"] or groups["after"])[:1].lower()
    spoken = {"a": "오전 ", "p": "오후 ", "": ""}[half] + f"{int(groups['h'])}시"
    for figures, unit in ((groups["m"], "분"), (groups["s"], "초")):
        if int(figures or 0):
            spoken += f" {int(figures)}{unit}"
    return spoken


def _hour(match: re.Match[str]) -> str:
    hour = int(match["h"])
    return (native(str(hour)) if 0 < hour <= _HIGHEST_NATIVE_HOUR else sino(str(hour))) + "시"


_ANNIVERSARIES = "절|전쟁|사변|민주|광복|혁명|운동|테러|사태|사건|기념|항쟁"

CALENDAR: tuple[Rule, ...] = (
    rule(
        rf"(?<![\d.])(?P<m>\d{{1,2}})[·.](?P<d>\d{{1,2}})(?= ?(?:{_ANNIVERSARIES}))",
        lambda match: digits(match["m"] + match["d"]),
    ),
    rule(
        rf"(?<!\d)(?P<y>[12]\d{{3}})(?P<sep>[-/.]) ?(?P<m>{_MONTH})(?P=sep) ?(?P<d>{_DAY})\.?(?!\d)",
        _named,
    ),
    rule(rf"(?<!\d)(?P<a>{_DAY})(?P<sep>[-/.])(?P<b>{_DAY})(?P=sep)(?P<y>[12]\d{{3}})(?!\d)", _year_last),
    rule(r"(?<![\d./])(?P<y>(?:19|20)\d\d)[-/](?P<m>0[1-9]|1[0-2])(?![\d./-])", _named),
    rule(
        rf"(?<![\d/])(?P<m>{_MONTH})/(?P<d>{_DAY})(?![\d/])(?=\s?\([{_WEEKDAYS}]\)|까지|부터|에 )",
        _named,
    ),
    rule(
        rf"(?<=[\d일])\s?\((?P<first>[{_WEEKDAYS}])(?:요일)?(?:\s?[~-]\s?(?P<last>[{_WEEKDAYS}])(?:요일)?)?\)",
        _weekday,
    ),
    rule(rf"(?<=[년월일])(?=[{_WEEKDAYS}]요일)", " "),
    rule(
        rf"(?<![\d:.])(?:(?P<before>{_HALF}) ?)?(?P<h>[01]?\d|2[0-4]):(?P<m>[0-5]\d)(?::(?P<s>[0-5]\d))?(?![\d:])"
        rf"(?: ?(?P<after>{_HALF}))?",
        _clock,
    ),
    rule(rf"(?<![\d:.])(?P<h>1[0-2]|0?\d) ?(?P<after>{_HALF})", _clock),
    rule(rf"(?<![A-Za-z])(?P<before>{_HALF}) ?(?P<h>1[0-2]|0?\d)(?:시|(?![\d:]))", _clock),
    rule(
        rf"(?P<left>{_POINT})\s?[~–-]\s?(?P<right>{_POINT})(?!까지)",
        lambda match: f"{match['left']}부터 {match['right']}까지",
    ),
    rule(r"(?<!\d)0?6월", "유월"),
    rule(r"(?<!\d)10월", "시월"),
    rule(r"(?<!\d)0(?=[1-9][월일분초])", ""),
    rule(r"(?<![\d.])(?P<n>\d{1,2})\s?~\s?(?=\d{1,2}시(?!간))", r"\g<n>시에서 "),
    rule(r"(?<![\d.])(?P<h>[01]?\d|2[0-4])시(?!간|[가-힣]{2,3}장)", _hour),
    rule(r"(?<=[시분])(?=\d)", " "),
)
"""Rules in their order: dates, weekdays in brackets, times, ranges of them."""
