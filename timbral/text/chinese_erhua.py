"""Erhua: 儿 as a suffix is spoken with the tone of the syllable before it. Front end v2 only."""

from timbral.text.chinese_words import Word

_ALWAYS = frozenset("小院儿 胡同儿 范儿 老汉儿 撒欢儿 寻老礼儿 妥妥儿 媳妇儿".split())
_NEVER = frozenset(
    "虐儿 为儿 护儿 瞒儿 救儿 替儿 有儿 一儿 我儿 俺儿 妻儿 拐儿 聋儿 乞儿 患儿 幼儿 孤儿 婴儿 婴幼儿 连体儿 脑瘫儿 "
    "流浪儿 体弱儿 混血儿 蜜雪儿 舫儿 祖儿 美儿 应采儿 可儿 侄儿 孙儿 侄孙儿 女儿 男儿 红孩儿 花儿 虫儿 马儿 鸟儿 猪儿 "
    "猫儿 狗儿 少儿".split()
)


def soften(word: Word, finals: list[str]) -> list[str]:
    """The finals of a word, its last one changed where it is a suffix 儿."""
    text, tag = word
    if not text.endswith("儿") or len(finals) != len(text):
        return finals
    last = "er2" if finals[-1] == "er1" else finals[-1]
    is_suffix = text in _ALWAYS or (text not in _NEVER and tag not in {"a", "j", "nr"})
    if is_suffix and len(text) > 1 and last in {"er2", "er5"} and text[-2:] not in _NEVER:
        last = f"er{finals[-2][-1]}"
    return [*finals[:-1], last]
