"""Numbers as Chinese says them: counted (二十三), spelled digit by digit (二三), or with a decimal part."""

DIGITS = "零一二三四五六七八九"
_LONGEST = 16
_UNITS = {1: "十", 2: "百", 3: "千", 4: "万", 8: "亿"}


def spell(digits: str, *, telephone: bool = False) -> str:
    """Each ASCII digit by its name; on the telephone (and in codes) one is 幺, to sound unlike seven."""
    spelled = "".join(DIGITS[int(digit)] for digit in digits)
    return spelled.replace("一", "幺") if telephone else spelled


def cardinal(digits: str) -> str:
    """A whole number, leading zeros ignored: `"1050"` is 一千零五十, `"12"` is 十二, `""` is nothing.

    Numbers too long to have a name are spelled.
    """
    if not digits:
        return ""
    significant = digits.lstrip("0")
    if not significant:
        return DIGITS[0]
    if len(significant) > _LONGEST:
        return spell(significant)
    parts = _count(significant)
    if parts[:2] == [DIGITS[1], _UNITS[1]]:
        parts = parts[1:]
    return "".join(parts)


def number(value: str) -> str:
    """A whole or decimal number without sign; all trailing zeros of the decimals but one are dropped."""
    whole, _, decimals = value.partition(".")
    spoken = cardinal(whole)
    kept = decimals.rstrip("0")
    if len(kept) < len(decimals):
        kept += "0"
    if not kept:
        return spoken
    return f"{spoken or DIGITS[0]}点{spell(kept)}"


def amount(value: str) -> str:
    """A number as it counts things: 2 is 两, 2000 两千."""
    spoken = number(value)
    if spoken == "二" or spoken[:2] in {"二千", "二万", "二亿"}:
        return "两" + spoken[1:]
    return spoken


def _count(digits: str) -> list[str]:
    significant = digits.lstrip("0")
    if not significant:
        return []
    if len(significant) == 1:
        name = DIGITS[int(significant)]
        return [DIGITS[0], name] if len(digits) > 1 else [name]
    power = max(power for power in _UNITS if power < len(significant))
    return [*_count(digits[:-power]), _UNITS[power], *_count(digits[-power:])]
