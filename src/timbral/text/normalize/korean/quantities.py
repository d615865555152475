"""Money, units, counters and plain numbers of Korean text."""

import re

from timbral.text.normalize.korean.numerals import decimal, native, sino
from timbral.text.normalize.korean.units import (
    CURRENCY_CODES,
    CURRENCY_SIGNS,
    NATIVE_COUNTERS,
    NEIGHBOURS,
    POWERS,
    SPEEDS,
    UNIT,
    UNIT_AFTER_WORD,
    UNITS,
)
from timbral.text.normalize.rewriting import Rule, after, before, rule

_HIGHEST_NATIVE = {"살": 99, "시간": 12}
_HIGHEST_NATIVE_OF_OTHERS = 29
_BOOKS_BEFORE = re.compile("(?:책|소설|공책|노트|잡지|만화|사전|시집|동화|교재|전집).{0,8}$")
_BOOKS_AFTER = re.compile(r"의 (?:책|소설|잡지)|씩|[을를이]? ?(?:샀|사|읽|빌|썼)")
_SPEED_BEFORE = re.compile(r"[시초분풍]속\s?(?:약 )?$")
_WITH_CENTS = ("달러", "유로")
_NUMBERED = "출구|버스|문제|국도|트랙|타자|좌석|게이트|창구|버튼|채널|선수|염색체|교향곡|코스|방|홈|키"
_INTEGER = r"\d{1,3}(?:,\d{3}){1,8}(?!\d)|\d{1,30}"


def _money(match: re.Match[str]) -> str:
    name = CURRENCY_SIGNS.get(match["sign"] or "") or CURRENCY_CODES[(match["code"] or "").upper()]
    minus, amount = "마이너스 " if match["minus"] else "", match["amount"]
    whole, _, cents = amount.partition(".")
    if len(cents) == 2 and not match["magnitude"] and name.endswith(_WITH_CENTS):
        return f"{minus}{whole}{name}" + (f" {int(cents)} 센트" if int(cents) else "")
    return f"{minus}{amount}{(match['magnitude'] or '').strip()}{name}"


def _unit(match: re.Match[str]) -> str:
    """A number with its unit; a speed by the hour or second is named first: 시속 60 킬로미터."""
    number, per = match["number"], match["per"]
    spoken = POWERS.get(match["power"] or "", "") + UNITS[match["length"] or match["unit"]]
    if number.startswith("-"):
        number = ("영하 " if spoken == "도" else "마이너스 ") + number[1:]
    if per in SPEEDS and spoken.endswith("미터"):
        named = _SPEED_BEFORE.search(before(match))
        return ("" if named else SPEEDS[per] + " ") + f"{number} {spoken}"
    return f"{number} {spoken}" + (f" 퍼 {UNITS[per]}" if per else "")


def _unit_after_word(match: re.Match[str]) -> str:
    return f" {UNITS[match['unit']]}" + (f" 퍼 {UNITS[match['per']]}" if match["per"] else "")


def _counted(match: re.Match[str]) -> str:
    """A number before a counter that asks for native words, as far as they are in use."""
    figures, counter = match["n"], match["counter"]
    number = int(figures.replace(",", ""))
    of_age = counter == "대" and number % 10 == 0
    use_native = 0 < number <= _HIGHEST_NATIVE.get(counter, _HIGHEST_NATIVE_OF_OTHERS) and not of_age
    return (native(figures) if use_native else sino(figures)) + match["blank"] + counter


def _counted_range(match: re.Match[str]) -> str:
    """Neighbours as one word (두세 명), others with their counter each."""
    left, right, counter = int(match["left"]), int(match["right"]), match["blank"] + match["counter"]
    if right == left + 1 and left in NEIGHBOURS:
        return NEIGHBOURS[left] + counter
    return f"{left}{counter}에서 {right}{counter}"


def _book(match: re.Match[str]) -> str:
    """Volumes by number, but books counted: 책 세 권."""
    counted = _BOOKS_BEFORE.search(before(match)) or _BOOKS_AFTER.match(after(match))
    use_native = counted and 0 < int(match["n"]) <= _HIGHEST_NATIVE_OF_OTHERS
    return (native if use_native else sino)(match["n"]) + match["blank"] + "권"


def _ordinal(match: re.Match[str]) -> str:
    number = int(match["n"])
    said = "첫" if number == 1 else native(match["n"]) if 0 < number < 100 else sino(match["n"])
    return said + match["blank"] + "번째"


def _number(match: re.Match[str]) -> str:
    return decimal(match["integer"], match["fraction"]) if match["fraction"] else sino(match["integer"])


_CODES = "|".join(CURRENCY_CODES)
_SIGNS_OF_MONEY = "|".join(map(re.escape, CURRENCY_SIGNS))

MONEY: tuple[Rule, ...] = (
    rule(
        rf"(?P<minus>-)?(?:(?P<sign>{_SIGNS_OF_MONEY})|(?<![A-Za-z])(?P<code>(?i:{_CODES})))\s?"
        rf"(?P<amount>(?:{_INTEGER})(?:\.\d{{1,30}})?)(?P<magnitude>\s?[천백십]?[만억조]\s?(?!\d))?",
        _money,
    ),
    rule(rf"(?<=[\d만억조])\s?(?P<code>{_CODES})(?![A-Za-z])", lambda match: CURRENCY_CODES[match["code"]]),
)

COUNTED_RANGE = rule(
    rf"(?<![\d.,])(?P<left>\d{{1,3}})\s?~\s?(?P<right>\d{{1,3}})(?P<blank> ?)(?P<counter>{NATIVE_COUNTERS})",
    _counted_range,
)

UNITS_AND_COUNTERS: tuple[Rule, ...] = (
    rule(UNIT, _unit),
    rule(UNIT_AFTER_WORD, _unit_after_word),
    rule(r"(?<!\w)-(?=\d[\d.]{0,20}\s?도)", "영하 "),
    rule(r"(?<!\w)-(?=\d)|(?<=[스과와]) ?-(?=\d)", "마이너스 "),
    rule(r"\+(?=\d)", "플러스 "),
    rule(r"(?<![\d.제])(?P<n>\d{1,8})(?P<blank> ?)번째", _ordinal),
    rule(
        rf"(?<![\d.,제])(?P<n>\d{{1,9}})(?= ?번 ?(?:{_NUMBERED}))",
        lambda match: sino(match["n"]),
    ),
    rule(r"(?<![\d.,제])(?P<n>\d{1,6})(?P<blank> ?)권", _book),
    rule(rf"(?<![\d.,제])(?P<n>{_INTEGER})(?P<blank> ?)(?P<counter>{NATIVE_COUNTERS})", _counted),
)

NUMBERS = rule(rf"(?P<integer>{_INTEGER})(?:\.(?P<fraction>\d{{1,30}}))?", _number)
"""What is left of the figures."""
