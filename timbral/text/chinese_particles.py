"""Short frequent words whose reading depends on the grammar around them: 为, 得, 地, 只, 教, 干.

Dictionaries have no context for them, and the network learnt from an encyclopedia, where people seldom do things for
each other.
"""

from collections.abc import Sequence

from timbral.text.chinese_words import Word

_PERSONS = frozenset("我 你 妳 您 他 她 它 咱 俺 谁 我们 你们 他们 她们 它们 咱们 大家 自己".split())
_AUXILIARIES = frozenset(
    "要 能 会 想 可以 愿意 愿 正在 在 该 应该 必须 可 肯 敢 需要 专门 喜欢 来 去 是 让 请 叫 使 帮 给 谢谢 看 没".split()
)
_COPULAR = frozenset("均 皆 都 仅 约 多 即 乃 亦 最 更 至 较 极 不 不得 并 也 称".split())
_INTENSE = frozenset("很 太 好 最 真 更 挺 那么 非常 特别 有点 有点儿".split())
_PIECES = frozenset("块片亩处")
_DEEDS = frozenset("事情活业架仗作")
_CONTEXT = 24
_NO_WORD = Word("", "x")


def reading_in_context(words: Sequence[Word], at: int) -> str | None:
    """The pinyin of the word `words[at]` if it is one of this module's, else None."""
    before = words[at - 1] if at else _NO_WORD
    after = words[at + 1] if at + 1 < len(words) else _NO_WORD
    match words[at].text:
        case "为":
            return (
                "wei4"
                if _is_for(words[max(0, at - _CONTEXT) : at], words[at + 1 : at + 1 + _CONTEXT])
                else "wei2"
            )
        case "得" if before.text in _PERSONS and after.tag[0] in "vdpz" and after.text[0] not in "不到":
            return "dei3"
        case "地":
            is_land = (
                words[at].tag != "uv"
                or after.tag == "x"
                or after.text[0] in "的上下里"
                or before.tag[0] in "pqx"
                or before.text[-1:] in _PIECES
            )
            return "di4" if is_land else "de5"
        case "只" if before.tag == "m" or before.text in {"这", "那", "哪", "几", "每", "两", "某", "整"}:
            return "zhi1"
        case "教":
            return "jiao1"
        case "干" if before.text in _INTENSE or (after.tag[0] == "n" and after.text[-1] not in _DEEDS):
            return "gan1"
    return None


def _is_for(before: Sequence[Word], after: Sequence[Word]) -> bool:
    """Whether 为 between these words means "for" (wèi) rather than "is, as" (wéi)."""
    if not after:
        return False
    first, later = after[0], after[1:]
    previous = before[-1] if before else _NO_WORD
    if first.text[0] in "之啥了着何" or first.text in {"什么", "甚么"}:
        return True
    if first.text == "人" or any(w.text == "以" for w in before) or any("所" in w.text for w in later):
        return False
    if previous.tag == "x" or first.text in _PERSONS or previous.text in _AUXILIARIES:
        return True
    if previous.text in _PERSONS:
        # 他为社会付出 and not 聘请他为顾问
        governs = before[-2] if len(before) > 1 else _NO_WORD
        return (governs.tag[0] != "v" and governs.text != "任命") or governs.text in _AUXILIARIES
    if previous.tag[0] == "v" or first.tag[0] == "m" or previous.text in _COPULAR:
        return False
    described = max((place for place, word in enumerate(later, 1) if word.text == "的"), default=0)
    return first.tag == "v" or any(word.tag == "v" for word in later[described:])
