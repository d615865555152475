"""Accent phrases of Japanese: which words share one, and on which mora its pitch falls.

The rules are those of OpenJTalk (njd_set_accent_phrase, njd_set_accent_type; Nagoya Institute of Technology,
BSD).
"""

from itertools import pairwise

from timbral.text.g2p.japanese.words import ADVERBIAL, AUXILIARY, NOUN, NUMERAL, SYMBOL, VERB, Morpheme

_ADJECTIVE, _PARTICLE = "形容詞", "助詞"
_ALONE = ("副詞", "接続詞", "連体詞")
_ADJECTIVAL_NOUN, _SUFFIX, _DEPENDENT = "形容動詞語幹", "接尾", "非自立"


def group_phrases(words: list[Morpheme]) -> None:
    """Decides for each undecided word whether it joins the accent phrase of the word before it."""
    for before, word in pairwise(words):
        if word.joined is None:
            word.joined = _joins(before, word)


def _joins(before: Morpheme, word: Morpheme) -> bool:
    """The first rule that applies decides.

    (OpenJTalk numbers them the other way round: there the last one decides.)
    """
    attached = (AUXILIARY, _PARTICLE)
    if word.group1 == _SUFFIX:
        return True
    if (
        (before.part == NOUN and word.group3 == "名")
        or (before.group3 == "姓" and word.part == NOUN)
        or word.part == "接頭詞"
        or SYMBOL in (word.part, before.part)
        or (before.part == NOUN and (word.part in (VERB, _ADJECTIVE) or word.group1 == _ADJECTIVAL_NOUN))
    ):
        return False
    if word.group1 == _DEPENDENT and _continues(before, word):
        return True
    if (before.group1 == _SUFFIX and word.part == NOUN) or (
        before.part in attached and word.part not in attached
    ):
        return False
    if word.part in attached:
        return True
    return not (
        (before.part == NOUN and before.group1 == ADVERBIAL)
        or (word.part == NOUN and word.group1 == ADVERBIAL)
        or word.part in _ALONE
        or before.part in _ALONE
        or (before.part == VERB and word.part in (_ADJECTIVE, NOUN))
        or (before.part == NOUN and before.group1 == _ADJECTIVAL_NOUN and word.part == NOUN)
        or (before.part == _ADJECTIVE and word.part == NOUN)
    )


def _continues(before: Morpheme, word: Morpheme) -> bool:
    """Whether a dependent verb or adjective follows the form that it depends on.

    As in 食べ始める or 食べてない.
    """
    if before.form.startswith("連用"):
        return (before.part == VERB and word.part == VERB) or (
            before.part in (VERB, _ADJECTIVE) and word.part == _ADJECTIVE
        )
    return (
        word.part == _ADJECTIVE
        and before.part == _PARTICLE
        and before.group1 == "接続助詞"
        and before.surface in ("て", "で")
    )


def place_accents(words: list[Morpheme]) -> None:
    """Sets the accent of each phrase, on its first word, from the accents and joining rules of its words."""
    head: Morpheme | None = None
    morae = 0
    for index, word in enumerate(words):
        before = words[index - 1] if index else None
        following = words[index + 1] if index + 1 < len(words) else None
        if before is None or head is None or not word.joined:
            head, morae = word, 0
        else:
            head.accent = _phrase_accent(head, morae, word, *_joining_rule(word.rule, before.part))
        if before and word.joined and before.group1 == NUMERAL and word.group1 == NUMERAL:
            _place_in_numeral(before, word, following)
        if word.surface == "十" and not word.joined and following and following.group1 == NUMERAL:
            word.accent = 0
        morae += word.morae


def _joining_rule(rules: str, part_before: str) -> tuple[str, int]:
    """The rule for words after the given part of speech, and its number.

    Alternatives look like 動詞%F2@1/F1: after a verb rule F2 with 1, else F1 with 0.
    """
    for alternative in rules.split("/"):
        condition, found, rule = alternative.rpartition("%")
        if not found or condition in part_before:
            name, _, number = rule.partition("@")
            return name, int(number or 0)
    return "*", 0


def _phrase_accent(head: Morpheme, morae: int, word: Morpheme, rule: str, number: int) -> int:
    """The accent of the phrase that begins with `head` and is `morae` long, once `word` has joined it."""
    own = morae + word.accent
    accents = {
        "F2": morae + number if head.accent == 0 else head.accent,
        "F3": morae + number if head.accent != 0 else head.accent,
        "F4": morae + number,
        "F5": 0,
        "C1": own,
        "C2": morae + 1,
        "C3": morae,
        "C4": 0,
        "P1": own if word.accent else 0,
        "P2": own if word.accent else morae + 1,
        "P6": 0,
        "P14": own if word.accent else head.accent,
    }
    return max(accents.get(rule, head.accent), 0)


def _place_in_numeral(digit: Morpheme, unit: Morpheme, following: Morpheme | None) -> None:
    """The accent of a digit with its unit, such as 三百."""
    both = digit.morae + unit.morae
    if unit.surface == "十":
        even = (
            digit.surface in tuple("五六八")
            and following is not None
            and following.surface in tuple("一二三四五六七八九")
        )
        digit.accent = 0 if even else 1
    elif unit.surface == "百":
        digit.accent = 2 if digit.surface == "七" else 1 if digit.surface in tuple("三四九何") else both
    elif unit.surface in ("千", "万"):
        digit.accent = digit.morae + 1
    elif unit.surface == "億":
        digit.accent = 2 if digit.surface in tuple("一六七八幾") else 1
    elif unit.surface == "兆":
        digit.accent = 2 if digit.surface in tuple("六七") else 1
