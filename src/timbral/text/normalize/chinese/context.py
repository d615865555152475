"""What the words around a figure say about it."""

import re

_CLAUSE_END = re.compile("[，。！？；,;!?\n]")
_SCORE = re.compile(
    "比分|[获獲胜勝负負赢贏输輸]|[战戰打逼踢]平|平局|[领領]先|[击擊]败|落[后後]|[绝絕][杀殺]|逆[转轉]|比赛|比賽|爆冷|完[胜勝]|[横橫][扫掃]"
    "|[惜险險]败|客场|主场|主队|客队|决赛|決賽|晋级|球队|进球|淘汰|总分|半场"
)
_RATIO = re.compile("比例|之比|比为|比率|配比|分辨率|画幅")
_TEAM = re.compile(
    "(?:中国|日本|韩国|美国|英国|法国|德国|巴西|阿根廷|意大利|西班牙|葡萄牙|荷兰|英格兰|俄罗斯|乌拉圭|比利时|克罗地亚|伊朗|沙特|国足|女排|男篮"
    r"|[队隊])\s?$"
)
_WINDOW = 24


def clause(match: re.Match[str]) -> tuple[str, str]:
    """The clause around a match: what is before and what after it, a window of characters each."""
    before = _CLAUSE_END.split(match.string[max(0, match.start() - _WINDOW) : match.start()])[-1]
    after = _CLAUSE_END.split(match.string[match.end() : match.end() + _WINDOW])[0]
    return before, after


def is_score(match: re.Match[str]) -> bool:
    """Whether two numbers are a score or a ratio."""
    before, after = clause(match)
    return bool(
        _SCORE.search(before) or _SCORE.search(after) or _RATIO.search(before) or _TEAM.search(before)
    )
