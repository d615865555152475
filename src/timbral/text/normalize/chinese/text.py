"""Written Chinese to speakable Chinese: everything that is not a character or a pause is put into words."""

import re
from collections.abc import Mapping

from pypinyin.constants import PINYIN_DICT

from timbral.text.normalize.chinese.calendar import CALENDAR_RULES
from timbral.text.normalize.chinese.codes import CODE_RULES, RATIO_RULES, SCORE_RULES
from timbral.text.normalize.chinese.formulas import FORMULA_RULES, SUBTRACTION
from timbral.text.normalize.chinese.quantities import MEASURE_RULES, NUMBER_RULES
from timbral.text.normalize.chinese.rules import Rule, pattern, rewrite
from timbral.text.normalize.chinese.simplification import simplify
from timbral.text.scripts import EAST_ASIAN_PAUSES, HAN, PAUSES

_NARROW = str.maketrans(
    {0xFF01 + offset: chr(0x21 + offset) for offset in range(94) if chr(0x21 + offset) not in "!,:;?"}
    | {"−": "-", "∼": "~", "〜": "~", "～": "~", "\u3000": " "}
)
_COUNT = "[一二三四五六七八九十]"
_SIGN_RULES: tuple[Rule, ...] = (
    (pattern(rf"(?<=[周拜期]{_COUNT}) \s? [-~–—] \s? (?=[周星礼]|[二三四五六日天])"), lambda match: "到"),
    (pattern(rf"(?<={_COUNT}) \s? ~ \s? (?={_COUNT})"), lambda match: "到"),
    (pattern(rf"(?<=[{HAN}]) \s? [/|] \s? (?=[{HAN}])"), lambda match: "，"),
    (pattern(rf"(?<=[{HAN}]) \s? \+ \s? (?=[{HAN}])"), lambda match: "加"),
    (pattern(rf"(?<=[{HAN}]) \s? & \s? (?=[{HAN}])"), lambda match: "和"),
    # signs inside Latin words would sound as pauses
    (pattern(r"[A-Za-z] (?: [-._'’/&@:]* [A-Za-z] )* (?: \+\+ )?"), lambda match: ""),
)
_RULES: tuple[Rule, ...] = (
    SUBTRACTION,
    *SCORE_RULES,
    *CALENDAR_RULES,
    *CODE_RULES,
    *MEASURE_RULES,
    *RATIO_RULES,
    *NUMBER_RULES,
    *FORMULA_RULES,
    *_SIGN_RULES,
)
_GREEK = """
α 阿尔法 β 贝塔 γΓ 伽玛 δΔ 德尔塔 ε 艾普西龙 ζ 捷塔 η 依塔 θΘ 西塔 ι 艾欧塔 κ 喀帕 λΛ 拉姆达 μ 缪 ν 拗 ξΞ 克西
ο 欧米克伦 πΠ 派 ρ 肉 ςΣσ 西格玛 τ 套 υ 宇普西龙 φΦ 服艾 χ 器 ψ 普赛 ωΩ 欧米伽
"""
_NAMES = str.maketrans(
    {letter: name for letters, name in re.findall(r"(\S+) (\S+)", _GREEK) for letter in letters}
    | dict(zip("①②③④⑤⑥⑦⑧⑨⑩", "一二三四五六七八九十", strict=True))
    | {"〇": "零", "○": "零"}
)
_ITERATION = re.compile(rf"([{HAN}])々")
_PAUSING = str.maketrans(
    EAST_ASIAN_PAUSES
    | dict.fromkeys("（(【[)）】]—–-:;", ",")
    | {"~": "…", "\n": ".", "⋯": "…", "｡": ".", "､": ","}
)
_NOT_PRONOUNCED = re.compile(rf"[^{HAN}{PAUSES}]+")
_NEEDS_PINYIN = re.compile(rf"[^\W\d_]|[{HAN}]")  # not all of these ideographs are letters to all Pythons
_REPEATED_PAUSE = re.compile(rf"[{PAUSES}]{{2,}}")
_RANK = {"!": 0, "?": 0, "…": 1, ".": 2}
_INTERJECTIONS = str.maketrans({"嗯": "恩", "呣": "母"})


def verbalize(text: str, dialect: Mapping[int, int] | None = None) -> str:
    """The text with its figures, signs and Greek letters in words, the rest in the characters as written.

    dialect: other characters for the simplified ones in those words, as for `str.translate`.
    """
    text = rewrite(text.translate(_NARROW), _RULES, dialect)
    return _ITERATION.sub(r"\1\1", text.translate(_NAMES))


def normalize(text: str) -> str:
    """The text in simplified characters and single `PAUSES`, all else put into words or dropped."""
    return with_pauses(_pronounceable(verbalize(simplify(text)))).translate(_INTERJECTIONS)


def _pronounceable(text: str) -> str:
    """The text without letters and ideographs that have no pinyin."""
    return "".join(char for char in text if ord(char) in PINYIN_DICT or not _NEEDS_PINYIN.match(char))


def with_pauses(text: str) -> str:
    """The Han characters of a text with one of `PAUSES` for each run of marks, no comma at the start."""
    marked = _NOT_PRONOUNCED.sub("", text.replace("...", "…").translate(_PAUSING))
    return _REPEATED_PAUSE.sub(_strongest, marked).lstrip(",")


def _strongest(match: re.Match[str]) -> str:
    """The first mark of the highest rank, so that a bracket before a full stop does not hide it."""
    return min(match[0], key=lambda mark: _RANK.get(mark, 3))
