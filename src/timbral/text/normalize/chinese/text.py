"""Written Chinese to speakable Chinese: everything that is not a character or a pause is put into words.

Numbers and signs are read here by what they mean; what is left goes through the rules of the official front
end.
"""

import re

from pypinyin.constants import PINYIN_DICT

from timbral.text.g2p.chinese.simplification import simplify
from timbral.text.normalize.chinese.calendar import CALENDAR_RULES
from timbral.text.normalize.chinese.codes import CODE_RULES, HYPHEN_RULES, RATIO_RULES
from timbral.text.normalize.chinese.numbers import spell
from timbral.text.normalize.chinese.official import clauses, verbalize
from timbral.text.normalize.chinese.quantities import PLAIN_NUMBER_RULES, QUANTITY_RULES
from timbral.text.normalize.chinese.rules import Rule, apply, pattern
from timbral.text.scripts import EAST_ASIAN_PAUSES, HAN, PAUSES

_WIDE = str.maketrans(
    {0xFF01 + offset: chr(0x21 + offset) for offset in range(94) if chr(0x21 + offset) not in "!,:;?"}
)
_PER = "年月日天周时時分秒次人个個斤克升米度晚位份杯箱盒件只隻条條张張套户戶亩畝吨噸公平千毫小股页頁字课課"
_WORDING: tuple[Rule, ...] = (
    # too long for a number, and for the patient rules that follow
    (pattern(r"\d{17,}"), lambda match: spell(match[0], telephone=True)),
    (pattern(rf"(?<=[{HAN}]) / (?=[{_PER}])"), lambda match: "每"),
    (pattern(rf"(?<=[{HAN}]) [/／|] (?=[{HAN}])"), lambda match: "，"),
    (pattern(r"№ \s* (?=\d) | [Nn][Oo]\. \s* (?=\d)"), lambda match: "第"),
)
_SIGNS: tuple[Rule, ...] = (
    # signs inside Latin words and addresses would sound as pauses
    (pattern(r"[A-Za-z] (?: [-._'’/&@:]* [A-Za-z] )* (?: \+\+ )?"), lambda match: ""),
    (pattern(r"[（(【\[)）】\]] | [—–]+ | -{2,} | [:;]"), lambda match: "，"),
    (pattern(r"[〇○]"), lambda match: "零"),
    (pattern(rf"([{HAN}])々"), lambda match: match[1] * 2),
)
_PAUSE_MARKS = str.maketrans(
    EAST_ASIAN_PAUSES | {"~": "…", "～": "…", "\n": ".", "⋯": "…", "｡": ".", "､": ","}
)
_NOT_PRONOUNCED = re.compile(rf"[^{HAN}{PAUSES}]+")
_NEEDS_PINYIN = re.compile(rf"[^\W\d_]|[{HAN}]")  # not all of these ideographs are letters to all Pythons
_REPEATED_PAUSE = re.compile(rf"[{PAUSES}]{{2,}}")
_RANK = {"!": 0, "?": 0, "…": 1, ".": 2}
_INTERJECTIONS = str.maketrans({"嗯": "恩", "呣": "母"})


def rewrite(text: str) -> str:
    """The text with its numbers, signs and brackets in words or pauses, in the characters as written."""
    text = text.translate(_WIDE)
    text = apply(_WORDING, text)
    for rules in (CALENDAR_RULES, CODE_RULES, RATIO_RULES, QUANTITY_RULES, HYPHEN_RULES, PLAIN_NUMBER_RULES):
        text = apply(rules, text)
    return apply(_SIGNS, text)


def normalize(text: str) -> str:
    """The text in simplified characters and single `PAUSES`, all else put into words or dropped."""
    spoken = "".join(verbalize(clause) for clause in clauses(rewrite(simplify(text))))
    return with_pauses(pronounceable(spoken)).translate(_INTERJECTIONS)


def pronounceable(text: str) -> str:
    """The text without letters and ideographs that have no pinyin."""
    return "".join(char for char in text if ord(char) in PINYIN_DICT or not _NEEDS_PINYIN.match(char))


def with_pauses(text: str) -> str:
    """The Han characters of a text with one of `PAUSES` for each run of marks, no comma at the start."""
    marked = _NOT_PRONOUNCED.sub("", text.replace("...", "…").translate(_PAUSE_MARKS))
    return _REPEATED_PAUSE.sub(_strongest, marked).lstrip(",-")


def _strongest(match: re.Match[str]) -> str:
    """The first mark of the highest rank, so that a bracket before a full stop does not hide it."""
    return min(match[0], key=lambda mark: _RANK.get(mark, 3))
