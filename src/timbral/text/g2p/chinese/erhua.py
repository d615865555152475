"""Erhua: 儿 as a suffix is spoken with the tone of the syllable before it. Front end v2 only."""

from timbral.text.g2p.chinese.lists import words_in
from timbral.text.g2p.chinese.words import Word


def soften(word: Word, finals: list[str]) -> list[str]:
    """The finals of a word, its last one changed where it is a suffix 儿."""
    text, tag = word
    if not text.endswith("儿") or len(finals) != len(text):
        return finals
    apart = words_in("zh_not_erhua.txt")
    last = "er2" if finals[-1] == "er1" else finals[-1]
    is_suffix = text in words_in("zh_erhua.txt") or (text not in apart and tag not in {"a", "j", "nr"})
    if is_suffix and len(text) > 1 and last in {"er2", "er5"} and text[-2:] not in apart:
        last = f"er{finals[-2][-1]}"
    return [*finals[:-1], last]
