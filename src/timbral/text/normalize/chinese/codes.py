"""Numbers that are names (telephone numbers, rooms, flights), which are spelled, and scores and ratios."""

import re

from timbral.text.normalize.chinese.numbers import number, spell
from timbral.text.normalize.chinese.rules import Rule, pattern

_CODE_CUE = (
    "电话|電話|手机|手機|热线|熱線|专线|專線|拨打|撥打|致电|致電|号码|號碼|编号|編號|工号|學號|学号|微信|账号|帳號|卡号|卡號"
    "|密码|密碼|验证码|驗證碼|房间|房間|门牌|尾号|邮编|車牌|车牌|航班|车次|車次|代码|代碼"
)
_SCORE_CUE = re.compile("比分|[获獲胜勝负負平]|[领領]先|击败|擊敗|落[后後]|绝杀|絕殺|逆[转轉]")


def _spell_parts(code: str) -> str:
    return "，".join(spell(part, telephone=True) for part in re.findall("[0-9]+", code))


def _spelled(match: re.Match[str]) -> str:
    return _spell_parts(match[0])


def _ratio(match: re.Match[str]) -> str:
    return f"{number(match[1])}比{number(match[2])}"


def _hyphenated(match: re.Match[str]) -> str:
    """3-2 in sports is a score; 3-1 on a door is 三杠一; a range has been read before."""
    clause = re.split("[，。！？；,;!?\n]", match.string[max(0, match.start() - 30) : match.end() + 12])
    if any(match[0] in part and _SCORE_CUE.search(part) for part in clause):
        return _ratio(match)
    return f"{number(match[1])}杠{number(match[2])}"


CODE_RULES: tuple[Rule, ...] = (
    (pattern(r"(?<![\d.]) \(?\+?86\)?[-\ ]? 1\d{2}[-\ ]?\d{4}[-\ ]?\d{4} (?!\d)"), _spelled),
    (pattern(r"(?<![\d.]) 1[3-9]\d ([-\ ])? \d{4} (?:\1|[-\ ])? \d{4} (?!\d)"), _spelled),
    (
        pattern(
            r"(?<![\d.]) [(（]? 0\d{2,3} [)）]? [-\ ]? [2-9]\d{2,3} [-\ ]? \d{4} (?:[-转轉]\d{1,6})? (?!\d)"
        ),
        _spelled,
    ),
    (pattern(r"(?<![\d.]) 0\d{2,3} - \d{7,8} (?!\d)"), _spelled),
    (pattern(r"(?<![\d.]) [48]00 [-\ ]? (?:\d{3}[-\ ]?\d{4} | \d{4}[-\ ]?\d{3}) (?!\d)"), _spelled),
    (pattern(r"\+\d{1,3} (?:[-\ ]\d{2,5})+"), _spelled),
    # eight digits in Hong Kong; not a range of years or of round sums
    (pattern(r"(?<![\d.-]) (?!(?:19|20)\d\d-|\d{3}0-) [2-9]\d{3} - \d{4} (?![\d.-])"), _spelled),
    (pattern(r"(?<![\d.]) \d{2,} (?:-\d{2,}){2,} (?!\d)"), _spelled),
    (
        pattern(rf"(?P<cue>(?:{_CODE_CUE})[^\d，。！？；,.!?;]{{0,4}}) (?P<code>\d{{3,}}(?:[-\ ]\d{{2,}})*)"),
        lambda match: match["cue"] + _spell_parts(match["code"]),
    ),
    (pattern(r"(?<=[A-Za-z]) \d{3,} (?!\d)"), _spelled),
    (pattern(r"(?<![\d.]) \d{3,4} (?=[室房路]|号[楼楼房]|號[樓房])"), _spelled),
)

RATIO_RULES: tuple[Rule, ...] = (
    (
        pattern(r"(?<=比分) ([^\d，。]{0,6}) (\d+)[:：-](\d+)"),
        lambda match: f"{match[1]}{number(match[2])}比{number(match[3])}",
    ),
    (pattern(r"(?<![\d:：]) (\d+) \s?[:：]\s? (\d+) (?![\d:：])"), _ratio),
)

HYPHEN_RULES: tuple[Rule, ...] = ((pattern(r"(?<![\d.-]) (\d+)-(\d+) (?![\d.-])"), _hyphenated),)
