"""Tones that change in company: 不, 一, neutral and third tones.

The rules are PaddleSpeech's (`paddlespeech/t2s/frontend/tone_sandhi.py`) as GPT-SoVITS applies them. Voices
were trained on these very rules, so their oddities are kept.
"""

import re
from collections.abc import Sequence

from timbral.text.g2p.chinese.dictionary import dictionary
from timbral.text.g2p.chinese.lists import words_in
from timbral.text.g2p.chinese.words import Word, parts_of

_PARTICLES = "吧呢哈啊呐噻嘛吖嗨呐哦哒额滴哩哟喽啰耶喔诶的地得"
_COUNTED = "几有两半多各整每做是"
_PUNCTUATION = "：，；。？！“”‘’':,;.?!"

_DIGIT = "[零一二三四五六七八九]"
_DIGIT_ONE = re.compile(
    rf"(?<=[零一二三四五六七八九十第周初之统唯专])一|(?<=星期)一|(?<=礼拜)一|(?<={_DIGIT}点)一(?![刻滴起直些样般定边下会点])"
    rf"|(?<=月)一(?=[日号])|一(?={_DIGIT}|[到至]{_DIGIT}|十|[月号楼级流]|年级|等[奖舱品于]|[加减乘除比]{_DIGIT})"
)
_COUNTING_ONE = re.compile(r"(?<=[有是又每另这那某任哪各了着来多再就])一(?=\w)|一(?=[百千万亿])")
_FULL_TONE_DE = re.compile("[获取赢博夺求难不心所应]得")


def change_tones(word: Word, finals: list[str]) -> list[str]:
    """The finals (with tone, one for each character of a group of `merge`) as they are spoken."""
    changed = list(finals)
    _change_bu(word.text, changed)
    _change_yi(word.text, changed)
    _neutralise(word, changed)
    _change_third_tones(word.text, changed)
    return changed


def _set_tone(finals: list[str], at: int, tone: str) -> None:
    finals[at] = finals[at][:-1] + tone


def _change_bu(word: str, finals: list[str]) -> None:
    if len(word) == 3 and word[1] == "不":
        _set_tone(finals, 1, "5")
        return
    for at in range(len(word) - 1):
        if word[at] == "不" and finals[at + 1].endswith("4"):
            _set_tone(finals, at, "2")


def _change_yi(word: str, finals: list[str]) -> None:
    if "一" not in word or all(c == "一" or c.isnumeric() for c in word):
        return
    if len(word) == 3 and word[1] == "一" and word[0] == word[2]:
        _set_tone(finals, 1, "5")
    elif word.startswith("第一"):
        _set_tone(finals, 1, "1")
    else:
        for at in range(len(word) - 1):
            if word[at] != "一":
                continue
            if finals[at + 1].endswith("4"):
                _set_tone(finals, at, "2")
            elif word[at + 1] not in _PUNCTUATION:
                _set_tone(finals, at, "4")


def _neutralise(word: Word, finals: list[str]) -> None:
    text, tag = word
    keeps_tone = text in words_in("zh_not_neutral_tone.txt")
    if tag[0] in "nva" and not keeps_tone:
        for at in range(1, len(text)):
            same = text[at] == text[at - 1] and finals[at] == finals[at - 1]
            if same and not (at == len(text) - 1 > 1 and text[0] != text[1]):  # 爸爸妈妈, but 两手空空
                _set_tone(finals, at, "5")
    counter = text.find("个")
    if (
        (text[-1] in _PARTICLES and tag != "m")
        or (text in {"了", "着", "过"} and tag in {"ul", "uz", "ug"})
        or (len(text) > 1 and text[-1] in "们子" and tag in {"r", "n"} and not keeps_tone)
        or (len(text) > 1 and text[-1] in "上下里" and tag in {"s", "l", "f"})
        or (len(text) > 1 and text[-1] in "来去" and text[-2] in "上下进出回过起开")
    ):
        _set_tone(finals, -1, "5")
    elif text == "个" or (counter >= 1 and (text[counter - 1].isnumeric() or text[counter - 1] in _COUNTED)):
        _set_tone(finals, counter, "5")
    elif _ends_neutral(text):
        _set_tone(finals, -1, "5")
    first, second = _halves(text)
    if _ends_neutral(first):
        _set_tone(finals, len(first) - 1, "5")
    if _ends_neutral(second):
        _set_tone(finals, -1, "5")


def _ends_neutral(word: str) -> bool:
    neutral = words_in("zh_neutral_tone.txt")
    return word in neutral or word[-2:] in neutral


def _change_third_tones(word: str, finals: list[str]) -> None:
    if len(word) == 2:
        if _all_third(finals):
            _set_tone(finals, 0, "2")
    elif len(word) == 3:
        _change_three_syllables(word, finals)
    elif len(word) == 4:
        # an idiom is two words of two characters
        for start in (0, 2):
            if _all_third(finals[start : start + 2]):
                _set_tone(finals, start, "2")


def _change_three_syllables(word: str, finals: list[str]) -> None:
    split = len(_halves(word)[0])
    if _all_third(finals):
        # 蒙古|包 rises twice, 纸|老虎 once
        if split == 2:
            _set_tone(finals, 0, "2")
        if split < 3:
            _set_tone(finals, 1, "2")
        return
    for start, end in ((0, split), (split, 3)):
        if end - start == 2 and _all_third(finals[start:end]):
            # 所有|人
            _set_tone(finals, start, "2")
        elif (
            0 < start < end
            and finals[start - 1].endswith("3")
            and finals[start].endswith("3")
            and not _all_third(finals[start:])
        ):
            # 好|喜欢
            _set_tone(finals, start - 1, "2")


def _all_third(finals: list[str]) -> bool:
    return all(final.endswith("3") for final in finals)


def _halves(word: str) -> tuple[str, str]:
    """The word cut in two beside its shortest part."""
    shortest = min(parts_of(word), key=len)
    if word.startswith(shortest):
        return shortest, word[len(shortest) :]
    return word[: -len(shortest)], shortest


def restore_tones(clause: str, pinyin: Sequence[str], finals: Sequence[str]) -> list[str]:
    """The spoken finals of a clause with the tones that the rules above miss or take by mistake.

    一 changes after 有, 这 and the like, and keeps its tone as a digit or an ordinal (一九九八年, 十一月,
    一号); 的 and 地 keep theirs in words where they are no particles (目的, 土地), 得 in 获得 and 得走了, and a doubled
    character where two words meet (今天天气, 医院院长).
    """
    restored = list(finals)
    for at in range(2, len(clause) - 1):
        if clause[at] == clause[at - 1] and _two_words_meet(clause[at - 2 : at + 2]):
            _set_tone(restored, at, pinyin[at][-1])
    for match in _COUNTING_ONE.finditer(clause):
        if restored[match.start()].endswith("1"):  # at the end of a word of the dictionary
            _set_tone(restored, match.start(), "2" if pinyin[match.end()][-1] == "4" else "4")
    for match in _DIGIT_ONE.finditer(clause):
        _set_tone(restored, match.start(), "1")
    for match in _FULL_TONE_DE.finditer(clause):
        _set_tone(restored, match.start() + 1, "2")
    for at, char in enumerate(clause):
        if char in "的地" and pinyin[at][:-1] == "di":
            restored[at] = "i" + pinyin[at][-1]
        elif pinyin[at] == "liao3" and restored[at].endswith("5"):
            restored[at] = "iao3"
        elif pinyin[at] == "dei3":
            restored[at] = "ei2" if pinyin[at + 1 : at + 2] and pinyin[at + 1].endswith("3") else "ei3"
    return restored


def _two_words_meet(four: str) -> bool:
    """Whether two dictionary words form a longer one, the first ending like the second begins."""
    if len(set(four)) < 3 or four[-1] == "儿":
        return False
    words = {(entry.start, entry.end) for entry in dictionary().entries(four)}
    return words >= {(0, 2), (2, 4), (0, 4)}
