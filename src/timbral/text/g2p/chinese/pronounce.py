"""Mandarin: a text to phones, two for each character (initial, final with tone) and one for each pause."""

import re

from timbral.text.g2p.chinese.corrections import mend_tones
from timbral.text.g2p.chinese.erhua import soften
from timbral.text.g2p.chinese.merging import merge
from timbral.text.g2p.chinese.polyphones import polyphone_network
from timbral.text.g2p.chinese.readings import Reader, read_best, read_by_sentence, read_by_word
from timbral.text.g2p.chinese.sandhi import change_tones
from timbral.text.g2p.chinese.syllables import phones_of, split_pinyin
from timbral.text.g2p.chinese.words import Word, cut
from timbral.text.g2p.pronunciation import Polyphones, Pronunciation, SymbolVersion
from timbral.text.normalize.chinese import official as chinese_official_rules
from timbral.text.normalize.chinese.text import normalize, pronounceable
from timbral.text.scripts import PAUSES

__all__ = ["normalize", "pronounce", "pronounce_officially"]

_AFTER_PAUSE = re.compile(rf"(?<=[{PAUSES}])")


def pronounce(text: str, version: SymbolVersion, polyphones: Polyphones | None = None) -> Pronunciation:
    """How a Chinese text sounds.

    polyphones: decides on characters with several readings in the place of the network in the package (G2PW).
    """
    read = read_best(polyphones or polyphone_network())
    return _pronounce(normalize(text), version, read, mend=True)


def pronounce_officially(
    text: str, version: SymbolVersion, polyphones: Polyphones | None = None
) -> Pronunciation:
    """What the official front end of GPT-SoVITS makes of a Chinese text, mistakes included.

    polyphones: G2PW, which the official front end uses for v2; without it dictionaries decide, as for v1.
    """
    read = read_by_sentence(polyphones) if polyphones else read_by_word
    normalized = pronounceable(chinese_official_rules.normalize(text))
    return _pronounce(normalized, version, read, mend=False)


def _pronounce(normalized: str, version: SymbolVersion, read: Reader, *, mend: bool) -> Pronunciation:
    phones: list[str] = []
    word2ph: list[int] = []
    for clause in filter(None, _AFTER_PAUSE.split(normalized)):
        words = cut(clause)
        groups = merge(words)
        pinyin = read(words, groups)
        split = [split_pinyin(syllable) for syllable in pinyin]
        finals = _spoken_finals(groups, [final for _, final in split], erhua=version == "v2")
        if mend:
            finals = mend_tones(clause, pinyin, finals)
        for (initial, _), final in zip(split, finals, strict=True):
            syllable = phones_of(initial, final)
            phones += syllable
            word2ph.append(len(syllable))
    return Pronunciation(tuple(phones), normalized, tuple(word2ph))


def _spoken_finals(groups: list[Word], finals: list[str], *, erhua: bool) -> list[str]:
    """The finals of a clause after tone sandhi and, in v2, erhua."""
    spoken: list[str] = []
    for group in groups:
        changed = change_tones(group, finals[len(spoken) : len(spoken) + len(group.text)])
        spoken += soften(group, changed) if erhua else changed
    return spoken
