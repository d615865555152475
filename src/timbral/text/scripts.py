"""Which characters belong to which writing system: the ranges that the text front end decides by.

The ranges are the insides of regular expressions' character classes. Latin covers the letters of European
languages; Han holds the ideographs, whose language only their neighbours can tell.
"""

from functools import lru_cache

HAN = r"\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
KANA = r"\u3031-\u3035\u3041-\u3096\u3099-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
HANGUL = r"\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb"
LATIN = r"A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u1e00-\u1eff"
GREEK = r"\u0391-\u03a1\u03a3-\u03a9\u03b1-\u03c9"

PAUSES = "!?…,.-"
"""The punctuation that has a phone."""

EAST_ASIAN_PAUSES = {"：": ",", "；": ",", "，": ",", "。": ".", "！": "!", "？": "?", "·": ",", "、": ","}
"""Punctuation of Chinese and Japanese, and the phone that stands for it."""

# Forms that Japanese printing returned to after its encodings were made, so that they would look Chinese.
_LATE_KANJI = frozenset("剝頰噓繫屛")
_FIRST_KANJI, _LAST_COMMON_KANJI = "亜".encode("cp932"), "腕".encode("cp932")
_ITERATION = frozenset("々〆")


def _encodes(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(maxsize=16384)
def is_chinese(character: str) -> bool:
    """Whether an ideograph is in use in Chinese and not in Japanese: `们`, `这`, `嗎`.

    The national character sets know: GB 2312, Big5 and HKSCS list what Chinese uses, JIS X 0208 what
    Japanese does.
    """
    return (
        not _encodes(character, "cp932")
        and character not in _LATE_KANJI
        and any(_encodes(character, encoding) for encoding in ("gb2312", "big5", "big5hkscs"))
    )


@lru_cache(maxsize=16384)
def is_japanese(character: str) -> bool:
    """Whether an ideograph is in use in Japanese and not in Chinese: `駅`, `売`, `々`.

    Only the common half of JIS X 0208 counts: the other one holds old forms that Chinese writes too.
    """
    if character in _ITERATION:
        return True
    return (
        _encodes(character, "cp932")
        and _FIRST_KANJI <= character.encode("cp932") <= _LAST_COMMON_KANJI
        and not any(_encodes(character, encoding) for encoding in ("gb2312", "big5"))
    )
