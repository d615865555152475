"""Numbers in English words, worded as the official front end words them (it uses the `inflect` package)."""

_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["_", "_", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = [
    "",
    "thousand",
    "million",
    "billion",
    "trillion",
    "quadrillion",
    "quintillion",
    "sextillion",
    "septillion",
    "octillion",
    "nonillion",
    "decillion",
]
_IRREGULAR_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_LARGEST_NAMED_DIGITS = 3 * len(_SCALES)


def digits_in_words(digits: str) -> str:
    """Each digit on its own: "907" gives "nine zero seven"."""
    return " ".join(_SMALL[int(digit)] for digit in digits)


def cardinal(digits: str, *, with_and: bool = False) -> str:
    """A number such as "1205" in words; numbers too long to have a name are read digit by digit.

    with_and: British "one hundred and five" instead of "one hundred five".
    """
    digits = digits.lstrip("0") or "0"
    if len(digits) > _LARGEST_NAMED_DIGITS:
        return digits_in_words(digits)
    number = int(digits)
    if number == 0:
        return _SMALL[0]
    groups: list[tuple[int, str]] = []
    for scale in _SCALES:
        number, group = divmod(number, 1000)
        if group:
            groups.append((group, scale))
    conjunction = " and " if with_and else " "
    words = ", ".join(
        f"{_below_1000(group, conjunction)} {scale}".rstrip() for group, scale in reversed(groups)
    )
    last, scale = groups[0]
    if not scale and last < 100 and len(groups) > 1:
        head, _, tail = words.rpartition(", ")
        return head + conjunction + tail
    return words


def ordinal(digits: str) -> str:
    """The number 21 gives "twenty-first"."""
    words = cardinal(digits, with_and=True)
    start = max(words.rfind(" "), words.rfind("-")) + 1
    head, last = words[:start], words[start:]
    if last in _IRREGULAR_ORDINALS:
        return head + _IRREGULAR_ORDINALS[last]
    return head + (last[:-1] + "ieth" if last.endswith("y") else last + "th")


def ordinal_suffix(digits: str) -> str:
    """The ending of a number that is written like 21st: "st", "nd", "rd" or "th"."""
    if digits[-2:] in ("11", "12", "13"):
        return "th"
    return {"1": "st", "2": "nd", "3": "rd"}.get(digits[-1], "th")


def number_or_year(digits: str) -> str:
    """As `cardinal`, except that 1001 to 2999 are read like years: "1905" gives "nineteen oh five"."""
    number = int(digits) if len(digits) <= _LARGEST_NAMED_DIGITS else 0
    if not 1000 < number < 3000:
        return cardinal(digits)
    century, rest = divmod(number, 100)
    if number == 2000:
        return "two thousand"
    if 2000 < number < 2010:
        return f"two thousand {_SMALL[rest]}"
    if rest == 0:
        return f"{_below_100(century)} hundred"
    return f"{_below_100(century)} {f'oh {_SMALL[rest]}' if rest < 10 else _below_100(rest)}"


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
