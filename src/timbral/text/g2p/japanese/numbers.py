"""Numbers in Japanese: digits to words, and the sounds that numbers and counters change in each other.

The steps are those of OpenJTalk's njd_set_digit (Nagoya Institute of Technology, BSD), so that accents stay
the same.
"""

from itertools import pairwise

from timbral.text.g2p.japanese.counters import (
    BEFORE_HUNDRED,
    BEFORE_THOUSAND,
    COUNTER_CHANGES,
    COUNTING,
    DAYS,
    DIGIT_CHANGES,
    DIGITS,
    FIRST_OF_MONTH,
    FOUR_AFTER_TWENTY,
    FOURTEEN,
    HUNDRED_THOUSAND_CHANGES,
    MYRIADS,
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

_COMMA = "，"
_POINTS = ("．", "・")
_ZEROS = ("〇", "０")
_HYPHENS = tuple("―−‐—－")
_NUMBER_SIGN = "番号"
_LARGEST_PLACE = len(MYRIADS)


def read_numbers(words: list[Morpheme]) -> list[Morpheme]:
    """The words with digits read as numbers, and numbers and counters fitted to each other."""
    if not any(word.group1 == NUMERAL for word in words):
        return words
    words = _audible(_read_digit_runs(words))
    _read_decimal_points(words)
    _fit_counters(words)
    _fit_units(words)
    _use_native_words(words)
    _use_days_of_month(words)
    return _audible(words)


def _read_digit_runs(words: list[Morpheme]) -> list[Morpheme]:
    done: list[Morpheme] = []
    run: list[Morpheme] = []
    for index, word in enumerate(words):
        if _is_digit(word) or (word.group1 == NUMERAL and word.surface in (*_POINTS, _COMMA)):
            if _is_digit(word):
                word.surface = DIGITS[word.surface][1]
            run.append(word)
            continue
        done += _read_run(done, run, words[index:])
        run = []
        done.append(word)
    return done + _read_run(done, run, [])


def _read_run(before: list[Morpheme], run: list[Morpheme], after: list[Morpheme]) -> list[Morpheme]:
    """Digits, commas and points in a row, as numbers or digit by digit.

    Whichever the signs around speak for.
    """
    done: list[Morpheme] = []
    while run:
        if run[0].surface in (*_POINTS, _COMMA):
            done.append(run.pop(0))
            continue
        integer = next((i for i, word in enumerate(run) if i and word.surface in _POINTS), len(run))
        while integer > 1 and run[integer - 1].surface == _COMMA:
            integer -= 1
        commas = [i for i in range(integer) if run[i].surface == _COMMA]
        grouped = commas and all((i in commas) == ((integer - 1 - i) % 4 == 3) for i in range(integer))
        zero_first = integer > 1 and _value(run[0]) == 0
        if grouped and not zero_first:
            number, run = [word for word in run[:integer] if word.surface != _COMMA], run[integer:]
            done += _as_number(number)
            continue
        end = commas[0] if commas else integer
        number, run = run[:end], run[end:]
        if not zero_first and _number_score(before + done, run + after) >= 0:
            done += _as_number(number)
        else:
            _digit_by_digit(before + done, number)
            done += number
    return done


def _number_score(before: list[Morpheme], after: list[Morpheme]) -> int:
    """What the words around digits say.

    At least 0 for a number, below for digits such as those of a telephone.
    """
    score = 0
    if before:
        last = before[-1]
        number_before = len(before) > 1 and before[-2].group1 == NUMERAL
        score += 2 * (last.group1 == "数接続") + (last.group2 == COUNTER or last.group1 == ADVERBIAL)
        if last.surface in _POINTS:
            score -= 5 * number_before
        elif last.surface == "（":
            score -= 2 * number_before
        elif last.surface in (*_HYPHENS, "）", _NUMBER_SIGN):
            score -= 2
        score -= 2 * (len(before) > 1 and before[-2].surface == _NUMBER_SIGN)
    if after:
        first = after[0]
        score += 2 * (first.group2 == COUNTER or first.group1 == ADVERBIAL)
        if first.surface == "）":
            score -= 2 * (len(after) > 1 and after[1].group1 == NUMERAL)
        elif first.surface in (*_HYPHENS, "（", _NUMBER_SIGN):
            score -= 2
        elif first.surface in _POINTS:
            score += 4
    return score


def _digit_by_digit(before: list[Morpheme], digits: list[Morpheme]) -> None:
    """Two digits a phrase, short ones drawn out to two morae."""
    if len(digits) < 2:
        return
    for index, digit in enumerate(digits):
        drawn_out = {"〇": "ゼロ", "０": "ゼロ", "二": "ニー", "五": "ゴー"}.get(digit.surface)
        if drawn_out:
            digit.sound, digit.morae = drawn_out, 2
        digit.rule = "*"
        digit.joined = bool(index % 2)
        if index % 2:
            digits[index - 1].accent = 3


def _as_number(digits: list[Morpheme]) -> list[Morpheme]:
    """Digits with the units between them: 二 〇 五 becomes 二 百 五 (and a silent zero)."""
    place, within = divmod(len(digits) - 1, 4)
    if len(digits) < 2 or place > _LARGEST_PLACE:
        return digits
    words: list[Morpheme] = []
    group_counts = False
    for digit in digits:
        value = _value(digit)
        words.append(digit)
        if within == 0:
            group_counts |= value != 0
            if value == 0:
                _silence(digit)
            if group_counts and place:
                words.append(_unit(MYRIADS[place - 1]))
            if group_counts:
                group_counts = False
            place -= 1
        elif value <= 0:
            _silence(digit)
        else:
            group_counts = True
            if value == 1:
                _become(digit, TENS[within - 1], group1=NUMERAL)
            else:
                words.append(_unit(TENS[within - 1]))
        within = (within - 1) % 4
    return words


def _read_decimal_points(words: list[Morpheme]) -> None:
    index = 1
    while index < len(words) - 1:
        before, word, after = words[index - 1 : index + 2]
        if word.surface not in _POINTS or before.group1 != NUMERAL or after.group1 != NUMERAL:
            index += 1
            continue
        _become(word, Reading("．", "テン", Said("テン", 0, 2)), group1="接尾", group2=COUNTER)
        word.joined = True
        drawn_out = {"〇": "レー", "０": "レー", "二": "ニー", "五": "ゴー"}.get(before.surface)
        if drawn_out:
            before.sound, before.morae = drawn_out, 2
        elif before.surface == "六":
            before.accent = 1
        index += 1
        while index < len(words) and words[index].part == NOUN:
            index += 1
        index += 1


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
    if unit.surface == "兆":
        unit.rule = "C3"
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
