"""Numbers in English words: cardinals, ordinals, years, decimals, digits one by one."""

import re

_SMALL = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = [
    "", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion",
    "septillion", "octillion", "nonillion", "decillion",
]  # fmt: skip
_IRREGULAR_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
_LARGEST_NAMED_DIGITS = 3 * len(_SCALES)

NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
"""A number without a sign, as an alternative of a regular expression: 5, 1,000, 3.14, .5."""


def digits_in_words(digits: str, zero: str = "zero") -> str:
    """Each digit on its own: "907" gives "nine zero seven"; other characters are left out."""
    return " ".join(_SMALL[int(d)] if d != "0" else zero for d in digits if d.isdigit())


def cardinal(digits: str, *, with_and: bool = True) -> str:
    """A whole number such as "1,205" in words; numbers too long to have a name are read digit by digit.

    with_and: "one hundred and five" instead of "one hundred five".
    """
    digits = digits.replace(",", "").lstrip("0") or "0"
    if len(digits) > _LARGEST_NAMED_DIGITS:
        return digits_in_words(digits)
    number, last = int(digits), int(digits) % 1000
    if number == 0:
        return _SMALL[0]
    words: list[str] = []
    for power in range(len(_SCALES) - 1, 0, -1):
        group = number // 1000**power % 1000
        if group:
            words.append(f"{_below_1000(group, ' ')} {_SCALES[power]}")
    conjunction = " and " if with_and else " "
    if last:
        alone = words and last < 100 and number // 1000 % 1000
        words.append((conjunction.lstrip() if alone else "") + _below_1000(last, conjunction))
    return " ".join(words)


def ordinal(digits: str) -> str:
    """The number 21 gives "twenty-first"."""
    words = cardinal(digits, with_and=False)
    start = max(words.rfind(" "), words.rfind("-")) + 1
    head, last = words[:start], words[start:]
    if last in _IRREGULAR_ORDINALS:
        return head + _IRREGULAR_ORDINALS[last]
    return head + (last[:-1] + "ieth" if last.endswith("y") else last + "th")


def pairs(digits: str) -> str:
    """Three or four digits as in years, addresses and names of models: "1905" gives "nineteen oh five"."""
    number = int(digits)
    if number % 1000 == 0 or (1999 < number < 2010):
        return cardinal(digits, with_and=False)
    head, rest = divmod(number, 100)
    if rest == 0:
        return f"{_below_100(head)} hundred"
    return f"{_below_100(head)} {f'oh {_SMALL[rest]}' if rest < 10 else _below_100(rest)}"


def year(digits: str) -> str:
    """A year of up to four digits; one of two digits as in "the class of 05"."""
    if len(digits) == 2 and digits[0] == "0":
        return digits_in_words(digits, "oh")
    return pairs(digits) if 3 <= len(digits) <= 4 and digits[0] != "0" else cardinal(digits)


def decade(digits: str) -> str:
    """The number 1980 gives "nineteen eighties", 80 gives "eighties"."""
    words = year(digits)
    return words[:-1] + "ies" if words.endswith("y") else words + "s"


def number(text: str, *, zero: str = "zero", with_and: bool = True) -> str:
    """A number without a sign in words, such as "1,200", "3.14", ".5" or "007"; `zero` is said after the point."""
    whole, _, fraction = text.partition(".")
    words = ""
    if whole:
        leading_zero = len(whole) > 1 and whole[0] == "0"
        words = digits_in_words(whole) if leading_zero else cardinal(whole, with_and=with_and)
    return f"{words} point {digits_in_words(fraction, zero)}".strip() if fraction else words


def is_one(text: str) -> bool:
    """Whether what a number counts stands in the singular."""
    return re.fullmatch(r"0*1(?:\.0+)?", text) is not None


def _below_100(number: int) -> str:
    if number < 20:
        return _SMALL[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens] + (f"-{_SMALL[ones]}" if ones else "")


def _below_1000(number: int, conjunction: str) -> str:
    hundreds, rest = divmod(number, 100)
    if not hundreds:
        return _below_100(rest)
    return f"{_SMALL[hundreds]} hundred" + (conjunction + _below_100(rest) if rest else "")
