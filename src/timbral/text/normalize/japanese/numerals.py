"""Japanese numerals: figures to kanji, as a value or digit by digit, and positional kanji to figures."""

KANJI_DIGITS = "〇一二三四五六七八九"
TO_KANJI = str.maketrans("0123456789", KANJI_DIGITS)
TO_FIGURES = str.maketrans(KANJI_DIGITS + "零", "01234567890")
_WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
_MYRIADS = ("", "万", "億", "兆", "京", "垓")
_AMBIGUOUS = {
    "分": ("2", "9", "10"),
    "分間": ("2", "9"),
    "章": ("1", "8", "99", "1000"),
    "歳": ("1000",),
    "頭": ("8",),
}
"""Numerals that a dictionary takes for another word when a counter follows them: 十分 (enough), 千歳 (a town)."""


def digits(figures: str) -> str:
    """Figures one by one: 090 is 〇九〇."""
    return figures.translate(TO_KANJI)


def cardinal(figures: str, counter: str = "") -> str:
    """An integer as a value: 1200 is 千二百; with a leading zero, digit by digit.

    counter: what follows; numerals that would make another word with it stay figures, in full width.
    """
    figures = figures.replace(",", "")
    if (len(figures) > 1 and figures[0] == "0") or len(figures) > 4 * len(_MYRIADS):
        return digits(figures)
    if figures == "0":
        return "零" if counter[:1] in tuple("時度") else "ゼロ"
    if figures in _AMBIGUOUS.get(counter[:2], ()) or figures in _AMBIGUOUS.get(counter[:1], ()):
        return figures.translate(_WIDE)
    groups = [figures[max(end - 4, 0) : end] for end in range(len(figures), 0, -4)]
    spelt = [
        _group(group, myriad) + myriad for group, myriad in zip(groups, _MYRIADS, strict=False) if int(group)
    ]
    return "".join(reversed(spelt))


def decimal(integer: str, fraction: str) -> str:
    """A decimal number: 3.14 is 三点一四."""
    whole = cardinal(integer)
    return ("〇" if whole == "ゼロ" else whole) + "点" + digits(fraction)


def _group(figures: str, myriad: str) -> str:
    """Up to four figures; one is left out before 十, 百 and 千, but said in 一千万."""
    spelt = ""
    for place, figure in zip(range(len(figures) - 1, -1, -1), figures, strict=True):
        unit = ("", "十", "百", "千")[place]
        if figure == "0":
            continue
        one_is_silent = figure == "1" and unit and not (unit == "千" and myriad)
        spelt += unit if one_is_silent else digits(figure) + unit
    return spelt
