"""Which words in capitals are read letter by letter: GPU, but not NASA, nor a word that is only shouted."""

import re

from timbral.text.g2p.english import lexicon
from timbral.text.g2p.english.lexicon import Phones
from timbral.text.normalize.english.word_lists import word_list

_SPELLED = word_list("spelled")
"""Acronyms that are spelled although they could be words."""
_SAID = word_list("said")
"""Acronyms that are words."""
_SHORT_WORDS = word_list("short")
"""Words of two and three letters that are shouted rather than spelled."""
_SHORTEST_WORD = 4
_SHORTEST_UNKNOWN_WORD = 6
_UNSPEAKABLE = re.compile(
    "[^aeiouy]{4}|(?!s[cpt][hlr]|[cst]h[rlm]|tch|ght|n[cdgkst][hlrs]|[lnr][cdfgklmnpstvz][hlrst]|m[bp][hlrst]|sch|ck[lnrs]"
    "|pph|[dt]t[hl]|ss[t]|x[ct]r)[^aeiouy]{3}"
)
"""Consonants in a row that no English word has."""
_VOWELS = frozenset("AEIOUY")


def is_spelled(capitals: str, *, shouted: bool) -> bool:
    """Whether a word in capitals is read letter by letter.

    shouted: its whole sentence is in capitals, so that capitals mean nothing.
    """
    word = capitals.lower().strip("'")
    if word in _SAID:
        return False
    known = lexicon.word(word) is not None
    if shouted and known:
        return False
    if word in _SPELLED:
        return True
    if len(word) < _SHORTEST_WORD:
        return word not in _SHORT_WORDS
    if known:
        return False
    return (
        len(word) < _SHORTEST_UNKNOWN_WORD or _VOWELS.isdisjoint(capitals) or bool(_UNSPEAKABLE.search(word))
    )


def spell(letters: str) -> Phones:
    """The names of letters."""
    return tuple(phone for letter in letters if letter.isalpha() for phone in _name(letter.lower()))


def names_letters(spelling: str, phones: Phones) -> bool:
    """Whether a dictionary has a word as the names of its letters, whatever their stress: html."""
    if len(spelling) > _SHORTEST_UNKNOWN_WORD:
        return False
    return [phone.rstrip("012") for phone in phones] == [phone.rstrip("012") for phone in spell(spelling)]


def _name(letter: str) -> Phones:
    return ("EY1",) if letter == "a" else lexicon.word(letter) or ()
