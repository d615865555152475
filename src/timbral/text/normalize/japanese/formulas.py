"""Ranges, formulas, fractions, ratios and hyphens between numbers in Japanese text."""

import re

from timbral.text.normalize.japanese.context import COUNTER, KATAKANA, WORD
from timbral.text.normalize.japanese.units import OPERATORS
from timbral.text.normalize.rewriting import Rule, after, before, rule
from timbral.text.scripts import HAN, LATIN

_OPERAND = r"[±√]?\d{1,30}(?:[.,/]\d{1,30}){0,4}(?:[²³]|\^\d{1,9})?"
_OPERATOR = r"(?:[<>]=|[-+×÷*x=<>≥≤≧≦≠≒≈])"
_SPORTS = re.compile(
    "試合|勝|負|敗|完封|逆転|得点|ゴール|先制|リード|延長|対戦|引き分け|セット|スコア|点差|優勝|決勝|リーグ|[0-9]回[表裏]"
)
_PART_OF_ADDRESS = re.compile(r"(?:丁目|番地?|[町村区市]|[図表式問例章節第])$")


def _expression(match: re.Match[str]) -> str:
    """A formula: signs between numbers in words, if one of them is more than a hyphen or a stroke."""
    if not re.search(r"[=+×÷*<>≥≤≧≦≠≒≈^±²³]", match[0]):
        return match[0]
    spoken = re.sub(r"\^(\d+)", r"の\1乗", match[0])
    spoken = spoken.replace("²", "の二乗").replace("³", "の三乗")
    spoken = re.sub(r"(?<=[\d)])\s*-\s*(?=\d)", "マイナス", spoken)
    return re.sub(rf"\s*({_OPERATOR}|[±√])\s*", lambda sign: OPERATORS[sign[1]], spoken)


def _fraction(match: re.Match[str]) -> str:
    minus = "マイナス" if match["minus"] else ""
    return f"{minus}{match['down']}分の{match['up']}"


def _hyphen(match: re.Match[str]) -> str:
    """What a hyphen between two numbers says: a range, a result of a game, a part of an address, or minus."""
    left, right = int(match["left"]), int(match["right"])
    lead, following = before(match), after(match)
    if re.match(rf"\s?(?:{COUNTER})", following):
        word = "から"
    elif _PART_OF_ADDRESS.search(lead):
        word = "の"
    elif _SPORTS.search(lead + following) or (left > right and re.search(f"[{WORD}]$", lead)):
        word = "対"
    elif match["dash"] == "–" or (left < right and re.search(r"[はがをにでの約、]$", lead)):
        word = "から"
    else:
        word = "の" if re.search(f"[{WORD}]$", lead) else "マイナス"
    return f"{match['left']}{word}{match['right']}"


RANGES: tuple[Rule, ...] = (
    rule(
        rf"(?<=[\d{HAN}{KATAKANA}{LATIN}%℃°)）])\s?~\s?(?=[\d{HAN}{LATIN}{KATAKANA}¥$€£-])|(?<=[ろ半])~(?=\d)",
        "から",
    ),
    rule(r"(?<=[\d年月日時分円])~(?=\s?(?:$|[、。」）)\n]))", "から"),
    rule(rf"(?:^|(?<=[\s（(「、]))~\s?(?P<n>\d[\d,.]{{0,20}}(?:{COUNTER})?)", r"\g<n>まで"),
    rule(
        r"(?<=\d)(?P<unit>円|ドル|%|℃|度|人|kg|cm|km|m|g|時|分|日|月|年)\s?[–-]\s?(?=\d)",
        r"\g<unit>から",
    ),
)

FORMULAS: tuple[Rule, ...] = (
    rule(
        rf"(?<![\d.,/{LATIN}]){_OPERAND}(?:\s?{_OPERATOR}\s?-?{_OPERAND}){{1,20}}"
        r"|(?<![\d.])\d{1,30}(?:[²³]|\^\d{1,9})",
        _expression,
    ),
    rule(
        r"(?<!\d)(?P<whole>\d{1,9}) (?P<up>\d{1,9})/(?P<down>\d{1,9})(?!\d)",
        r"\g<whole>と\g<down>分の\g<up>",
    ),
    rule(r"(?P<minus>-)?(?<![\d/])(?P<up>√?\d{1,30}) ?/ ?(?P<down>√?\d{1,30})(?![\d/])", _fraction),
    rule(r"(?<=\d) ?[:：] ?(?=\d)", "対"),
    rule(r"(?<![\d-])\d{1,9}(?:-\d{1,9}){2,5}(?![\d-])", lambda match: match[0].replace("-", "の")),
    rule(r"(?<![\d.,–-])(?P<left>\d{1,9})(?P<dash>\s?[-–]\s?)(?P<right>\d{1,9})(?!\.?\d|-)", _hyphen),
    rule(r"(?<=\d)[xX*](?=\d)", "かける"),
)
