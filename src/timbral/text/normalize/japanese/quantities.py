"""Money, units, signs and plain numbers of Japanese text."""

import re

from timbral.text.normalize.japanese.context import KATAKANA, NUMBER, WORD
from timbral.text.normalize.japanese.numerals import cardinal, decimal
from timbral.text.normalize.japanese.units import (
    CURRENCY_CODES,
    CURRENCY_SIGNS,
    PER,
    POWERS,
    SIGNS,
    UNIT,
    UNIT_NAME,
    UNITS,
)
from timbral.text.normalize.rewriting import Rule, after, before, replacements, rule
from timbral.text.scripts import HAN

_WITH_CENTS = ("ドル", "ユーロ")
_SPEED_BEFORE = re.compile(r"[時秒分風流]速[はがも約:： ]{0,2}[0-9.,から~]{1,20}$")


def _money(match: re.Match[str]) -> str:
    name = CURRENCY_SIGNS.get(match["sign"] or "") or CURRENCY_CODES[match["code"].upper()]
    minus, amount = match["minus"] or "", match["amount"]
    whole, _, cents = amount.partition(".")
    if len(cents) == 2 and not match["magnitude"] and name.endswith(_WITH_CENTS):
        return f"{minus}{whole}{name}" + (f"{int(cents)}セント" if int(cents) else "")
    return f"{minus}{amount}{match['magnitude'] or ''}{name}"


def _unit(match: re.Match[str]) -> str:
    """A unit in words; a speed does not say its time again after 時速."""
    spoken = POWERS.get(match["power"] or "", "") + UNITS[match["length"] or match["unit"]]
    per, other, volume = match["per"], match["other"], match["volume"]
    if volume:
        return f"{spoken}パー{POWERS[match['per_power']]}{UNITS[volume]}"
    if per in PER:
        return spoken if _SPEED_BEFORE.search(before(match)) else spoken + PER[per]
    return spoken + ("パー" + UNITS[other] if other else "")


def _number(match: re.Match[str]) -> str:
    if match["fraction"]:
        return decimal(match["integer"], match["fraction"])
    counter = after(match)[:2]
    return cardinal(match["integer"], "" if counter == "分の" else counter)


_CODES = "|".join(CURRENCY_CODES)
_SIGNS_OF_MONEY = "|".join(map(re.escape, CURRENCY_SIGNS))

MONEY: tuple[Rule, ...] = (
    rule(
        rf"(?P<minus>-)?(?:(?P<sign>{_SIGNS_OF_MONEY})|(?<![A-Za-z])(?P<code>(?i:{_CODES})))\s?"
        rf"(?P<amount>{NUMBER})(?P<magnitude>[万億兆千百]{{1,2}})?",
        _money,
    ),
    rule(rf"(?<=[\d万億])\s?(?P<code>{_CODES})(?![A-Za-z])", lambda match: CURRENCY_CODES[match["code"]]),
)

UNITS_AND_SIGNS: tuple[Rule, ...] = (
    rule(UNIT, _unit),
    rule(rf"(?<=[円ルロド])/{UNIT_NAME}", lambda match: "パー" + UNITS[match["name"]]),
    rule(r"(?<![\d.,])(?P<n>\d[\d,.]{0,20}) ?(?:°F|℉)", r"華氏\g<n>度"),
    rule(r"(?:^|(?<=[\s（(「『、。,:：=はがをにでとものから約平均温]))[-▲△](?=√?[\d.])", "マイナス"),
    rule(
        rf"(?<=[{HAN}{KATAKANA}])-(?=\d[\d.]{{0,20}}(?:%|℃|度|ポイント|点|円|キロ|パーセント))",
        "マイナス",
    ),
    rule(rf"(?<=[{WORD}])-(?=\d)", ""),
    rule(r"(?<=\d)\+(?!\w)", "以上"),
    rule(r"\+(?=\d)|(?<=\w)\+(?=\w)", "プラス"),
    rule(rf"(?<=\d)=|=(?=\d)|(?<=\w)=(?![{KATAKANA}=])(?=\w)|(?<=[^\W{KATAKANA}])=(?=\w)", "イコール"),
    rule(r"(?i:No\.?) ?(?=[\d〇一-九])", "ナンバー"),
    replacements(SIGNS),
)

NUMBERS = rule(
    r"(?P<integer>\d{1,3}(?:,\d{3}){1,8}(?!\d)|\d{1,30})(?:\.(?P<fraction>\d{1,30}))?",
    _number,
)
"""What is left of the figures."""
