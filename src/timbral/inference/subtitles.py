"""Subtitles of a speech, as SubRip (.srt) or WebVTT (.vtt)."""

import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Literal, get_args

from timbral.errors import SettingError
from timbral.inference.timestamps import SpokenUtterance, Timestamp, is_said
from timbral.text.splitting import split_text

SubtitleFormat = Literal["srt", "vtt"]

WIDEST = 84
"""Columns of a subtitle: two lines of 42, or of 21 characters of Chinese or Japanese."""

_Words = Sequence[Timestamp]
_SENTENCE_MARKS = frozenset(".!?…。．！？")
_MARKS = _SENTENCE_MARKS | frozenset(",;:—-，、；：")
_CLAUSE = re.compile(r"(?<=[，、；：])(?![，、；：”’」』）》】])|(?<=[,;:—])\s+|(?<=\s-)\s+")


def cues(utterance: SpokenUtterance) -> list[Timestamp]:
    """An utterance as subtitles: sentence by sentence, and those that are too wide for one also at commas.

    The text is that which was written. Where its marks are not those of what is said, or the model does not know when a word
    is spoken, a subtitle is longer, up to all of the utterance.
    """
    sentences = _timed(split_text(utterance.text, math.inf, 0), utterance.words, _SENTENCE_MARKS)
    if not sentences:
        return [Timestamp(_line(utterance.text), utterance.start, utterance.end)]
    return [cue for sentence, words in sentences for cue in _narrow(sentence, words)]


def subtitles(utterances: Iterable[SpokenUtterance], kind: SubtitleFormat) -> str:
    """The content of a file with the subtitles of a speech. Raises SettingError for another kind."""
    if kind not in get_args(SubtitleFormat):
        raise SettingError(f"the kind of subtitles is {ascii(kind)[:40]}: give srt or vtt")
    lines = ["WEBVTT", ""] if kind == "vtt" else []
    for number, cue in enumerate((cue for each in utterances for cue in cues(each)), 1):
        times = f"{_clock(cue.start, kind)} --> {_clock(cue.end, kind)}"
        lines += [*([str(number)] if kind == "srt" else []), times, _escaped(cue.text, kind), ""]
    return "\n".join(lines)


def _narrow(sentence: str, words: _Words) -> list[Timestamp]:
    """A sentence in as few pieces as are narrow enough, if it has commas."""
    clauses = _timed(_CLAUSE.split(sentence), words, _MARKS) if _width(sentence) > WIDEST else []
    found: list[Timestamp] = []
    for clause, spoken in clauses or [(sentence, words)]:
        text, said = _line(clause), [word for word in spoken if is_said(word)]
        start, end = said[0].start, said[-1].end
        if found and _width(found[-1].text) + _width(text) < WIDEST:
            before = found.pop()
            blank = "" if _width(before.text[-1]) == 2 else " "
            text, start = f"{before.text}{blank}{text}", before.start
        found.append(Timestamp(text, start, end))
    return found


def _timed(pieces: Sequence[str], words: _Words, marks: Collection[str]) -> list[tuple[str, _Words]]:
    """Pieces of a text with their words, up to these marks each; none where there are not as many of both."""
    groups: list[list[Timestamp]] = []
    ended = True
    for word in words:
        if is_said(word) and ended:
            groups.append([])
        if groups:
            groups[-1].append(word)
        ended = word.text in marks or (ended and not is_said(word))
    spoken = [piece for piece in pieces if any(map(str.isalnum, piece))]
    return list(zip(spoken, groups, strict=True)) if len(spoken) == len(groups) else []


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _line(text: str) -> str:
    return " ".join(text.split())


def _clock(seconds: float, kind: SubtitleFormat) -> str:
    milliseconds = round(1000 * seconds)
    minutes, rest = divmod(milliseconds, 60_000)
    point = "," if kind == "srt" else "."
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _escaped(text: str, kind: SubtitleFormat) -> str:
    """A text that cannot be taken for the times of a subtitle, or in WebVTT for a tag."""
    if kind == "srt":
        return text.replace("-->", "→")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
