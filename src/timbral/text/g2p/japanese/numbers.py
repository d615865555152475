"""Numbers in Japanese: digits to words, and the sounds that numbers and counters change in each other.

The steps are those of OpenJTalk's njd_set_digit (Nagoya Institute of Technology, BSD), so that accents stay
the same.
"""

from itertools import groupby, pairwise

from timbral.text.g2p.japanese.counters import (
    APPROXIMATE,
    BEFORE_HUNDRED,
    BEFORE_THOUSAND,
    COUNTER_CHANGES,
    COUNTING,
    DAYS,
    DIGIT_CHANGES,
    DIGITS,
    FIGURES,
    FIRST_OF_MONTH,
    FOUR_AFTER_TWENTY,
    FOURTEEN,
    HUNDRED_THOUSAND_CHANGES,
    NATIVE_COUNTERS,
    NATIVE_DIGITS,
    PEOPLE,
    SPANS_OF_DAYS,
    TENS,
    TWENTY,
    TWENTY_BEFORE_FOUR,
    UNITS,
    Reading,
    Said,
)
from timbral.text.g2p.japanese.words import ADVERBIAL, COUNTER, NOUN, NUMERAL, SYMBOL, Morpheme

_POINT = "点"
_AFTER_FRACTION_BAR = ("ルート", "マイナス")


def read_numbers(words: list[Morpheme]) -> list[Morpheme]:
    """The words with figures read as numbers, and numbers and counters fitted to each other."""
    if not any(word.group1 == NUMERAL for word in words):
        return words
    words = _audible(_read_digit_runs(words))
    _read_decimal_points(words)
    _read_fractions_and_scores(words)
    _fit_counters(words)
    _fit_units(words)
    _use_native_words(words)
    _use_days_of_month(words)
    return _audible(words)


def _read_digit_runs(words: list[Morpheme]) -> list[Morpheme]:
    """Full-width figures as values; kanji digits in a row one by one, but 二三 (two or three) as they are."""
    done: list[Morpheme] = []
    for is_digits, group in groupby(words, _is_digit):
        run = list(group)
        if not is_digits:
            done += run
            continue
        is_value = all(word.surface in FIGURES for word in run)
        for word in run:
            word.surface = DIGITS[word.surface][1]
        if len(run) == 1 and run[0].surface == "〇":
            run[0].sound, run[0].morae = "レー", 2
        if is_value and len(run) <= len(TENS) + 1 and _value(run[0]):
            done += _as_number(run)
            continue
        if len(run) == 2 and _value(run[1]) == _value(run[0]) + 1 > 1:
            _say(run[0], APPROXIMATE.get(run[0].surface))
        else:
            _digit_by_digit(run)
        done += run
    return done


def _digit_by_digit(digits: list[Morpheme]) -> None:
    """Two digits a phrase, short ones drawn out to two morae."""
    if len(digits) < 2:
        return
    for index, digit in enumerate(digits):
        drawn_out = {"〇": "ゼロ", "二": "ニー", "五": "ゴー"}.get(digit.surface)
        if drawn_out:
            digit.sound, digit.morae = drawn_out, 2
        digit.rule = "*"
        digit.joined = bool(index % 2)
        if index % 2:
            digits[index - 1].accent = 3


def _as_number(digits: list[Morpheme]) -> list[Morpheme]:
    """Up to four digits with the units between them: 二 〇 五 becomes 二 百 五 (and a silent zero)."""
    words: list[Morpheme] = []
    for place, digit in zip(range(len(digits) - 1, -1, -1), digits, strict=True):
        value = _value(digit)
        words.append(digit)
        if value == 0:
            _silence(digit)
        elif place and value == 1:
            _become(digit, TENS[place - 1], group1=NUMERAL)
        elif place:
            words.append(_unit(TENS[place - 1]))
    return words


def _read_decimal_points(words: list[Morpheme]) -> None:
    """点 between numerals as the decimal point, with short digits before it drawn out."""
    for index, (before, word, after) in enumerate(zip(words, words[1:], words[2:], strict=False)):
        follows_unit = index + 3 < len(words) and words[index + 3].surface in UNITS
        if word.surface != _POINT or before.group1 != NUMERAL or not _is_digit(after) or follows_unit:
            continue
        _become(word, Reading(_POINT, "テン", Said("テン", 0, 2)), group1="接尾", group2=COUNTER)
        word.joined = True
        drawn_out = {"〇": "レー", "二": "ニー", "五": "ゴー"}.get(before.surface)
        if drawn_out:
            before.sound, before.morae = drawn_out, 2
        elif before.surface == "六":
            before.accent = 1
        if after.surface == "〇":
            after.sound, after.morae = "ゼロ", 2


def _read_fractions_and_scores(words: list[Morpheme]) -> None:
    """分 in 三分の一 and 対 in 三対二, whose sounds are not those of the counters."""
    for number, word, *rest in zip(words, words[1:], words[2:], [*words[3:], None], strict=False):
        if number.group1 != NUMERAL or rest[0] is None:
            continue
        if word.surface == "分" and rest[0].surface == "の" and rest[1] and _starts_number(rest[1]):
            _become(word, Reading("分", "ブン", Said("ブン", 0, 2)), group1="接尾")
            word.rule, number.joined, word.joined = "C4", False, True
        elif word.surface == "対" and _starts_number(rest[0]):
            _become(word, Reading("対", "タイ", Said("タイ", 1, 2)), group1="接尾")
            word.rule, word.joined, rest[0].joined = "C1", True, False


def _starts_number(word: Morpheme) -> bool:
    return word.group1 == NUMERAL or word.surface in _AFTER_FRACTION_BAR


def _fit_counters(words: list[Morpheme]) -> None:
    for number, counter in pairwise(words):
        if number.group1 == NUMERAL and _is_counter(counter):
            for counters, digits in DIGIT_CHANGES:
                if counter.surface in counters:
                    _say(number, digits.get(number.surface))
                    break
            for counters, sounds in COUNTER_CHANGES:
                if counter.surface in counters:
                    _change_first_sound(counter, sounds.get(number.surface))
                    break
            number.joined, counter.joined = False, True


def _fit_units(words: list[Morpheme]) -> None:
    for number, unit in pairwise(words):
        if number.group1 != NUMERAL:
            continue
        if unit.group1 == NUMERAL:
            if number.surface in COUNTING and unit.surface in UNITS:
                number.joined, unit.joined = False, True
            elif number.surface in UNITS and unit.surface in COUNTING:
                unit.joined = False
        if unit.surface == "百":
            _say(number, BEFORE_HUNDRED.get(number.surface))
        if unit.surface in ("千", "兆"):
            _say(number, BEFORE_THOUSAND.get(number.surface))
        if unit.surface in ("百", "千"):
            _change_first_sound(unit, HUNDRED_THOUSAND_CHANGES.get(number.surface))


def _use_native_words(words: list[Morpheme]) -> None:
    """A lone small number with its counter: ひと箱, ふたり, みっか."""
    for index, (number, counter) in enumerate(pairwise(words)):
        before = words[index - 1] if index else None
        alone = before is None or before.part == SYMBOL or before.group1 != NUMERAL
        if number.group1 != NUMERAL or not alone or not _is_counter(counter):
            continue
        if (counter.surface, counter.reading) in NATIVE_COUNTERS:
            _say(number, NATIVE_DIGITS.get(number.surface))
        table = {"人": PEOPLE, "日": DAYS, "日間": SPANS_OF_DAYS}.get(counter.surface, {})
        reading = table.get(number.surface)
        if counter.surface == "日" and number.surface == "一" and before and "月" in before.surface:
            reading = FIRST_OF_MONTH
        if reading:
            _become(number, reading, group1=ADVERBIAL)
            _silence(counter)


def _use_days_of_month(words: list[Morpheme]) -> None:
    """The days 14, 20 and 24, which have words of their own."""
    for index, word in enumerate(words):
        if index and words[index - 1].group1 == NUMERAL:
            continue
        following = words[index + 1 : index + 4]
        surfaces = [word.surface, *(w.surface for w in following)]
        if surfaces[:2] == ["十", "四"] and surfaces[2:3] and surfaces[2] in FOURTEEN:
            _become(word, FOURTEEN[surfaces[2]], group1=ADVERBIAL)
            silent = following[:2]
        elif surfaces[:2] == ["二", "十"] and surfaces[2:3] and surfaces[2] in TWENTY:
            _become(word, TWENTY[surfaces[2]], group1=ADVERBIAL)
            silent = following[:2]
        elif surfaces[:3] == ["二", "十", "四"] and surfaces[3:4] and surfaces[3] in FOUR_AFTER_TWENTY:
            _become(word, TWENTY_BEFORE_FOUR, group1=ADVERBIAL)
            _become(following[0], FOUR_AFTER_TWENTY[surfaces[3]], group1=ADVERBIAL)
            following[0].joined = False
            silent = following[1:3]
        else:
            continue
        for silenced in silent:
            _silence(silenced)


def _is_digit(word: Morpheme) -> bool:
    return word.group1 == NUMERAL and word.surface in DIGITS


def _value(word: Morpheme) -> int:
    return DIGITS[word.surface][0] if _is_digit(word) else -1


def _is_counter(word: Morpheme) -> bool:
    return word.group2 == COUNTER or word.group1 == ADVERBIAL


def _unit(reading: Reading) -> Morpheme:
    unit = Morpheme(reading.surface, NOUN)
    _become(unit, reading, group1=NUMERAL)
    return unit


def _become(word: Morpheme, reading: Reading, group1: str, group2: str = "*") -> None:
    word.surface, word.reading = reading.surface, reading.reading
    word.part, word.group1, word.group2, word.group3 = NOUN, group1, group2, "*"
    word.form = word.rule = "*"
    _say(word, reading.said)


def _say(word: Morpheme, said: Said | None) -> None:
    if said:
        word.sound, word.accent, word.morae = said


def _change_first_sound(word: Morpheme, sounds: dict[str, str] | None) -> None:
    if sounds and word.sound and word.sound[0] in sounds:
        word.sound = sounds[word.sound[0]] + word.sound[1:]


def _silence(word: Morpheme) -> None:
    word.sound, word.accent, word.morae = "", 0, 0


def _audible(words: list[Morpheme]) -> list[Morpheme]:
    return [word for word in words if word.sound]
