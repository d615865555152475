"""Korean numerals: Sino-Korean, native, or digit by digit."""

_DIGITS = "영일이삼사오육칠팔구"
_NATIVE_ONES = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
_NATIVE_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")
_MYRIADS = ("", "만", "억", "조", "경", "해")
_TELEPHONE = str.maketrans("0123456789", "공" + _DIGITS[1:])
_ONE_BY_ONE = str.maketrans("0123456789", _DIGITS)


def digits(figures: str, zero: str = "영") -> str:
    """Figures one by one; zero: 영, or 공 as in telephone numbers."""
    return figures.translate(_TELEPHONE if zero == "공" else _ONE_BY_ONE)


def sino(figures: str) -> str:
    """An integer in Sino-Korean: 12000 is 만이천; with a leading zero or endless, digit by digit."""
    figures = figures.replace(",", "")
    if (len(figures) > 1 and figures[0] == "0") or len(figures) > 4 * len(_MYRIADS):
        return digits(figures)
    if figures == "0":
        return "영"
    groups = [figures[max(end - 4, 0) : end] for end in range(len(figures), 0, -4)]
    spelt = [_group(group) + myriad for group, myriad in zip(groups, _MYRIADS, strict=False) if int(group)]
    if spelt[-1] == "일만":
        spelt[-1] = "만"
    return "".join(reversed(spelt))


def native(figures: str) -> str:
    """An integer from 1 to 99 in native words, in the form before a counter: 3 is 세, 20 스무."""
    number = int(figures)
    if number == 20:
        return "스무"
    return _NATIVE_TENS[number // 10] + _NATIVE_ONES[number % 10]


def decimal(integer: str, fraction: str) -> str:
    """A decimal number: 3.14 is 삼점일사."""
    return f"{sino(integer)}점{digits(fraction)}"


def ends_in_consonant(text: str) -> bool:
    """Whether the last syllable has a coda, which decides between 이 and 가, 은 and 는."""
    code = ord(text[-1]) - 0xAC00
    return 0 <= code < 11172 and code % 28 != 0


def _group(figures: str) -> str:
    """Up to four figures; one is left out before 십, 백 and 천."""
    spelt = ""
    for place, figure in zip(range(len(figures) - 1, -1, -1), figures, strict=True):
        unit = ("", "십", "백", "천")[place]
        if figure != "0":
            spelt += unit if figure == "1" and unit else digits(figure) + unit
    return spelt
