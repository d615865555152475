"""Japanese text to words with reading and accent, by the naist-jdic dictionary of OpenJTalk."""

import re
import string
import unicodedata
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np

from timbral.text.g2p.japanese.kana import LONG_VOWEL, SPELLINGS, spell
from timbral.text.g2p.japanese.respelling import respell
from timbral.text.g2p.lattice import Word, load
from timbral.text.resources import Array

PAUSE = "、"
QUESTION = "？"
NOUN, VERB, AUXILIARY, SYMBOL, FILLER = "名詞", "動詞", "助動詞", "記号", "フィラー"
NUMERAL, COUNTER, ADVERBIAL = "数", "助数詞", "副詞可能"

_FULL_WIDTH: dict[int, str | int] = {
    **{ord(c): ord(c) + 0xFEE0 for c in string.ascii_letters + string.digits},
    **{code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFF66, 0xFF9E)},
}
"""Letters, digits and half-width katakana to the forms that the dictionary has."""

_DIGITS_IN_A_ROW = re.compile("[〇零]|[〇一二三四五六七八九]{2,}")
_FIGURES = str.maketrans("〇零一二三四五六七八九", "００１２３４５６７８９")


@dataclass
class Morpheme:
    """A word on its way to sound; the rules of numbers and accent change it.

    part, group1, group2, group3: part of speech, from coarse to fine. form: inflected form.
    rule: how its accent joins with the words before it. reading: in katakana as written; `sound`: as said.
    accent: mora after which the pitch falls (0: nowhere). morae: length of `sound`.
    joined: whether it belongs to the accent phrase of the word before it (None: not decided yet).
    """

    surface: str
    part: str
    group1: str = "*"
    group2: str = "*"
    group3: str = "*"
    form: str = "*"
    rule: str = "*"
    reading: str = ""
    sound: str = ""
    accent: int = 0
    morae: int = 0
    joined: bool | None = None


class _Dictionary:
    def __init__(self) -> None:
        self.lexicon, arrays = load("ja_words.npz.xz")
        self._classes = [features.split(",") for features in self.lexicon.classes]
        self._accents: Array = arrays["accents"]
        self._sounds: bytes = arrays["prons"].tobytes()
        breaks = np.flatnonzero(arrays["prons"] == ord("\n"))
        self._sound_starts = np.concatenate(([0], breaks + 1, [len(self._sounds) + 1]))

    def morphemes(self, text: str, word: Word) -> list[Morpheme]:
        """One morpheme, or several where the dictionary lists a phrase as one word."""
        part, group1, group2, group3, form, rule = self._classes[word.word_class]
        surface = text[word.start : word.end]
        morpheme = Morpheme(surface, part, group1, group2, group3, form, rule or "*")
        if word.token is None:
            return [morpheme]
        sound, *details = self._sound(word.token).split(";")
        if len(details) == 2:
            return _split_phrase(morpheme, sound, *details)
        morpheme.sound = sound
        morpheme.reading = details[0] if details else sound
        morpheme.accent, morpheme.morae = (int(n) for n in self._accents[:, word.token])
        return [morpheme]

    def _sound(self, token: int) -> str:
        start, end = self._sound_starts[token : token + 2]
        return self._sounds[start : end - 1].decode("utf-8")


def _split_phrase(phrase: Morpheme, sounds: str, originals: str, accents: str) -> list[Morpheme]:
    """The words of a phrase such as ありがとう:ございます, with the accent and length of each.

    As in 2/5:4/5.
    """
    parts = []
    rest = phrase.surface
    rows = list(zip(originals.split(":"), sounds.split(":"), accents.split(":"), strict=True))
    for index, (original, sound, accent) in enumerate(rows):
        surface = original if index + 1 < len(rows) else rest
        rest = rest[len(original) :]
        fall, morae = accent.split("/")
        parts.append(
            replace(phrase, surface=surface, reading=sound, sound=sound, accent=int(fall), morae=int(morae))
        )
        parts[-1].joined = False if index else None
    return parts


@cache
def _dictionary() -> _Dictionary:
    return _Dictionary()


def morphemes(text: str) -> list[Morpheme]:
    """The words of a text with their sounds.

    Words that the dictionary cannot read are spelt, or else a pause.
    """
    text = respell(text.translate(_FULL_WIDTH))
    dictionary = _dictionary()
    looked_up = _DIGITS_IN_A_ROW.sub(lambda run: run[0].translate(_FIGURES), text)
    words = [m for word in dictionary.lexicon.split(looked_up) for m in dictionary.morphemes(text, word)]
    for word in words:
        if not word.morae:
            _spell(word)
    words = _join_spelt(words)
    for word, following in pairwise(words):
        if (
            following.sound == "ウ"
            and following.part == AUXILIARY
            and word.part in (VERB, AUXILIARY)
            and word.morae
        ):
            following.sound = LONG_VOWEL
    return words


def _spell(word: Morpheme) -> None:
    word.sound, word.morae = spell(word.surface)
    word.reading = word.sound
    if word.morae:
        word.part, word.group1, word.group2, word.group3 = FILLER, "*", "*", "*"
    elif word.surface == QUESTION:
        word.sound = QUESTION
    else:
        word.sound, word.part = PAUSE, SYMBOL


def _join_spelt(words: list[Morpheme]) -> list[Morpheme]:
    """Single kana and letters in a row become one word, so that they share one accent phrase."""
    joined: list[Morpheme] = []
    head: Morpheme | None = None
    for word in words:
        spelt = word.part == FILLER and word.surface in SPELLINGS
        if spelt and head:
            head.surface += word.surface
            head.reading += word.reading
            head.sound += word.sound
            head.morae += word.morae
        else:
            joined.append(word)
            head = word if spelt else None
    return joined
