"""Mandarin: a text to phones, two for each character (initial, final with tone) and one for each pause."""

import re
from collections.abc import Iterator, Sequence

from timbral.text.g2p.chinese.erhua import soften
from timbral.text.g2p.chinese.merging import merge
from timbral.text.g2p.chinese.polyphones import polyphone_network
from timbral.text.g2p.chinese.readings import read_clause
from timbral.text.g2p.chinese.sandhi import change_tones, restore_tones
from timbral.text.g2p.chinese.syllables import phones_of, split_pinyin
from timbral.text.g2p.chinese.words import Word, cut
from timbral.text.g2p.pronunciation import Polyphones, Pronunciation, SymbolVersion
from timbral.text.scripts import PAUSES

_AFTER_PAUSE = re.compile(rf"(?<=[{PAUSES}])")


def pronounce(text: str, version: SymbolVersion, polyphones: Polyphones | None = None) -> Pronunciation:
    """See `timbral.text.g2p.chinese.pronounce`."""
    phones: list[str] = []
    word2ph: list[int] = []
    for clause, words, pinyin in _clauses(text, polyphones):
        groups = merge(words)
        split = [split_pinyin(syllable) for syllable in pinyin]
        finals = _spoken_finals(groups, [final for _, final in split], erhua=version == "v2")
        finals = restore_tones(clause, pinyin, finals)
        for (initial, _), final in zip(split, finals, strict=True):
            syllable = phones_of(initial, final)
            phones += syllable
            word2ph.append(len(syllable))
    return Pronunciation(tuple(phones), text, word2ph=tuple(word2ph))


def pinyin_of(text: str, polyphones: Polyphones | None = None) -> list[str]:
    """See `timbral.text.g2p.chinese.pinyin_of`."""
    return [syllable for _, _, pinyin in _clauses(text, polyphones) for syllable in pinyin]


def _clauses(text: str, polyphones: Polyphones | None) -> Iterator[tuple[str, list[Word], list[str]]]:
    """Each clause with its words and the pinyin of its characters."""
    network = polyphones or polyphone_network()
    for clause in filter(None, _AFTER_PAUSE.split(text)):
        words = cut(clause)
        yield clause, words, read_clause(words, network)


def _spoken_finals(groups: Sequence[Word], finals: Sequence[str], *, erhua: bool) -> list[str]:
    """The finals of a clause after tone sandhi and, in v2, erhua."""
    spoken: list[str] = []
    for group in groups:
        changed = change_tones(group, list(finals[len(spoken) : len(spoken) + len(group.text)]))
        spoken += soften(group, changed) if erhua else changed
    return spoken
