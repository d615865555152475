"""Dates and times of Japanese text, as figures with 年, 月, 日, 時, 分 and 秒 between them."""

import re

from timbral.text.normalize.rewriting import Rule, after, rule

_MONTH, _DAY = r"(?:0?[1-9]|1[0-2])", r"(?:[12]\d|3[01]|0?[1-9])"
_YEAR, _MODERN_YEAR = r"[12]\d{3}", r"(?:19|20)\d\d"
_START, _END = r"(?<![\d./:])(?<!\d[-–])", r"(?![\d/:]|[.\-]\d)"
_WEEKDAYS = "月火水木金土日"
_DATE_BEFORE = (
    r"(?:日時|日程|期日|期限|期間|締切|締め切り|〆切|予定日?|発売日?|開催日?|公開日?|初日|当日|週末は|[月火水木金土日]曜日は|"
    r"誕生日は?|[今来毎先翌本]月|[今来先]週|今年|来年|昨年|去年|明日|本日|今日)[はが、:：のに ]{0,2}"
)
_DATE_AFTER = (
    r"(?=\s?[(（][月火水木金土日祝]|から|まで|より|[にへ](?:発売|開催|公開|開始|開店|実施|予定|行|会|届|出|到着|締)|"
    r"発売|開催|公開|開始|付[けで]|締切|〆切|必着|[のは]?(?:朝|昼|夜|夕方|午前|午後|\d{1,2}[:時]))"
)
_ERAS = {"M": "明治", "T": "大正", "S": "昭和", "H": "平成", "R": "令和"}
_ERA = r"(?<![A-Za-z])(?P<era>[MTSHR])"
_HALF = r"[aApP]\.? ?[mM](?![A-Za-z])\.?"


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
    month, day = match["m"], match["d"]
    in_brackets = after(match).lstrip().startswith(("(", "（"))
    fraction = month[0] != "0" and int(month) < int(day) <= 10 and not in_brackets
    return match[0] if fraction else _date(month=month, day=day)


def _time(match: re.Match[str]) -> str:
    groups = {"min": "0", "s": "", "before": "", "after": ""} | {
        name: value for name, value in match.groupdict().items() if value
    }
    half = (groups["before"] or groups["after"])[:1].lower()
    spoken = {"a": "午前", "p": "午後", "": ""}[half] + f"{int(groups['h'])}時"
    if int(groups["min"]) or groups["s"]:
        spoken += f"{int(groups['min'])}分"
    return spoken + (f"{int(groups['s'])}秒" if groups["s"] else "")


def _weekday(match: re.Match[str]) -> str:
    last = f"から{match['last']}曜日" if match["last"] else ""
    return f"{match['first']}曜日{last}" + ("祝日" if match["holiday"] else "")


_ERA_DATES: tuple[Rule, ...] = (
    rule(rf"{_ERA}\.?(?P<y>\d{{1,2}})[./](?P<m>{_MONTH})[./](?P<d>{_DAY}){_END}", _era),
    rule(rf"{_ERA}\.?(?P<y>\d{{1,2}})(?=年)", lambda match: _ERAS[match["era"]] + match["y"]),
    rule(rf"{_ERA}\.(?P<y>\d{{1,2}})(?![\d.])", _era),
)
_DATES: tuple[Rule, ...] = (
    rule(rf"(?<!\d)(?P<y>{_YEAR})(?P<sep>[-/.])(?P<m>{_MONTH})(?P=sep)(?P<d>{_DAY})(?![\d/:])", _named),
    rule(rf"{_START}(?P<a>{_DAY})(?P<sep>[-/.])(?P<b>{_DAY})(?P=sep)(?P<y>{_YEAR}){_END}", _year_last),
    rule(
        rf"{_START}(?P<y>{_YEAR})(?:/(?={_MONTH})|[-.](?=\d\d))(?P<m>{_MONTH}){_END}(?![%年月度円倍])",
        _named,
    ),
    rule(rf"{_START}(?P<m>{_MONTH})[-/.](?P<y>{_MODERN_YEAR}){_END}", _named),
    rule(rf"{_START}(?P<y>{_MODERN_YEAR})[-–/](?P<to>\d\d)(?=年|シーズン)", r"\g<y>から\g<to>"),
    rule(rf"{_START}(?P<m>0[1-9]|1[0-2])[-/.](?P<d>0[1-9]){_END}", _named),
    rule(rf"{_START}(?P<m>0[1-9])[-/.](?P<d>{_DAY}){_END}", _named),
    rule(
        rf"{_START}(?P<m>{_MONTH})(?P<sep>[-/])(?P<d>{_DAY})(?:\s?[~–]\s?|から)(?P<m2>{_MONTH})(?P=sep)(?P<d2>{_DAY}){_END}",
        lambda match: f"{_date('', match['m'], match['d'])}から{_date('', match['m2'], match['d2'])}",
    ),
    rule(rf"{_START}(?P<m>{_MONTH})/(?P<d>{_DAY}){_END}{_DATE_AFTER}", _month_and_day),
    rule(
        rf"(?P<lead>{_DATE_BEFORE})(?P<m>{_MONTH})/(?P<d>{_DAY}){_END}",
        lambda match: match["lead"] + _named(match),
    ),
    # A denominator that no fraction has.
    rule(rf"{_START}(?P<m>{_MONTH})/(?P<d>1[3479]|2[123679]|31|28){_END}(?=[はにへ])", _named),
)
_WEEKDAYS_IN_BRACKETS: tuple[Rule, ...] = (
    rule(
        rf"(?<=[\d日末旬])\s?[(（](?P<first>[{_WEEKDAYS}])(?:曜日?)?"
        rf"(?:\s?[~–\-]\s?(?P<last>[{_WEEKDAYS}])(?:曜日?)?)?(?:[・･,、/]?(?P<holiday>祝日?))?[)）]",
        _weekday,
    ),
    rule(r"(?<=[\d日])\s?[(（]祝日?[)）]", "祝日"),
    rule(rf"(?<=[{_WEEKDAYS}])\s?[~–]\s?(?=[{_WEEKDAYS}](?:曜|$|[^\w]))", "から"),
)
_TIMES: tuple[Rule, ...] = (
    rule(
        rf"(?<![\d.:])(?:(?P<before>{_HALF}) ?)?(?P<h>[01]?\d|2\d):(?P<min>[0-5]\d)(?::(?P<s>[0-5]\d))?"
        rf"(?! ?[対:]|\d)(?: ?(?P<after>{_HALF}))?",
        _time,
    ),
    rule(rf"(?<![\d.:])(?P<h>1[0-2]|0?\d) ?(?P<after>{_HALF})", _time),
    rule(rf"(?<![A-Za-z])(?P<before>{_HALF}) ?(?P<h>1[0-2]|0?\d)(?:時|(?![\d:]))", _time),
)

CALENDAR: tuple[Rule, ...] = (
    *_ERA_DATES,
    *_DATES,
    *_WEEKDAYS_IN_BRACKETS,
    *_TIMES,
    rule(r"(?<=[\d日分時秒])\s?[~–-]\s?(?=\d{1,4}[年月日時])", "から"),
)
"""Rules in their order: eras, dates with and without a year, weekdays in brackets, times, ranges of them."""
