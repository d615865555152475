"""Dates, years and times of day."""

import re

from timbral.text.normalize.chinese.context import is_score
from timbral.text.normalize.chinese.numbers import amount, cardinal, number, spell
from timbral.text.normalize.chinese.rules import TO, Rule, pattern

_YEAR = r"(?:1[0-9]|20)\d\d"
_MONTH = r"(?:0?[1-9]|1[0-2])"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[01]?\d|2[0-4])[:：][0-5]\d(?:[:：][0-5]\d)?"
_ALONE = r"(?<![\d.,/·-])(?<!\d:)"
_END = r"(?![\d/:·]|[.,-]\d)"
_LASTS = re.compile("[了過过約近约超满滿达達有是的这這那前后後每又随隨为為用花经經历歷时時隔长長共]$")
_DURATION = re.compile("(?:用时|時長|时长|耗时|成绩|配速|片长|全长|历时|长度)[^，。]{0,4}$")
_DAY_CUE = re.compile("(?:截[至止]到?|日期|生日|定在|(?<![大小等低高多少近])于)[是为：:]?$")
_BEFORE_DATE = re.compile("(?:[到至于在从自期止截]|日期|生日|时间)[是为：:]?$")


def _before(match: re.Match[str], length: int = 12) -> str:
    return match.string[max(0, match.start() - length) : match.start()].rstrip()


def _date(match: re.Match[str]) -> str:
    return (
        f"{_year(match['year'])}{cardinal(match['month'])}月{cardinal(match['day'])}{match['unit'] or '日'}"
    )


def _year(digits: str) -> str:
    return f"{spell(digits)}年"


def _year_and_month(match: re.Match[str]) -> str:
    return f"{_year(match['year'])}{cardinal(match['month'])}月"


def _dotted_months(match: re.Match[str]) -> str:
    first, last = (
        f"{_year(year)}{cardinal(month)}月" for year, month in re.findall(r"(\d{4})\.(\d+)", match[0])
    )
    return f"{first}到{last}"


def _dotted_month(match: re.Match[str]) -> str | None:
    """2024.03, but not the amount 2024.5."""
    return _year_and_month(match) if len(match["month"]) == 2 or _BEFORE_DATE.search(_before(match)) else None


def _american_date(match: re.Match[str]) -> str | None:
    """12/25/2024, and 25/12/2024 where the first number can be no month."""
    month, day = match["month"], match["day"]
    if int(month) > 12:
        month, day = day, month
    return None if int(month) > 12 else f"{_year(match['year'])}{cardinal(month)}月{cardinal(day)}日"


def _day_after_cue(match: re.Match[str]) -> str | None:
    return _month_and_day(match) if _DAY_CUE.search(_before(match)) else None


def _month_and_day(match: re.Match[str]) -> str:
    return f"{cardinal(match['month'])}月{cardinal(match['day'])}日"


def _numbered_event(match: re.Match[str]) -> str:
    """9/11 and 5·12 as names of events."""
    return spell(match[1]) + spell(match[2])


def _day_range(match: re.Match[str]) -> str:
    return f"{cardinal(match['month'])}月{cardinal(match['day'])}到{cardinal(match['last'])}{match['unit'] or '日'}"


def _month_range(match: re.Match[str]) -> str:
    return f"{cardinal(match['first'])}到{cardinal(match['last'])}月"


def _year_range(match: re.Match[str]) -> str:
    return f"{spell(match['first'])}到{spell(match['last'])}{match['unit'] or ''}"


def _season(match: re.Match[str]) -> str | None:
    follows = int(match["last"]) == (int(match["first"][-2:]) + 1) % 100
    return _year_range(match) if follows or match["unit"] else None


def _years(match: re.Match[str]) -> str | None:
    """Years of a date and lengths of time: 1998年 and 98年 name a year, 300年 and 15年 last."""
    digits, before = match["year"], _before(match, 8)
    if match["span"]:
        return amount(digits) + "年" + match["span"]
    if len(digits) == 4 or (len(digits) == 3 and before.endswith("公元")):
        lasts = digits.endswith("000") and digits != "2000"
        return amount(digits) + "年" if lasts else _year(digits)
    dated = digits[0] == "0" or match["dated"] is not None or (digits >= "60" and not _LASTS.search(before))
    if len(digits) == 2 and dated and not before.endswith("前"):
        return _year(digits)
    return amount(digits) + "年"


def _two_digits(digits: str) -> str:
    return ("零" if digits[0] == "0" and digits != "00" else "") + cardinal(digits)


def _time(clock: str, hour: int | None = None, *, full: bool = False) -> str:
    hours, minutes, *seconds = re.split("[:：]", clock)
    hour = int(hours) if hour is None else hour
    spoken = ("两" if hour == 2 else cardinal(str(hour))) + "点"
    if minutes == "30" and not seconds and not full:
        return spoken + "半"
    if minutes != "00" or seconds:
        spoken += f"{_two_digits(minutes)}分"
    return spoken + (f"{_two_digits(seconds[0])}秒" if seconds else "")


def _half_day(hour: int, half: str) -> tuple[str, int]:
    """Name of the part of a day and the hour in it, of an hour with a.m. or p.m."""
    if half.lower() == "a":
        return ("凌晨" if hour == 12 else "上午"), hour
    hour = hour - 12 if hour > 12 else hour
    return ("中午" if hour == 12 else "晚上" if hour > 6 else "下午"), hour


def _clock(match: re.Match[str]) -> str | None:
    if not match["half"] and not match["last"] and is_score(match):
        return None
    first = match["first"]
    if _DURATION.search(_before(match)) and first.count(":") + first.count("：") == 1:
        minutes, seconds = re.split("[:：]", first)
        return f"{cardinal(minutes)}分{_two_digits(seconds)}秒"
    name, hour = "", None
    if match["half"]:
        name, hour = _half_day(int(re.split("[:：]", first)[0]), match["half"][0])
    spoken = name + _time(first, hour, full=bool(match["unit"]))
    return spoken + f"到{_time(match['last'])}" if match["last"] else spoken


def _hour(match: re.Match[str]) -> str:
    name, hour = _half_day(int(match["hour"]), match["half"])
    return f"{name}{'两' if hour == 2 else cardinal(str(hour))}点"


def _era(match: re.Match[str]) -> str:
    era = "公元前" if match["era"][0] in "bB" else "公元"
    return f"{era}{spell(match['year'])}年"


_HALF = r"(?: \s? (?P<half>[AaPp])\.?[Mm] (?![A-Za-z]) \.? )"

CALENDAR_RULES: tuple[Rule, ...] = (
    (
        pattern(
            rf"{_ALONE} (?P<year>{_YEAR}) \s? (?P<s>[-/.·]) \s? (?P<month>{_MONTH}) \s? (?P=s) \s?"
            rf"(?P<day>{_DAY}) (?P<unit>[日号號]?) {_END}"
        ),
        _date,
    ),
    (pattern(rf"{_ALONE} (?P<year>\d\d) / (?P<month>{_MONTH}) / (?P<day>{_DAY}) (?P<unit>) {_END}"), _date),
    (
        pattern(rf"{_ALONE} (?P<month>\d\d?) (?P<s>[-/.]) (?P<day>{_DAY}) (?P=s) (?P<year>{_YEAR}) {_END}"),
        _american_date,
    ),
    (
        pattern(
            r"(?<!\d) (?P<year>\d{4}|\d\d) \s? 年 \s?"
            rf"(?P<month>{_MONTH}) \s? 月 (?: \s? (?P<day>{_DAY}) \s? (?P<unit>[日号號]) (?!{TO}\d) )"
        ),
        _date,
    ),
    (
        pattern(
            rf"(?<!\d) (?P<first>{_YEAR}) {TO} (?P<last>\d\d) (?P<unit>赛季|賽季|学年|學年|财年|年度|年)? (?![\d.-])"
        ),
        _season,
    ),
    (
        pattern(rf"{_ALONE} (?P<year>{_YEAR}) [-/] (?P<month>{_MONTH}) {_END} (?!赛|賽|学年|學年)"),
        _year_and_month,
    ),
    (pattern(rf"{_ALONE} {_YEAR}\.{_MONTH} {TO} {_YEAR}\.{_MONTH} {_END}"), _dotted_months),
    (
        pattern(
            rf"{_ALONE} (?P<year>{_YEAR}) \. (?P<month>{_MONTH}) {_END} (?! \s?[%％A-Za-z万萬亿億元个個点點公米克])"
        ),
        _dotted_month,
    ),
    (pattern(rf"{_ALONE} (?P<month>0[1-9]|1[0-2]) [-/.] (?P<year>{_YEAR}) {_END}"), _year_and_month),
    (
        pattern(rf"{_ALONE} (?P<month>0[1-9]) (?P<s>[-/.]) (?P<day>0[1-9]|[12]\d|3[01]) {_END}"),
        _month_and_day,
    ),
    (
        pattern(rf"{_ALONE} (\d\d?) [/·・]? (\d\d) (?=事件|恐怖|袭击|大?地震|事变|运动|惨案|晚会)"),
        _numbered_event,
    ),
    (pattern(rf"{_ALONE} (\d\d?) · (\d\d?) {_END}"), _numbered_event),
    (
        pattern(
            rf"{_ALONE} (?P<month>{_MONTH}) / (?P<day>{_DAY}) (?= \s?(?:[日号號周上下早晚起]|当天|之[前后]|截止|到期"
            r"|开[始售]|发售|放假|上线)) [日号號]?"
        ),
        _month_and_day,
    ),
    (pattern(rf"{_ALONE} (?P<month>{_MONTH}) / (?P<day>{_DAY}) {_END}"), _day_after_cue),
    (pattern(rf"(?<!\d) (?P<first>\d{{3,4}}) \s?年 {TO} (?P<last>\d{{3,4}}) (?P<unit>\s?年)"), _year_range),
    (pattern(rf"(?<!\d) (?P<first>\d{{4}}) \s?年? {TO} (?P<last>\d{{4}}) (?P<unit>\s?年)"), _year_range),
    (pattern(rf"{_ALONE} (?P<first>{_YEAR}) {TO} (?P<last>{_YEAR}) (?P<unit>) {_END}"), _year_range),
    (
        pattern(
            rf"(?<!\d) (?P<month>{_MONTH}) \s?月\s? (?P<day>{_DAY}) [日号號]? {TO} (?P<last>{_DAY}) \s?(?P<unit>[日号號])"
        ),
        _day_range,
    ),
    (pattern(rf"(?<![\d.]) (?P<first>{_MONTH}) \s?月? {TO} (?P<last>{_MONTH}) \s? 月"), _month_range),
    (pattern(rf"(?<![\d.]) ({_MONTH}) \s? 月 (?![饼光球])"), lambda match: f"{cardinal(match[1])}月"),
    (
        pattern(rf"(?<![\d.-]) ({_DAY}) \s? ([日号號]) (?![楼樓院线線店])"),
        lambda match: cardinal(match[1]) + match[2],
    ),
    (
        pattern(r"(?<!\d) ([5-9][05]|0[05]|10) ([后後]) (?![来來天续續面方半卫衛])"),
        lambda match: spell(match[1]) + match[2],
    ),
    (
        pattern(r"(?<!\d) (\d{3}0|[1-9]0) (?= \s? 年代)"),
        lambda match: spell(match[1]) if len(match[1]) > 2 else cardinal(match[1]),
    ),
    (
        pattern(
            r"(?<![\d.,]) (?P<year>\d{2,4}) \s? 年 (?P<span>[来來以多余]|的?[历歷]史|[间間])?"
            r"(?P<dated>(?=\s?\d\d?\s?月)|(?=[初底末款级級届春夏秋冬]))?"
        ),
        _years,
    ),
    (
        pattern(r"(?<!\d) (?P<year>\d{3,4}) \s? 年? (?P<era>[Bb]\.?[Cc]|[Aa]\.?[Dd]) (?![A-Za-z]) \.?"),
        _era,
    ),
    (
        pattern(
            rf"(?<![\d.])(?<!\d[:：]) (?P<first>{_CLOCK}) (?: {TO} (?P<last>{_CLOCK}) )? (?![\d:：])"
            rf" {_HALF}? (?P<unit>[分秒](?![之钟鐘]))?"
        ),
        _clock,
    ),
    (pattern(rf"(?<![\d:.]) (?P<hour>1[0-2]|0?[1-9]) {_HALF}"), _hour),
    (
        pattern(r"(?<=[点點时時分]) (\d{1,2}) \s? (?=[分秒])"),
        lambda match: number(match[1]) if match[1][0] != "0" else spell(match[1]),
    ),
)
