"""Japanese text to OpenJTalk phones with prosody marks.

The marks: `[` pitch rises, `]` pitch falls, `_` pause, `#` an accent phrase ends.

The accent phrase border `#` has no symbol of its own in any version and is looked up as unknown, as in the
official front end; v1 lacks the two pitch marks too.
"""

import re

from timbral.text.g2p.japanese.accent import group_phrases, place_accents
from timbral.text.g2p.japanese.numbers import read_numbers
from timbral.text.g2p.japanese.prosody import phones_with_marks
from timbral.text.g2p.japanese.words import morphemes
from timbral.text.g2p.pronunciation import Pronunciation, SymbolVersion
from timbral.text.scripts import EAST_ASIAN_PAUSES

_SPOKEN = re.compile(r"[A-Za-z\d々\u3040-\u30ff\u4e00-\u9fff１-９Ａ-Ｚａ-ｚ\uff66-\uff9d]+")
_REPEATED_PUNCTUATION = re.compile(r"([!?….,\-])[!?….,\-]+")
_MARKS = EAST_ASIAN_PAUSES | {"\n": "."}


def normalize(text: str) -> str:
    """Repeated punctuation becomes its first mark.

    A model reads a row of marks as a reason to go on babbling.
    """
    return _REPEATED_PUNCTUATION.sub(r"\1", text)


def pronounce(text: str, version: SymbolVersion) -> Pronunciation:
    """OpenJTalk phones of a Japanese text with prosody marks.

    Other characters are passed through as punctuation.
    """
    text = normalize(text)
    spoken = text.replace("％", "パーセント").lower()
    phones: list[str] = []
    position = 0
    for run in _SPOKEN.finditer(spoken):
        phones += _marks(spoken[position : run.start()])
        phones += _prosody(run[0])
        position = run.end()
    phones += _marks(spoken[position:])
    return Pronunciation(tuple(phones), text)


def _marks(text: str) -> list[str]:
    return [_MARKS.get(mark, mark) for mark in text if mark != " "]


def _prosody(text: str) -> list[str]:
    words = read_numbers(morphemes(text))
    group_phrases(words)
    place_accents(words)
    return phones_with_marks(words)
