"""Tones that change in company: 不, 一, neutral and third tones.

The rules are PaddleSpeech's (`paddlespeech/t2s/frontend/tone_sandhi.py`) as GPT-SoVITS applies them. Voices
were trained on these very rules, so their oddities are kept.
"""

from timbral.text.g2p.chinese.lists import words_in
from timbral.text.g2p.chinese.words import Word, parts_of

_PARTICLES = "吧呢哈啊呐噻嘛吖嗨呐哦哒额滴哩哟喽啰耶喔诶的地得"
_COUNTED = "几有两半多各整每做是"
_PUNCTUATION = "：，；。？！“”‘’':,;.?!"


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
            if text[at] == text[at - 1]:
                _set_tone(finals, at, "5")
    counter = text.find("个")
    if (
        text[-1] in _PARTICLES
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
