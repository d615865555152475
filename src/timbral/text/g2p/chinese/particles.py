"""Short frequent words whose reading depends on the grammar around them: 为, 得, 地, 只, 子, 教, 干.

Dictionaries have no context for them, and the network was trained on an encyclopedia, which has few such sentences.
"""

import re
from collections.abc import Sequence

from timbral.text.g2p.chinese.words import Word

_PERSON = re.compile("[我你妳您他她它咱俺谁]|[我你他她它咱]们|大家|自己")
_AUXILIARY = re.compile(
    "[要能会想愿在该应可肯敢来去是让请叫使帮给看没]|可以|愿意|正在|应该|必须|需要|专门|喜欢|谢谢"
)
_COPULAR = re.compile("[均皆都仅约多即乃亦最更至较极不并也称]|不得")
_INTENSE = re.compile("[很太好最真更挺]|那么|非常|特别|有点儿?")
_MEASURED = frozenset("这那哪几每两某整")
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
            is_for = _is_for(words[max(0, at - _CONTEXT) : at], words[at + 1 : at + 1 + _CONTEXT])
            return "wei4" if is_for else "wei2"
        case "得" if _PERSON.fullmatch(before.text):
            must = after.tag[0] in "vdpz" and after.text[0] not in "不到"
            return "dei3" if must else None
        case "地":
            manner = before.tag[0] in "dz" or (len(before.text) > 1 and before.text[-1] == before.text[-2])
            is_land = not (manner and after.tag == "x") and (
                words[at].tag != "uv"
                or after.tag == "x"
                or after.text[0] in "的上下里"
                or before.tag[0] in "pqx"
                or before.text[-1:] in _PIECES
            )
            return "di4" if is_land else "de5"
        case "只" if before.tag == "m" or before.text in _MEASURED:
            return "zhi1"
        case "子" if before.tag != "x":
            return "zi3"
        case "教":
            return "jiao1"
        case "干" if _INTENSE.fullmatch(before.text):
            return "gan1"
        case "干" if after.tag[0] == "n" and after.text[-1] not in _DEEDS:
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
    if previous.tag == "x" or _PERSON.fullmatch(first.text) or _AUXILIARY.fullmatch(previous.text):
        return True
    if _PERSON.fullmatch(previous.text):
        # 他为社会付出 and not 聘请他为顾问
        governs = before[-2] if len(before) > 1 else _NO_WORD
        return (governs.tag[0] != "v" and governs.text != "任命") or bool(_AUXILIARY.fullmatch(governs.text))
    if previous.tag[0] == "v" or first.tag[0] == "m" or _COPULAR.fullmatch(previous.text):
        return False
    described = max((place for place, word in enumerate(later, 1) if word.text == "的"), default=0)
    return first.tag == "v" or any(word.tag == "v" for word in later[described:])
