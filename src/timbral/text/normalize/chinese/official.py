"""Written Chinese to speakable Chinese exactly as GPT-SoVITS does it, slips included.

The rules and their order are PaddleSpeech's (`paddlespeech/t2s/frontend/zh_normalization`) as GPT-SoVITS
extends them. They are the last step of `chinese_normalization`, which first reads what they misread.
"""

import re
from functools import cache

from timbral.text.g2p.chinese.lists import words_in
from timbral.text.normalize.chinese.numbers import DIGITS, cardinal, number, spell
from timbral.text.normalize.chinese.rules import Rule, apply, pattern
from timbral.text.scripts import EAST_ASIAN_PAUSES, PAUSES


def _signed(sign: str | None, value: str, minus: str = "负") -> str:
    return (minus if sign else "") + number(value)


# Dates and times

_CLOCK = r"([01]?[0-9]|2[0-3]) : ([0-5][0-9]) (?: : ([0-5][0-9]) )?"


def _padded(digits: str) -> str:
    return (DIGITS[0] if digits.startswith("0") else "") + number(digits.lstrip("0"))


def _clock(hour: str, minute: str, second: str | None, *, half: bool) -> str:
    spoken = f"{number(hour)}点"
    if minute != "00":
        spoken += "半" if half else f"{_padded(minute)}分"
    if second and second != "00":
        spoken += f"{_padded(second)}秒"
    return spoken


def _time(match: re.Match[str]) -> str:
    hour, minute, second = match.groups()
    return _clock(hour, minute, second, half=minute == "30")


def _time_range(match: re.Match[str]) -> str:
    hour, minute, second, hour2, minute2, second2 = match.groups()
    # the official rule looks at the first time for both halves
    half = minute == "30"
    return f"{_clock(hour, minute, second, half=half)}至{_clock(hour2, minute2, second2, half=half)}"


def _date(match: re.Match[str]) -> str:
    year, month, day, unit = match.groups()
    spoken = f"{spell(year)}年"
    if month:
        spoken += f"{cardinal(month)}月"
    if day:
        spoken += f"{cardinal(day)}{unit}"
    return spoken


def _numeric_date(match: re.Match[str]) -> str:
    return f"{spell(match[1])}年{cardinal(match[3])}月{cardinal(match[4])}日"


_CHRONOLOGY: tuple[Rule, ...] = (
    # not official: the rules that follow would take minutes for thousands of digits
    (pattern(r"\d{40,}"), lambda match: spell(match[0], telephone=True)),
    (
        pattern(
            r"(\d{4} | \d\d)年 (?: (0?[1-9] | 1[0-2])月 )? (?: (0?[1-9] | [12][0-9] | 30 | 31)([日号]) )?",
        ),
        _date,
    ),
    (pattern(r"(\d{4}) ([-\ /.]) (0[1-9] | 1[012]) \2 (0[1-9] | [12][0-9] | 3[01])"), _numeric_date),
    (pattern(rf"{_CLOCK} [~-] {_CLOCK}"), _time_range),
    (pattern(_CLOCK), _time),
)

# Units

_UNITS = {
    "cm2": "平方厘米",
    "cm²": "平方厘米",
    "cm3": "立方厘米",
    "cm³": "立方厘米",
    "cm": "厘米",
    "db": "分贝",
    "ds": "毫秒",
    "kg": "千克",
    "km": "千米",
    "m2": "平方米",
    "m²": "平方米",
    "m³": "立方米",
    "m3": "立方米",
    "ml": "毫升",
    "m": "米",
    "mm": "毫米",
    "s": "秒",
}
_SIGNED_DECIMAL = r"(?: -? \d+ (?:\.\d+)? | \.\d+ )"
_ANY_UNIT = "(?: % | °C | ℃ | 度 | 摄氏度 | cm[23²³]? | db | ds | kg | km | m[23²³] | ml | m | mm | s )"

_MEASURES: tuple[Rule, ...] = (
    (
        pattern(rf"{_SIGNED_DECIMAL} {_ANY_UNIT} ~ {_SIGNED_DECIMAL} {_ANY_UNIT}"),
        lambda match: match[0].replace("~", "至"),
    ),
    (
        pattern(r"(-?) (\d+ (?:\.\d+)?) (?: °C | ℃ | 度 | (摄氏度) )"),
        lambda match: _signed(match[1], match[2], "零下") + (match[3] or "度"),
    ),
)

# Sums, fractions, telephone numbers

_POWERS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ", "0123456789xyn", strict=True))
_POWER = "[⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ]"
_OPERAND = rf"( -? \d+ (?:\.\d+)? {_POWER}* | \.\d+ {_POWER}* | [A-Za-z] {_POWER}* )"
_OPERATORS = {"+": "加", "-": "减", "×": "乘", "÷": "除", "=": "等于"}
_SUM = pattern(rf"{_OPERAND} ([+\-×÷=]) {_OPERAND}")


def _telephone(match: re.Match[str]) -> str:
    parts = match[0].strip("+").replace("-", " ").split()
    return "，".join(spell(part, telephone=True) for part in parts)


_CODES: tuple[Rule, ...] = (
    (pattern(f"{_POWER}+"), lambda match: f"的{''.join(_POWERS[c] for c in match[0])}次方"),
    (
        pattern(r"(-?) (\d+) / (\d+)"),
        lambda match: f"{'负' if match[1] else ''}{number(match[3])}分之{number(match[2])}",
    ),
    (
        pattern(r"(-?) (\d+ (?:\.\d+)?) %"),
        lambda match: f"{'负' if match[1] else ''}百分之{number(match[2])}",
    ),
    (pattern(r"(?<!\d) (?:\+?86\ ?)? 1(?:[38]\d | 5[0-35-9] | 7[678] | 9[89]) \d{8} (?!\d)"), _telephone),
    (pattern(r"(?<!\d) (?:0(?:10 | 2[1-3] | [3-9]\d\d)-?)? [1-9]\d{6,7} (?!\d)"), _telephone),
    (pattern(r"400-?\d{3}-?\d{4}"), _telephone),
)

# Plain numbers

_MEASURE_WORDS = (
    "[处台架枚趟幅平方堵间床株批项例列篇栋注亩封艘把目套段人所朵匹张座回场尾条个首阙阵网炮顶丘棵只支袭辆挑"
    "担颗壳窠曲墙群腔砣客贯扎捆刀令打手罗坡山岭江溪钟队单双对出口头脚板跳枝件贴针线管名位身堂课本页家户层丝"
    "毫厘分钱两斤铢石钧锱忽寸尺丈里寻常铺程米撮勺合升斗盘碗碟叠桶笼盆盒杯斛锅簋篮罐瓶壶卮盏箩箱煲啖袋钵年月"
    "日季刻时周天秒旬纪岁世更夜春夏秋冬代伏辈丸泡粒幢堆根道面片块元角亿千万百吨]|[千毫微]克|公分|[千分厘毫微]米|小时|美元|十吨"
)


def _counted(match: re.Match[str]) -> str:
    spoken = number(match[1])
    more = "多" if match[2] == "+" else match[2] or ""
    return ("两" if spoken == "二" else spoken) + more


def _any_number(match: re.Match[str]) -> str:
    return number(match[3]) if match[3] else _signed(match[1], match[2])


_DECIMAL = r"(-?) (\d+\.\d+) | (\.\d+)"
_NUMBER = pattern(r"(-?) (\d+ (?:\.\d+)?) | (\.\d+)")

_NUMBERS: tuple[Rule, ...] = (
    (
        pattern(r"(?<![\d+\-×÷=]) (-?) (\d+ (?:\.\d+)?) [-~] (-?) (\d+ (?:\.\d+)?) (?![\d+\-×÷=])"),
        lambda match: f"{_signed(match[1], match[2])}到{_signed(match[3], match[4])}",
    ),
    (pattern(r"-(\d+)"), lambda match: f"负{number(match[1])}"),
    (
        pattern(r"\d+ (?:\.\d+){2,}"),
        lambda match: "".join("点" if c == "." else DIGITS[int(c)] for c in match[0]),
    ),
    (pattern(_DECIMAL), _any_number),
    (pattern(rf"(\d+) ([多余几+])? (?= {_MEASURE_WORDS} )"), _counted),
    (pattern(r"\d{3,}"), lambda match: spell(match[0], telephone=True)),
    (_NUMBER, _any_number),
)

# Single characters

_HALF_WIDTH = {0xFF00 + code - 0x20: chr(code) for code in range(0x21, 0x7F) if chr(code).isalnum()} | {
    0x3000: " "
}
_NAMES = str.maketrans(
    dict(zip("①②③④⑤⑥⑦⑧⑨⑩", "一二三四五六七八九十", strict=True))
    | {
        letter: name
        for letters, name in {
            "α": "阿尔法",
            "β": "贝塔",
            "γΓ": "伽玛",
            "δΔ": "德尔塔",
            "ε": "艾普西龙",
            "ζ": "捷塔",
            "η": "依塔",
            "θΘ": "西塔",
            "ι": "艾欧塔",
            "κ": "喀帕",
            "λΛ": "拉姆达",
            "μ": "缪",
            "ν": "拗",
            "ξΞ": "克西",
            "ο": "欧米克伦",
            "πΠ": "派",
            "ρ": "肉",
            "ςΣσ": "西格玛",
            "τ": "套",
            "υ": "宇普西龙",
            "φΦ": "服艾",
            "χ": "器",
            "ψ": "普赛",
            "ωΩ": "欧米伽",
        }.items()
        for letter in letters
    }
    | {"/": "每", "+": "加", "-": "减", "×": "乘", "÷": "除", "=": "等"}
)
_UNSPOKEN = re.compile(r"[—《》【】<>{}()（）#&@“”^_|\\]")
_PAUSE_AFTER = re.compile(r"([：、，；。？！,;?!][”’]?)")
_PAUSE_MARKS = str.maketrans(EAST_ASIAN_PAUSES | {"$": ".", "~": "…", "～": "…", "嗯": "恩", "呣": "母"})
_NOT_PRONOUNCED = re.compile(rf"[^一-龥{PAUSES}]+")
_REPEATED_PAUSE = re.compile(rf"([{PAUSES}])[{PAUSES}]+")


@cache
def _simplified_characters() -> dict[int, str]:
    return {ord(pair[0]): pair[1] for pair in words_in("zh_simplified.txt")}


def simplify(text: str) -> str:
    """Traditional characters replaced one by one by their simplified forms."""
    return text.translate(_simplified_characters())


def clauses(text: str) -> list[str]:
    """The text cut after its punctuation, without spaces, brackets, dashes and other signs without sound."""
    marked = _PAUSE_AFTER.sub(r"\1\n", _UNSPOKEN.sub("", text.replace(" ", "")))
    return [clause.strip() for clause in marked.strip().split("\n")]


def verbalize(clause: str) -> str:
    """One clause with its numbers and signs in words. The order of the rules matters."""
    clause = apply(_CHRONOLOGY, clause.translate(_HALF_WIDTH))
    clause = apply(_MEASURES, clause)
    for unit, name in _UNITS.items():
        clause = clause.replace(unit, name)
    while _SUM.search(clause):
        clause = _SUM.sub(lambda match: f"{match[1]}{_OPERATORS[match[2]]}{match[3]}", clause)
    clause = apply(_CODES, clause)
    clause = apply(_NUMBERS, clause)
    return _UNSPOKEN.sub("", clause.translate(_NAMES))


def normalize(text: str) -> str:
    """The text in words, its punctuation reduced to single `PAUSES`; every other sign is dropped."""
    spoken = "".join(_pauses(verbalize(simplify(clause))) for clause in clauses(text))
    return _REPEATED_PAUSE.sub(r"\1", spoken)


def _pauses(clause: str) -> str:
    marked = clause.replace("...", "…").translate(_PAUSE_MARKS)
    return _NOT_PRONOUNCED.sub("", marked)
