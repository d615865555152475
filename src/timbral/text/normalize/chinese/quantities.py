"""Amounts in words: money, percentages, temperatures, units, ranges, sums and plain numbers."""

import re

from timbral.text.normalize.chinese.numbers import amount, number, spell
from timbral.text.normalize.chinese.rules import Rule, pattern
from timbral.text.normalize.chinese.units import COUNTED, CURRENCIES, UNITS

_VALUE = r"(?:\d+ (?:\.\d+)? | \.\d+)"
_MINUS = r"(?<![\d\w)）.-]) -"
_TO = r"\s* [-~～–—至到] \s*"
_FIRST = rf"(?P<first> (?:{_MINUS})? {_VALUE})"
_LAST = rf"(?P<last> -?{_VALUE})"

_CURRENCY = "|".join(map(re.escape, CURRENCIES))
_UNIT = "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
_YEAR = re.compile("(?:18|19|20)[0-9]{2}")
_AMOUNT_CUE = "共约約超达達近有为為是到至了增减減多过過仅僅才花卖賣赚賺得值于於满滿每乘除加等"


def _signed(value: str, minus: str = "负") -> str:
    return minus + number(value[1:]) if value.startswith("-") else number(value)


def _money(match: re.Match[str]) -> str:
    spoken = amount(match["first"])
    if match["last"]:
        spoken += f"到{amount(match['last'])}"
    return spoken + match["big"] + CURRENCIES[match["symbol"]]


def _fraction(match: re.Match[str]) -> str:
    """1/2, but also 120/80 for blood pressure and 24/7, which are two numbers."""
    above, below = match[1], match[2]
    if len(above) > 1 and int(above) > int(below):
        return f"{number(above)}，{number(below)}"
    return f"{number(below)}分之{number(above)}"


def _percent(match: re.Match[str]) -> str:
    unit = {"%": "百分之", "％": "百分之", "‰": "千分之"}[match["unit"]]
    first = _share(unit, match["first"])
    return f"{first}到{_share(unit, match['last'])}" if match["last"] else first


def _share(unit: str, value: str) -> str:
    return f"负{unit}{number(value[1:])}" if value.startswith("-") else unit + number(value)


def _temperature(match: re.Match[str]) -> str:
    scale, degrees = {
        "℉": ("华氏", "度"),
        "°F": ("华氏", "度"),
        "摄氏度": ("", "摄氏度"),
        "攝氏度": ("", "攝氏度"),
    }.get(match["unit"], ("", "度"))
    spoken = _signed(match["first"], "零下")
    if match["last"]:
        spoken += f"到{_signed(match['last'], '零下')}"
    return scale + spoken + degrees


def _arc(match: re.Match[str]) -> str:
    """Minutes and seconds, of an angle or of time."""
    return f"{number(match[1])}分" + (f"{number(match[2])}秒" if match[2] else "")


def _measured(match: re.Match[str]) -> str:
    spoken = amount(match["first"]) if not match["first"].startswith("-") else _signed(match["first"])
    if match["last"]:
        spoken += f"到{amount(match['last'])}"
    return spoken + UNITS[match["unit"]]


def _range(match: re.Match[str]) -> str:
    first, last = match["first"], match["last"]
    if _YEAR.fullmatch(first) and _YEAR.fullmatch(last):
        return f"{spell(first)}到{spell(last)}"
    if float(first) < float(last) or match["sign"] in "~～":
        return f"{_signed(first)}到{number(last)}"
    return match[0]


def _counted(match: re.Match[str]) -> str:
    return amount(match["first"]) + {"+": "多"}.get(match["more"] or "", match["more"] or "")


def _plain(match: re.Match[str]) -> str:
    digits = match[0]
    if digits.startswith("0"):
        return spell(digits, telephone=True)
    if _YEAR.fullmatch(digits) and not digits.endswith("00"):
        return spell(digits)
    before = match.string[max(0, match.start() - 3) : match.start()].rstrip()[-1:]
    if len(digits) < 3 or digits.endswith("00") or (before and before in _AMOUNT_CUE and len(digits) < 7):
        return number(digits)
    return spell(digits, telephone=True)


_MATHEMATICS = {
    "+": "加",
    "＋": "加",
    "×": "乘",
    "*": "乘",
    "÷": "除以",
    "=": "等于",
    "＝": "等于",
    "≈": "约等于",
    "≠": "不等于",
    ">": "大于",
    "＞": "大于",
    "<": "小于",
    "＜": "小于",
    "≥": "大于等于",
    "≤": "小于等于",
}

QUANTITY_RULES: tuple[Rule, ...] = (
    (pattern(r"(?<![\d.,]) \d{1,3} (?:,\d{3})+ (?![\d,])"), lambda match: match[0].replace(",", "")),
    (pattern(r"(?<![\d./]) (\d{1,9}) / (\d{1,9}) (?![\d/])"), _fraction),
    (
        pattern(
            rf"(?P<symbol>{_CURRENCY}) \s* (?P<first>{_VALUE}) (?: {_TO} (?P<last>{_VALUE}) )?"
            r"(?P<big>[万萬亿億]?) (?:元|块|塊|美元|欧元)?"
        ),
        _money,
    ),
    (pattern(rf"(?P<first>{_VALUE}) (?P<last>) (?P<big>[万萬亿億]?) (?P<symbol>[¥￥$€£])"), _money),
    (pattern(rf"{_FIRST} (?: [%％‰]? {_TO} {_LAST} )? \s* (?P<unit>[%％‰])"), _percent),
    (
        pattern(
            rf"(?P<first>-?{_VALUE}) (?: (?:°C?|℃|度)? {_TO} {_LAST} )?"
            r"\s* (?P<unit>°[CF]|℃|℉|°|摄氏度|攝氏度|度)"
        ),
        _temperature,
    ),
    (pattern(r"(\d{1,2}) [′'] (?: (\d{1,2}) [″\"] )?"), _arc),
    (
        pattern(
            rf"{_FIRST} (?: (?:{_UNIT})? {_TO} (?P<last>{_VALUE}) )? \s* (?P<unit>{_UNIT}) (?![A-Za-z0-9])"
        ),
        _measured,
    ),
    (
        pattern(rf"(?<![\d.:/-]) {_FIRST} (?P<sign>[-~～–]) (?P<last>{_VALUE}) (?! [\d.:/=＝-] | 等[于於])"),
        _range,
    ),
    (pattern(rf"{_MINUS} (?={_VALUE})"), lambda match: "负"),
    (pattern(rf"± (?={_VALUE})"), lambda match: "正负"),
    (pattern(rf"(?<![\w)）%]) \+ (?={_VALUE})"), lambda match: "正"),
    (pattern(r"(?<=\d) \^ (\d+)"), lambda match: f"的{number(match[1])}次方"),
    (pattern(r"第 (\d{1,6})"), lambda match: f"第{number(match[1])}"),
    (pattern(rf"(?<![\d.]) (?P<first>{_VALUE}) \s* (?P<more>[多余餘几幾+])? (?= {COUNTED} )"), _counted),
    (
        pattern(
            r"(?<=[\d)）零一二三四五六七八九十百千万亿]) \s* ([+＋×*÷=＝≈≠>＞<＜≥≤]) \s* (?=[\d(（负正-])"
        ),
        lambda match: _MATHEMATICS[match[1]],
    ),
    (pattern(r"(?<=[\d)）]) \s* - \s* (?=\d+ \s* [=等])"), lambda match: "减"),
)

PLAIN_NUMBER_RULES: tuple[Rule, ...] = ((pattern(r"(?<![\d.]) \d+ (?![\d.])"), _plain),)
