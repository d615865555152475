"""Cantonese text normalisation: the Chinese rules in the characters as written, with the numbers of Cantonese."""

import re

from timbral.text.normalize.chinese.text import verbalize, with_pauses

# Words of the rules in traditional characters. Cantonese has no 幺 for one, not even on the telephone.
_DIALECT = str.maketrans(
    "幺点两万亿负华摄时钟欧镑韩卢币纳节贝码转帧约无穷减电达铢亚尔谢里发动为开恒",
    "一點兩萬億負華攝時鐘歐鎊韓盧幣納節貝碼轉幀約無窮減電達銖亞爾謝里發動為開恆",
)
_DOLLAR = re.compile(r"(?<![A-Za-z])\$")


def normalize(text: str) -> str:
    """The text in words, its punctuation reduced to single pauses; else only ideographs are left."""
    text = _DOLLAR.sub("¥", text)  # a plain dollar is that of Hong Kong, 元
    return with_pauses(verbalize(text, _DIALECT).replace("兩百", "二百"))
