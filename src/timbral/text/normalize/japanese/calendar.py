"""Dates and times of Japanese text, as figures with 年, 月, 日, 時, 分 and 秒 between them."""

import re
from collections.abc import Callable

Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]

_MONTH, _DAY = r"(?:0?[1-9]|1[0-2])", r"(?:[12]\d|3[01]|0?[1-9])"
_YEAR = r"[12]\d{3}"
_START, _END = r"(?<![\d./:])(?<!\d[-–])", r"(?![\d/:]|[.\-]\d)"
_WEEKDAYS = "月火水木金土日"
_DATE_BEFORE = r"(?:日時|日程|期日|期限|期間|締切|締め切り|〆切|予定日?|発売日?|開催日?|公開日?|初日|当日|週末は|月曜日は|誕生日は?|[今来毎先翌本]月|[今来先]週|今年|来年|昨年|去年|明日|本日|今日)[はが、:：のに ]{0,2}"
_DATE_AFTER = (
    r"(?=\s?[(（][月火水木金土日祝]|から|まで|より|[にへ](?:発売|開催|公開|開始|開店|実施|予定|行|会|届|出|到着|締)|"
    r"発売|開催|公開|開始|付[けで]|締切|〆切|必着|[のは]?(?:朝|昼|夜|夕方|午前|午後|\d{1,2}[:時]))"
)
_ERAS = {"M": "明治", "T": "大正", "S": "昭和", "H": "平成", "R": "令和"}
_ERA = r"(?<![A-Za-z])(?P<era>[MTSHR])"


def _date(year: str = "", month: str = "", day: str = "") -> str:
    return "".join(f"{int(n)}{unit}" for n, unit in ((year, "年"), (month, "月"), (day, "日")) if n)


def _named(match: re.Match[str]) -> str:
    groups = match.groupdict()
    return _date(groups.get("y") or "", groups.get("m") or "", groups.get("d") or "")


def _year_last(match: re.Match[str]) -> str:
    first, second = match["a"], match["b"]
    return _date(match["y"], second, first) if int(first) > 12 else _date(match["y"], first, second)


def _era(match: re.Match[str]) -> str:
    return _ERAS[match["era"]] + _named(match)


def _month_and_day(match: re.Match[str]) -> str:
    """A month and a day, unless a small fraction is as likely."""
    month, day = int(match["m"]), int(match["d"])
    fraction = match[0][0] != "0" and month < day <= 10 and not match.string[match.end() : match.end() + 2].lstrip().startswith(("(", "（"))
    return match[0] if fraction else _date(month=match["m"], day=match["d"])


def _time(match: re.Match[str]) -> str:
    hour, minute, second = int(match["h"]), int(match["min"] or 0), match["s"]
    half = (match["before"] or match["after"] or "")[:1].lower()
    spoken = {"a": "午前", "p": "午後", "": ""}[half] + f"{hour}時"
    if minute or second:
        spoken += f"{minute}分"
    return spoken + (f"{int(second)}秒" if second else "")


def _weekday(match: re.Match[str]) -> str:
    spoken = match["first"] + "曜日"
    if match["last"]:
        spoken += f"から{match['last']}曜日"
    return spoken + ("祝日" if match["holiday"] else "")


_HALF = r"[aApP]\.? ?[mM](?![A-Za-z])\.?"
CALENDAR: tuple[Rule, ...] = (
    (re.compile(rf"{_ERA}\.?(?P<y>\d{{1,2}})[./](?P<m>{_MONTH})[./](?P<d>{_DAY}){_END}"), _era),
    (re.compile(rf"{_ERA}\.?(?P<y>\d{{1,2}})(?=年)"), lambda match: _ERAS[match["era"]] + match["y"]),
    (re.compile(rf"{_ERA}\.(?P<y>\d{{1,2}})(?![\d.])"), _era),
    (re.compile(rf"(?<!\d)(?P<y>{_YEAR})(?P<sep>[-/.])(?P<m>{_MONTH})(?P=sep)(?P<d>{_DAY})(?![\d/:])"), _named),
    (re.compile(rf"{_START}(?P<a>{_DAY})(?P<sep>[-/.])(?P<b>{_DAY})(?P=sep)(?P<y>{_YEAR}){_END}"), _year_last),
    (re.compile(rf"{_START}(?P<y>{_YEAR})(?:/(?P<m>{_MONTH})|[-.](?P<m2>0[1-9]|1[0-2])){_END}(?![%年月度円倍])"), lambda m: _date(m["y"], m["m"] or m["m2"])),
    (re.compile(rf"{_START}(?P<m>{_MONTH})[-/.](?P<y>(?:19|20)\d\d){_END}"), _named),
    (re.compile(rf"{_START}(?P<y>(?:19|20)\d\d)(?:[-–/])(?P<to>\d\d)(?={'年|シーズン|年度'})"), r"\g<y>から\g<to>"),
    (re.compile(rf"{_START}(?P<m>0[1-9]|1[0-2])[-/.](?P<d>0[1-9]){_END}"), _named),
    (re.compile(rf"{_START}(?P<m>0[1-9])[-/.](?P<d>{_DAY}){_END}"), _named),
    (
        re.compile(
            rf"{_START}(?P<m>{_MONTH})(?P<sep>[-/])(?P<d>{_DAY})(?P<to>\s?[~–]\s?|から)(?P<m2>{_MONTH})(?P=sep)(?P<d2>{_DAY}){_END}"
        ),
        lambda m: f"{_date('', m['m'], m['d'])}から{_date('', m['m2'], m['d2'])}",
    ),
    (re.compile(rf"{_START}(?<={'[^分]'})(?P<m>{_MONTH})/(?P<d>{_DAY}){_END}{_DATE_AFTER}"), _month_and_day),
    (re.compile(rf"^(?P<m>{_MONTH})/(?P<d>{_DAY}){_END}{_DATE_AFTER}"), _month_and_day),
    (re.compile(rf"(?P<lead>{_DATE_BEFORE})(?P<m>{_MONTH})/(?P<d>{_DAY}){_END}"), lambda m: m["lead"] + _named(m)),
    (re.compile(rf"(?<=[\d日末旬])\s?[(（](?P<first>[{_WEEKDAYS}])(?:曜日?)?(?:\s?[~–\-]\s?(?P<last>[{_WEEKDAYS}])(?:曜日?)?)?(?:[・･,、/]?(?P<holiday>祝日?))?[)）]"), _weekday),
    (re.compile(rf"(?<=[{_WEEKDAYS}])\s?[~–]\s?(?=[{_WEEKDAYS}](?:曜|$|[^\w]))"), "から"),
    (
        re.compile(
            rf"(?<![\d.:])(?:(?P<before>{_HALF}) ?)?(?P<h>[01]?\d|2\d):(?P<min>[0-5]\d)(?::(?P<s>[0-5]\d))?(?! ?[対:]|\d)(?: ?(?P<after>{_HALF}))?"
        ),
        _time,
    ),
    (re.compile(rf"(?<![\d.:])(?P<h>1[0-2]|0?\d)(?P<min>)(?P<s>)(?P<before>) ?(?P<after>{_HALF})"), _time),
    (re.compile(rf"(?<![A-Za-z])(?P<before>{_HALF}) ?(?P<h>1[0-2]|0?\d)(?P<min>)(?P<s>)(?P<after>)(?=時)"), lambda m: _time(m)[:-1]),
)
"""Rules in their order: eras, dates with and without a year, weekdays in brackets, times."""
