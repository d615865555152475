"""Chinese numerals: whole and decimal numbers in words, or digit by digit."""

import re

DIGITS = "零一二三四五六七八九"
_LONGEST = 16
_GROUPS = ("", "万", "亿", "万亿")
_TWO_COUNTS = re.compile("^二(?=[千万亿])|(?<=亿)二(?=千)")


def spell(digits: str, *, telephone: bool = False) -> str:
    """Each ASCII digit by its name; in telephone numbers and codes one is 幺, to sound unlike seven."""
    spelled = "".join(DIGITS[int(digit)] for digit in digits)
    return spelled.replace("一", "幺") if telephone else spelled


def cardinal(digits: str) -> str:
    """A whole number, leading zeros ignored: `"1050"` is 一千零五十, `"2000"` 两千, `"200"` 二百.

    Numbers of more than 16 digits are spelled.
    """
    significant = digits.lstrip("0")
    if not significant:
        return DIGITS[0]
    if len(significant) > _LONGEST:
        return spell(significant)
    spoken = ""
    gap = False
    count = (len(significant) + 3) // 4
    for power in reversed(range(count)):
        group = significant[-4 * power - 4 : len(significant) - 4 * power]
        if not group.strip("0"):
            gap = True
            continue
        gap = bool(spoken) and (gap or group[0] == "0")
        words = _group(group, short=power > 0 or not spoken)
        # 万亿 takes its second half from the group of 亿 that follows
        name = "万" if power == 3 and significant[-12:-8].strip("0") else _GROUPS[power]
        spoken += ("零" if gap else "") + words + name
        gap = False
    return _TWO_COUNTS.sub("两", spoken)


def _group(digits: str, *, short: bool) -> str:
    """Up to four digits; `short`: 10 to 19 are 十 to 十九, not 一十."""
    spoken = ""
    gap = False
    significant = digits.lstrip("0")
    for digit, unit in zip(significant, ("千", "百", "十", "")[-len(significant) :], strict=True):
        if digit == "0":
            gap = True
            continue
        spoken += ("零" if gap else "") + DIGITS[int(digit)] + unit
        gap = False
    return spoken[1:] if short and spoken.startswith("一十") else spoken


def number(value: str) -> str:
    """A number with optional sign, thousands commas and decimals: `"-1,234.50"`."""
    value = value.replace(",", "")
    if value[:1] in {"-", "−"}:
        return "负" + number(value[1:])
    whole, _, decimals = value.removeprefix("+").partition(".")
    return cardinal(whole) + (f"点{spell(decimals)}" if decimals else "")


def amount(value: str) -> str:
    """A number as it counts things: 2 is 两, 200 两百."""
    spoken = number(value)
    return {"二": "两", "二百": "两百"}.get(spoken, spoken)
