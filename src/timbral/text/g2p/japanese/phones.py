"""Japanese text to OpenJTalk phones with prosody marks.

The marks: `[` pitch rises, `]` pitch falls, `_` pause, `#` an accent phrase ends.

The accent phrase border `#` has no symbol of its own in any version and is looked up as unknown, as in the
official front end; v1 lacks the two pitch marks too.
"""

import re

from timbral.text.g2p.japanese.accent import group_phrases, place_accents
from timbral.text.g2p.japanese.kana import spell
from timbral.text.g2p.japanese.numbers import read_numbers
from timbral.text.g2p.japanese.prosody import phones_with_marks, words_with_marks
from timbral.text.g2p.japanese.words import NOUN, Morpheme, morphemes
from timbral.text.g2p.pronunciation import Pronunciation, SymbolVersion, Word
from timbral.text.scripts import EAST_ASIAN_PAUSES, HAN, KANA

_SPOKEN = re.compile(rf"[A-Za-z\d{HAN}{KANA}・０-９Ａ-Ｚａ-ｚ\uff66-\uff9d]+")
_KANA_ONLY = re.compile("[ァ-ヺー]+")
_TO_KATAKANA = {code: code + 0x60 for code in range(0x3041, 0x3097)}
_LONG = re.compile("(?<=[オコソトノホモヨロゴゾドボポョ])ウ|(?<=[エケセテネヘメレゲゼデベペ])イ")
_MARKS = EAST_ASIAN_PAUSES | {"\n": "."}


def pronounce(text: str, version: SymbolVersion) -> Pronunciation:
    """Phones of a normalised text; characters that nobody reads are passed through as punctuation."""
    spoken = text.lower()
    words: list[tuple[str, list[str]]] = []
    position = 0
    for run in _SPOKEN.finditer(spoken):
        words += _marks(spoken[position : run.start()])
        words += words_with_marks(_with_accents(run[0]))
        position = run.end()
    words += _marks(spoken[position:])
    phones = tuple(phone for _, sounds in words for phone in sounds)
    return Pronunciation(phones, text, tuple(Word(word, len(sounds)) for word, sounds in words))


def phones_of_reading(reading: str, version: SymbolVersion) -> tuple[str, ...] | None:
    """Phones of one accent phrase in kana, with ↓ where the pitch falls: ハ↓シ; None if it is not kana.

    ウ after a mora in o makes it long, as does イ after one in e.
    """
    del version  # v1 has the same phones, and the frontend drops the marks that it lacks
    before, fall, after = reading.strip().translate(_TO_KATAKANA).partition("↓")
    sound = _LONG.sub("ー", before) + fall + _LONG.sub("ー", after)
    head, _, tail = sound.partition("↓")
    spelt, morae = spell(head + tail)
    if not _KANA_ONLY.fullmatch(head + tail) or not morae:
        return None
    accent = spell(head)[1] if fall else 0
    return tuple(phones_with_marks([Morpheme("", NOUN, sound=spelt, accent=accent, morae=morae)]))


def _marks(text: str) -> list[tuple[str, list[str]]]:
    """Marks with the phone of each."""
    return [(mark, [_MARKS.get(mark, mark)]) for mark in text if mark != " "]


def _with_accents(text: str) -> list[Morpheme]:
    words = read_numbers(morphemes(text))
    group_phrases(words)
    place_accents(words)
    return words
