"""Cleans transcripts, and finds what recognisers invent.

Recognisers label sounds (`[Music]`, `<|HAPPY|>`), get caught in loops, and on noise they write what ends many
films and videos that they were trained on.
"""

import re
import unicodedata
from dataclasses import dataclass

from timbral.text.normalize.chinese.simplification import simplify

_TAG = re.compile(r"<\|[^|<>]*\|>|</?[a-zA-Z][^<>]*>")
_BRACKETS = re.compile(r"\[[^\[\]]*\]|【[^【】]*】|\*[^*]*\*|[♪♫♬][^♪♫♬]*[♪♫♬]|[♪♫♬]")
_LABELS = (
    "laugh(s|ing|ter)?|music( playing)?|applause|cough(s|ing)?|sigh(s|ing)?|silence|inaudible|noise|breath(s|ing)?"
    "|笑声?|笑い|音乐|音樂|音楽|掌声|掌聲|拍手|咳嗽|웃음|음악|박수"
)
_LABEL = re.compile(rf"[(（]\s*({_LABELS})\s*[)）]", re.IGNORECASE)
_LOOP = re.compile(r"(.{1,80}?)\1{2,}", re.DOTALL)
_FEWEST_REPEATS = {1: 8, 2: 6, 3: 5, 4: 4}
"""By length of what is repeated; longer pieces are a loop when they come three times."""

_MADE_UP = re.compile(
    r"字幕|subtitles? by|subtitled by|amara\.?org|www\.|https?:|明镜与点点|明鏡與點點|索[兰蘭][娅婭]|中文字幕志愿者",
    re.IGNORECASE,
)
_FAREWELLS = {
    "thanks for watching", "thank you for watching", "thank you", "you", "bye", "please subscribe",
    "thank you so much for watching", "see you next time", "like and subscribe",
    "谢谢观看", "谢谢大家", "谢谢收看", "感谢观看", "请不吝点赞订阅转发打赏支持明镜与点点栏目", "谢谢",
    "ご視聴ありがとうございました", "ありがとうございました", "チャンネル登録お願いします", "おやすみなさい",
    "시청해주셔서감사합니다", "감사합니다", "구독과좋아요부탁드립니다", "다음영상에서만나요",
}  # fmt: skip
_HAN_COMMA = re.compile(r"(?<=[\u3400-\u9fff])\s*([,?!:;])\s*(?=[\u3400-\u9fff]|$)")
_HAN_GAP = re.compile(r"(?<=[\u3400-\u9fff])\s+(?=[\u3400-\u9fff])")
_FULL_WIDTH = str.maketrans(",?!:;", "，？！：；")


@dataclass(frozen=True)
class Cleaned:
    """A transcript fit for a list: one line, no `|`.

    looped: it repeated itself, and the repeats were taken out. made_up: it is what recognisers write where
    nobody speaks; doubtful: it may be.
    """

    text: str
    looped: bool = False
    made_up: bool = False
    doubtful: bool = False


def clean_transcript(text: str, language: str) -> Cleaned:
    """The words of a transcript; Mandarin in simplified characters, as the text front end reads them."""
    text = unicodedata.normalize("NFC", text)
    text = _LABEL.sub(" ", _BRACKETS.sub(" ", _TAG.sub(" ", text)))
    text = one_line(text)
    if language == "zh":
        text = simplify(text)
    if language in ("zh", "yue"):
        # Whisper writes a space where the speaker pauses.
        text = _HAN_GAP.sub("，", _HAN_COMMA.sub(lambda mark: mark[1].translate(_FULL_WIDTH), text))
    short = _LOOP.sub(_once, text)
    words = "".join(c for c in short.lower() if c.isalnum() or c == " ").strip()
    farewell = words in _FAREWELLS or words.replace(" ", "") in _FAREWELLS
    return Cleaned(short.strip(), short != text, bool(_MADE_UP.search(short)), farewell)


def one_line(text: str) -> str:
    """The text without what would break a list: line breaks, control characters, `|`."""
    visible = (" " if c == "|" or unicodedata.category(c)[0] in "CZ" else c for c in text)
    return " ".join("".join(visible).split())


def _once(match: re.Match[str]) -> str:
    unit, repeats = match[1], len(match[0]) // len(match[1])
    # Digits are read one by one, and marks in a row are no loop.
    if repeats < _FEWEST_REPEATS.get(len(unit), 3) or not any(c.isalpha() for c in unit):
        return match[0]
    return unit
