"""Figures that are names (telephone numbers, rooms, flights, versions), which are spelled, and scores and ratios."""

import re

from timbral.text.normalize.chinese.context import clause, is_score
from timbral.text.normalize.chinese.numbers import cardinal, number, spell
from timbral.text.normalize.chinese.rules import Rule, pattern
from timbral.text.scripts import HAN

_CODE_CUE = re.compile(
    "(?:电话|電話|手机|手機|热线|熱線|专线|專線|拨打|撥打|拨|撥|致电|致電|号码|號碼|编号|編號|工号|學號|学号|微信|账号|帳號|账户|卡号|卡號"
    "|密码|密碼|验证码|驗證碼|校验码|房间|房間|门牌|尾号|尾號|邮编|郵編|車牌|车牌|航班|车次|車次|代码|代碼|订单|訂單|单号|單號|群号|身份证|护照"
    "|传真|傳真|座机|客服|代号|型号|番号|警号|QQ|ID|Tel|TEL|tel)[^\\d，。！？；,.!?;]{0,4}$"
)
_CALL = re.compile("(?:打|拨|撥|报警|報警|急救|火警|联系|致电|求助)[^\\d，。！？；,.!?;]{0,3}$")
_HOTLINES = re.compile("11[049]|12[02]|911|999|123(?:06|15|45|33|66|48|20|29)|100(?:86|10)")
_MINUS_CUE = re.compile(
    "[是为為到至于於了达達得算低高跌降涨漲升温溫值幅率差损損亏虧减減加乘除等超过過从從在約约即有数數取零x=＝和与與或]"
)

_UNIT_AFTER = re.compile(r"\s?[%％‰°℃℉度元万萬亿億分点點米个個a-z]")


def _parts(code: str) -> str:
    return "，".join(spell(part, telephone=True) for part in re.findall("[0-9]+", code))


def _spelled(match: re.Match[str]) -> str:
    return _parts(match[0])


def _after_cue(match: re.Match[str]) -> str | None:
    before = match.string[max(0, match.start() - 12) : match.start()]
    return _parts(match[0]) if _CODE_CUE.search(before) else None


def _hotline(match: re.Match[str]) -> str | None:
    """110 and the like: the five digits of a service always, three of them if they are called or alone."""
    digits = match[0]
    before = match.string[max(0, match.start() - 8) : match.start()]
    known = _HOTLINES.fullmatch(digits) and (len(digits) == 5 or match.string.strip("。.!?,， \n") == digits)
    called = bool(_CALL.search(before)) and (
        _HOTLINES.fullmatch(digits) or digits[:2] in {"95", "96", "10", "12"}
    )
    return spell(digits, telephone=True) if known or called else None


def _dotted(match: re.Match[str]) -> str:
    """Addresses and versions: 192.168.0.1, 2.3.1, 10.15.7."""
    parts = match[0].split(".")
    is_address = len(parts) == 4 and all(int(part) < 256 for part in parts) and any(len(p) > 2 for p in parts)
    return "点".join(
        spell(part) if is_address or len(part) > 2 or part[0] == "0" else cardinal(part) for part in parts
    )


def _name_with_hyphen(match: re.Match[str]) -> str | None:
    """歼-20 and F-16: the hyphen is silent. A minus comes after a verb or before a unit."""
    digits, before = match["digits"], match.string[match.start() - 1]
    if not before.isascii() and (_MINUS_CUE.match(before) or _UNIT_AFTER.match(match.string, match.end())):
        return None
    return spell(digits, telephone=True) if len(digits) > 2 else number(digits)


def _after_letter(match: re.Match[str]) -> str:
    return spell(match[0], telephone=True) if len(match[0]) > 2 or match[0][0] == "0" else cardinal(match[0])


def _score(match: re.Match[str]) -> str | None:
    return f"{number(match[1])}比{number(match[2])}" if is_score(match) else None


def _ratio(match: re.Match[str]) -> str:
    return f"{number(match[1])}比{number(match[2])}"


def _hyphenated(match: re.Match[str]) -> str | None:
    """Two numbers that fall, without a unit: 3-1 on a door is 三杠一, else a score."""
    before, after = clause(match)
    if int(match[1]) < int(match[2]) or re.match(r"\s*[=等+-]", after):
        return None
    if re.match("[号號室单栋座楼]", after) or re.search("[图表式栋座室楼区件]$", before):
        return f"{number(match[1])}杠{number(match[2])}"
    return _ratio(match) if len(match[1]) < 4 or is_score(match) else None


CODE_RULES: tuple[Rule, ...] = (
    # more digits than a number has names for
    (pattern(r"\d{17,}"), _spelled),
    (
        pattern(r"https?://[!-~]+ | www\.[!-~]+ | [\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"),
        lambda match: "",
    ),
    (pattern(r"(?<![\d.]) \d{1,5} (?:\.\d{1,5}){2,8} (?![.\d])"), _dotted),
    (pattern(r"(?<![\d.]) [(（]? \+? [(（]? 86 [)）]? [-\ ]? 1\d{2}[-\ ]?\d{4}[-\ ]?\d{4} (?!\d)"), _spelled),
    (pattern(r"(?<![\d.]) 1[3-9]\d ([-\ ])? \d{4} (?:\1|[-\ ])? \d{4} (?!\d)"), _spelled),
    (
        pattern(
            r"(?<![\d.]) [(（]? 0\d{2,3} [)）]? [-\ ]? [2-9]\d{2,3} [-\ ]? \d{4} (?:[-转轉]\d{1,6})? (?!\d)"
        ),
        _spelled,
    ),
    (pattern(r"(?<![\d.]) [48]00 [-\ ]? (?:\d{3}[-\ ]?\d{4} | \d{4}[-\ ]?\d{3}) (?!\d)"), _spelled),
    (pattern(r"\+\d{1,3} (?:[-\ ]\d{2,5})+"), _spelled),
    # eight digits in Hong Kong; not a range of years or of round sums
    (pattern(r"(?<![\d.-]) (?!(?:19|20)\d\d-|\d{3}0-) [2-9]\d{3} - \d{4} (?![\d.-])"), _spelled),
    (pattern(r"(?<![\d.]) \d{4} (?:[-\ ]\d{4}){2,5} (?:[-\ ]\d{1,3})? (?!\d)"), _spelled),
    (pattern(r"(?<![\d.]) \d{2,} (?:-\d{2,}){2,} (?!\d)"), _spelled),
    (pattern(r"(?<![\d.]) \d-\d-\d (?![\d-])"), lambda match: spell(match[0].replace("-", ""))),
    (pattern(r"(?<![\d.]) \d{3,} (?:[-\ ]\d{2,})* (?![\d.]) (?!,\d)"), _after_cue),
    (
        pattern(r"(?<![\d.,-]) (?:1[012]\d | 911 | 999 | 12\d{3} | 100\d\d | 9[56]\d{3}) (?![\d.,:%％-])"),
        _hotline,
    ),
    (
        pattern(rf"(?<=[A-Za-z{HAN}]) - (?P<digits>\d{{1,4}}) (?![\d,:/]|\.\d|\s?[-~～–至到]\s?-?\d)"),
        _name_with_hyphen,
    ),
    (pattern(r"(?<=[A-Za-z]) \d{1,6} (?![\d.,%])"), _after_letter),
    (pattern(r"(?<=\*) \d{3,} (?!\d)"), _spelled),
    (pattern(rf"(?<=\d) \# (?=[{HAN}])"), lambda match: "号"),
    (pattern(r"(?<![\d.,]) \d{3,6} (?= [A-JM-UX-Z] (?![A-Za-z]) )"), _spelled),
    (
        pattern(
            r"(?<![\d.,]) \d{3,4} (?= \s? (?:[室房路] | [号號][楼樓房线線院] | 次(?:列车|列車|航班|高铁|高鐵|动车|動車|特快|快车)"
            r" | [号號](?:航班|公路|国道) | 国道 | 國道 | 航班))"
        ),
        _spelled,
    ),
)

SCORE_RULES: tuple[Rule, ...] = (
    (pattern(r"(?<![\d.])(?<!\d[:：]) (\d{1,3}) \s?[:：]\s? (\d{1,3}) (?![\d:：])"), _score),
    (pattern(r"(?<![\d./]) ([1-9]\d{0,2}) / (\1) (?![\d/])"), _ratio),
)

RATIO_RULES: tuple[Rule, ...] = (
    (
        pattern(r"(?<!\d)(?<!\d[:：]) (\d+(?:\.\d+)?) ((?:\s?[:：]\s?\d+(?:\.\d+)?){1,4}) (?![\d:：])"),
        lambda match: "比".join(number(part) for part in re.findall(r"[\d.]+", match[0])),
    ),
    (pattern(r"(?<![\d.-]) (\d{1,4})[-–](\d{1,4}) (?![\d.-])"), _hyphenated),
)
