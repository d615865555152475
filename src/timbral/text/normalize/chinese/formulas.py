"""Signs of formulas: operators, relations, powers and roots."""

import re

from timbral.text.normalize.chinese.numbers import number
from timbral.text.normalize.chinese.rules import Rule, pattern

_OPERATORS = {
    "+": "加", "-": "减", "×": "乘", "*": "乘", "·": "乘", "÷": "除以", "/": "除以", "=": "等于", "≈": "约等于", "≠": "不等于",
    "!=": "不等于", ">": "大于", "<": "小于", "≥": "大于等于", ">=": "大于等于", "≧": "大于等于", "≤": "小于等于",
    "<=": "小于等于", "≦": "小于等于", "==": "等于", "≡": "恒等于", "∝": "正比于", "->": "到",
}  # fmt: skip
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True))
_OPERAND_BEFORE = re.compile(r"[\w)）\]²³⁰-⁹%％πα-ω]\s*$")
_NUMBER_BEFORE = re.compile(r"[0-9)）²³]\s*$")
_POWER_NAMES = {"2": "平方", "3": "三次方"}


def _operator(match: re.Match[str]) -> str | None:
    """An operator between operands; the one before may stand in a neighbouring text."""
    before = match.string[max(0, match.start() - 3) : match.start()]
    sign = match[0].strip()
    if sign in {"-", "/", "*", "·"} and not _NUMBER_BEFORE.search(before):
        return None
    return _OPERATORS[sign] if not before.strip() or _OPERAND_BEFORE.search(before) else None


def _power(match: re.Match[str]) -> str:
    digits = match["digits"] or "".join(_SUPERSCRIPTS[sign] for sign in match["superscript"])
    if digits in _POWER_NAMES and not match["minus"]:
        return f"的{_POWER_NAMES[digits]}"
    return f"的{'负' if match['minus'] else ''}{number(digits)}次方"


SUBTRACTION: Rule = (
    pattern(r"(?<=[\d)）]) \s* - \s* (?=\d+(?:\.\d+)? \s* (?:[=+×÷*]|等[于於]))"),
    lambda match: "减",
)

FORMULA_RULES: tuple[Rule, ...] = (
    (pattern(r"\^ (?P<minus>[-−]?) (?P<digits>\d{1,6}) (?P<superscript>)"), _power),
    (pattern(r"(?P<minus>⁻?) (?P<superscript>[⁰¹²³⁴⁵⁶⁷⁸⁹]+) (?P<digits>)"), _power),
    (pattern(r"√ \s? (?=[\d(（A-Za-z])"), lambda match: "根号"),
    (pattern(r"∛ \s? (?=[\d(（A-Za-z])"), lambda match: "三次根号"),
    (pattern(r"∞"), lambda match: "无穷"),
    (
        pattern(
            r"\s* (?: [<>!=]= | -> | [-+×*÷/=≈≠><≥≤≧≦≡∝] ) \s* (?= [-+±]?[\d.]*\d | [(（√πA-Za-z负零一二三四五六七八九十] )"
        ),
        _operator,
    ),
)
