"""Amounts: money, shares, temperatures, measures, ranges, fractions and plain numbers."""

import re
from decimal import Decimal

from timbral.text.normalize.chinese.context import is_score
from timbral.text.normalize.chinese.numbers import amount, cardinal, number, spell
from timbral.text.normalize.chinese.rules import TO, Rule, pattern
from timbral.text.normalize.chinese.units import (
    COUNTED,
    CURRENCIES,
    CURRENCY,
    LETTER_MAGNITUDES,
    MAGNITUDE,
    UNIT,
    unit_name,
)
from timbral.text.scripts import HAN

_VALUE = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)? | \d+(?:\.\d+)? | (?<![\d\u3400-\u9fff.])\.\d+)"
_NO_OPERAND = r"(?<![\w)）%]) (?<![\w)）%]\s)"
_SIGN = rf"(?: {_NO_OPERAND} [-+±] \s? )"
_FIRST = rf"(?P<first> {_SIGN}? {_VALUE})"
_LAST = rf"(?P<last> -?{_VALUE})"
_MULTIPLE = rf"(?P<multiple> {MAGNITUDE} | (?:k|K|w|W|M|m|B|bn)(?![A-Za-z]) )"
_SIGNS = {"-": "负", "+": "正", "±": "正负"}
_YEAR = re.compile("(?:1[89]|20)[0-9]{2}")
_AMOUNT_CUE = re.compile("[共约約超达達近有增减減多过過仅僅花卖賣赚賺得值满滿每乘除加等大小=＝+×÷-]\\s?$")
_WITH_UNIT = re.compile(
    rf"[0-9]\s?(?:{COUNTED}|[%％‰°℃℉月日号號年点點分时時秒]|[A-Za-z/²³]{{1,6}}){{0,3}}\s*$".replace(" ", "")
)
_PER = (
    "(?:[年月日天周时時分秒次人个個斤克升米度位份杯箱盒件只隻条條张張套户戶亩畝吨噸股页頁字课課]"
    "|小[时時]|公[斤里顷頃升吨噸]|平[米方]|千[克米瓦]|毫升)"
)
_COUNTS_AS_WELL = re.compile(COUNTED)


def _signed(value: str, minus: str = "负") -> str:
    """A number with its sign in words."""
    sign = minus if value[0] == "-" else _SIGNS.get(value[0], "")
    return sign + number(value[1:].strip() if sign else value)


def _measured(value: str) -> str:
    """A number before a unit: 2 is 两."""
    spoken = _signed(value)
    return "两" if spoken == "二" else spoken


def _times(value: str, multiple: str) -> str:
    """A number with the magnitude after it: 5.3亿 stays, 1.5M is 一百五十万."""
    factor = LETTER_MAGNITUDES.get(multiple)
    if factor is None:
        return amount(value) + multiple
    return amount(f"{(Decimal(value.replace(',', '')) * factor).normalize():f}")


def _money(match: re.Match[str]) -> str:
    minus = "负" if "-" in match[0][: match.start("first") - match.start()] else ""
    multiple = match["multiple"] or ""
    values = [match["first"], match["last"]] if match["last"] else [match["first"]]
    spoken = "到".join(
        _times(re.sub(r"\.0+$", "", value), multiple if value is values[-1] else "") for value in values
    )
    return minus + spoken + CURRENCIES[match["currency"]]


def _share(match: re.Match[str]) -> str:
    unit = {"%": "百分之", "％": "百分之", "‰": "千分之", "‱": "万分之"}[match["unit"]]
    spoken = [_one_share(unit, value) for value in (match["first"], match["last"]) if value]
    return "到".join(spoken)


def _one_share(unit: str, value: str) -> str:
    return _SIGNS.get(value[0], "") + unit + number(value.lstrip("-+± "))


def _temperature(match: re.Match[str]) -> str:
    first, last, unit = match["first"], match["last"], match["unit"]
    spoken = _signed(first, "零下")
    if last:
        spoken += f"到{_signed(last, '零下')}"
    if unit in {"°C", "摄氏度", "攝氏度"} and not last and not first.startswith("-"):
        return spoken + "摄氏度"
    return ("华氏" if unit in {"℉", "°F"} else "") + spoken + "度"


def _arc(match: re.Match[str]) -> str:
    """Minutes and seconds, of an angle or of time."""
    return f"{number(match[1])}分" + (f"{number(match[2])}秒" if match[2] else "")


def _measure(match: re.Match[str]) -> str | None:
    name = unit_name(match["unit"])
    if name is None:
        return None
    spoken = _measured(match["first"])
    if match["last"]:
        spoken += f"到{_measured(match['last'])}"
    return spoken + (match["multiple"] or "") + name


def _per_unit(match: re.Match[str]) -> str | None:
    name = unit_name(match["unit"])
    return name and "每" + name


def _fraction(match: re.Match[str]) -> str:
    """1/2, but also 120/80 for blood pressure and 24/7, which are two numbers."""
    whole, above, below = match["whole"], match["above"], match["below"]
    if len(above) > 1 and int(above) > int(below) and not whole:
        return f"{number(above)}，{number(below)}"
    return (f"{number(whole)}又" if whole else "") + f"{number(below)}分之{number(above)}"


def _falls(first: str, last: str) -> bool:
    return float(first.lstrip("+±").replace(",", "").replace(" ", "")) >= float(last.replace(",", ""))


def _range(match: re.Match[str]) -> str | None:
    first, last = match["first"], match["last"]
    sign = match["to"].strip()
    if _falls(first, last) and sign not in {"~", "至", "到"}:
        return None
    counts = _COUNTS_AS_WELL.match(match.string[match.end() : match.end() + 3].lstrip())
    if not counts and is_score(match) and "." not in match[0]:
        return f"{number(first)}比{number(last)}"
    read = _measured if counts else _signed
    return f"{read(first)}{'至' if sign == '至' else '到'}{read(last)}"


def _to(match: re.Match[str]) -> str | None:
    """The sign between two amounts that have a unit each."""
    return "到" if _WITH_UNIT.search(match.string[max(0, match.start() - 12) : match.start()]) else None


def _counted(match: re.Match[str]) -> str:
    more = {"+": "多"}.get(match["more"] or "", match["more"] or "")
    value = match["first"]
    after = match.string[match.end() :][:2]
    is_name = value == "2" and (
        after[:1] in {"两", "兩"} or (after[:1] in {"栋", "棟", "座"} and after[1:].isdigit())
    )
    return (number(value) if is_name else amount(value)) + more


def _plus(match: re.Match[str]) -> str:
    return number(match[1]) + ("多" if match[1].endswith("00") else "加")


def _ordinal(match: re.Match[str]) -> str:
    first = cardinal(match[1])
    return f"第{first}到{cardinal(match[2])}" if match[2] else f"第{first}"


def _multiplied(match: re.Match[str]) -> str:
    first, last, multiple = match["from"], match["first"], match["multiple"]
    if multiple == "K" and len(last.partition(".")[0]) > 3:
        return number(last) + "开"
    spoken = _times(last, multiple)
    if not first:
        return spoken
    return f"{_times(first, multiple) if multiple in LETTER_MAGNITUDES else _measured(first)}到{spoken}"


def _spaced_thousands(match: re.Match[str]) -> str:
    return amount(match[1].replace(" ", ""))


def _plain(match: re.Match[str]) -> str:
    digits = match[0]
    if "." in digits or "," in digits:
        return number(digits)
    before = match.string[max(0, match.start() - 3) : match.start()]
    alone = len(digits) == len(match.string.strip("。.!?,， \n+-"))
    if len(digits) > 1 and digits[0] == "0" and digits.strip("0"):
        return spell(digits, telephone=True)
    if _YEAR.fullmatch(digits) and digits[2:] != "00" and not _AMOUNT_CUE.search(before) and not alone:
        return spell(digits)
    if len(digits) > 7 and not digits.endswith("000") and not alone and not _AMOUNT_CUE.search(before):
        return spell(digits, telephone=True)
    return number(digits) if digits == "2" else amount(digits)


MEASURE_RULES: tuple[Rule, ...] = (
    (
        pattern(
            rf"-? (?<![A-Za-z]) (?P<currency>{CURRENCY}) \s? -? (?P<first>{_VALUE})"
            rf"(?: {TO} (?:{CURRENCY})? (?P<last>{_VALUE}) )? (?: {_MULTIPLE} )? (?:元|块|塊|美元|欧元|人民币)? (?![A-Za-z])"
        ),
        _money,
    ),
    (
        pattern(
            rf"{_SIGN}? (?P<first>{_VALUE}) (?P<last>) \s? {_MULTIPLE}? \s? (?P<currency>{CURRENCY})"
            r"(?![A-Za-z\d]|\s?\d)"
        ),
        _money,
    ),
    (pattern(rf"{_FIRST} (?: \s? [%％‰]? (?: {TO} | [至到] ) {_LAST} )? \s? (?P<unit>[%％‰‱])"), _share),
    (
        pattern(
            rf"{_FIRST} (?: \s? (?:°C?|℃|度)? {TO} {_LAST} )? \s?"
            r"(?P<unit>°[CF](?![A-Za-z])|℃|℉|°|摄氏度|攝氏度|度(?=$|[^电電]))"
        ),
        _temperature,
    ),
    (pattern(r"(?<!\d) (\d{1,3}) [′'] (?: \s? (\d{1,2}) (?:″|\"|''|′′) )?"), _arc),
    (
        pattern(
            rf"{_FIRST} (?: \s? (?:{UNIT})? {TO} (?P<last>{_VALUE}) )? \s? (?P<multiple>{MAGNITUDE})? \s? (?P<unit>{UNIT})"
            r"(?! [级級座栋棟楼樓] )"
        ),
        _measure,
    ),
    (pattern(rf"/ \s? (?P<unit>{UNIT})"), _per_unit),
    (
        pattern(
            r"(?<![\d./]) (?: (?P<whole>\d{1,4}) (?:\s|又) )? (?P<above>\d{1,9}) \s?/\s? (?P<below>\d{1,9}) (?![\d/])"
        ),
        _fraction,
    ),
    (pattern(r"(?<!\d) (-?\d{1,4}) (?=分之)"), lambda match: number(match[1])),
)

NUMBER_RULES: tuple[Rule, ...] = (
    (
        pattern(
            rf"(?<![\d.]) (?: (?P<from>{_VALUE}) {TO} )? (?P<first>{_VALUE}) {_MULTIPLE} (?= [{HAN}，。,!?] | $)"
        ),
        _multiplied,
    ),
    (
        pattern(
            rf"(?<![\d.:/-]) {_FIRST} (?P<to> {TO} | [至到] ) {_LAST} (?! \s?[=＝] | [\d:/] | -\d | [等]于)"
        ),
        _range,
    ),
    (pattern(rf"{TO} (?= (?:[-+]|{CURRENCY})? \d) "), _to),
    (pattern(rf"第 \s? (\d{{1,16}}) (?: {TO} 第?(\d{{1,16}}) )?"), _ordinal),
    (
        pattern(r"(?: № | No\.? | NO\.? | no\. ) \s? (\d{1,6}) (?!\d)"),
        lambda match: f"第{cardinal(match[1])}",
    ),
    (pattern(rf"(?<![\d.]) (?=[1-9]) (\d{{1,3}}(?:\ \d{{3}})+) (?= \s? {COUNTED})"), _spaced_thousands),
    (
        pattern(rf"(?<![\d.]) (?P<first>{_VALUE}) \s? (?P<more>[多余餘几幾+])? (?= \s? {COUNTED} | [两兩] )"),
        _counted,
    ),
    (pattern(rf"(?<![\d.]) (?P<first>{_VALUE}) (?P<more>[多余餘几幾])"), _counted),
    (pattern(r"(\d{1,9}) \+ (?! \s?[\dA-Za-z(（])"), _plus),
    (pattern(rf"{_NO_OPERAND} [-±+] \s? (?={_VALUE} | [百千万]分之)"), lambda match: _SIGNS[match[0][0]]),
    (pattern(rf"(?<![\d.]) {_VALUE}"), _plain),
    (pattern(r"\d+"), lambda match: spell(match[0], telephone=True)),
    (
        pattern(rf"(?<=[0-9A-Za-z²³元圆块塊角分钱錢次人个個米克升吨度台件万亿费币]) / (?={_PER})"),
        lambda match: "每",
    ),
    (pattern(r"(?<=[元块]) / (?=[美欧英港日]元?|人民币)"), lambda match: "每"),
)
