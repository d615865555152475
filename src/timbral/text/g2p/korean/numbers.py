"""Numbers in Korean words: Sino-Korean, or native before the counters that ask for it (as g2pk2 does)."""

import re

_DIGITS = "영일이삼사오육칠팔구"
_NATIVE_ONES = ["", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉"]
_NATIVE_TENS = ["", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔"]
_NATIVE_COUNTERS = (
    "군데 권 개 그루 닢 대 두 마리 모 모금 뭇 발 발짝 방 번 벌 보루 살 수 술 시 쌈 움큼 "
    "정 짝 채 척 첩 축 켤레 톨 통"
)
_PLACES = ("", "십", "백", "천", "만", "십", "백", "천", "억", "십", "백", "천", "조", "십", "백", "천")
_COUNTED = re.compile("([0-9][0-9,]*)([ㄱ-힣]+)/B")


def spell_numbers(marked: str) -> str:
    """Numbers before counters (marked /B) as numbers, all other digits one by one."""
    marked = _COUNTED.sub(lambda m: number(m[1], native=m[2] in _NATIVE_COUNTERS) + f"{m[2]}/B", marked)
    return re.sub("[0-9]", lambda digit: _DIGITS[int(digit[0])], marked)


def number(digits: str, *, native: bool) -> str:
    """Digits, with commas or without, in words; native: 한, 두, 세 for tens and ones instead of 일, 이, 삼.

    Numbers of more than 16 digits are read digit by digit.
    """
    digits = digits.replace(",", "")
    if len(digits) > len(_PLACES):
        return "".join(_DIGITS[int(digit)] for digit in digits)
    if digits == "0":
        return "영"
    if native and digits == "20":
        return "스무"
    words: list[str] = []
    for place, digit in zip(range(len(digits) - 1, -1, -1), map(int, digits), strict=True):
        if native and place < 2:
            words.append((_NATIVE_ONES, _NATIVE_TENS)[place][digit])
        elif digit:
            words.append(_digit_in_place(digit, place))
        elif place % 4 == 0 and any(words[-3:]):
            words.append(_PLACES[place])
        else:
            words.append("")
    return "".join(words)


def _digit_in_place(digit: int, place: int) -> str:
    """Quirk: one is left out before 십, 백, 천 and 만, but not in the places from 억 up (일억, 일십억)."""
    unit = _PLACES[place]
    return unit if digit == 1 and 0 < place < 8 else _DIGITS[digit] + unit
