"""Single English words to phones: by heart, by their ending, by their parts, or sounded out."""

import re
from functools import lru_cache

from timbral.text.g2p.english import lexicon
from timbral.text.g2p.english.compounds import split_compound
from timbral.text.g2p.english.lexicon import Phones
from timbral.text.g2p.english.network import sound_out
from timbral.text.g2p.english.spelling import names_letters, spell

_NOT_SPOKEN = frozenset({"<pad>", "<s>", "</s>", "<unk>", "UW"})
_VOICELESS = frozenset(("P", "T", "K", "F", "TH", "HH"))
_SIBILANTS = frozenset(("S", "Z", "SH", "ZH", "CH", "JH"))


def _phones_of(table: dict[str, str]) -> dict[str, Phones]:
    return {spelling: tuple(phones.split()) for spelling, phones in table.items()}


_CONTRACTIONS = _phones_of({
    "'ll": "AH0 L", "'ve": "V", "'re": "ER0", "'d": "D", "'m": "M", "n't": "AH0 N T", "'em": "AH0 M",
})  # fmt: skip
_SUFFIXES = _phones_of({
    "ing": "IH0 NG", "er": "ER0", "ers": "ER0 Z", "ly": "L IY0", "ness": "N AH0 S", "less": "L AH0 S",
    "ful": "F AH0 L", "able": "AH0 B AH0 L", "est": "AH0 S T", "ish": "IH0 SH", "ment": "M AH0 N T",
    "ism": "IH2 Z AH0 M", "ist": "IH0 S T", "y": "IY0", "like": "L AY2 K", "ship": "SH IH2 P",
})  # fmt: skip
_PREFIXES = _phones_of({
    "un": "AH0 N", "re": "R IY0", "non": "N AA0 N", "mis": "M IH0 S", "dis": "D IH0 S", "over": "OW1 V ER0",
    "under": "AH1 N D ER0", "anti": "AE1 N T IY0", "pre": "P R IY0", "super": "S UW1 P ER0",
    "micro": "M AY1 K R OW0", "multi": "M AH1 L T IY0", "inter": "IH1 N T ER0", "sub": "S AH0 B",
    "cyber": "S AY1 B ER0", "bio": "B AY1 OW0", "geo": "JH IY1 OW0", "auto": "AO1 T OW0", "tele": "T EH1 L AH0",
    "crypto": "K R IH1 P T OW0", "kilo": "K IH1 L AH0", "mega": "M EH1 G AH0", "giga": "G IH1 G AH0",
    "milli": "M IH1 L AH0", "nano": "N AE1 N OW0", "deca": "D EH1 K AH0", "tera": "T EH1 R AH0",
    "mebi": "M EH1 B IY0",
})  # fmt: skip
_SHORTEST_STEM = 3
_SHORTEST_PART = 3
_LONGEST_LETTERS = 3


@lru_cache(maxsize=8192)
def pronounce_word(word: str, *, sounded_out: bool = True) -> Phones:
    """ARPAbet phones of a word with a letter in it.

    sounded_out: words that are not known are read by their spelling; otherwise they have no phones.
    """
    spelling = word.lower().strip("'") if not word.lower().startswith("'") else word.lower()
    known = _by_heart(spelling, title=word.istitle()) or _by_ending(spelling)
    if known or not sounded_out:
        return known or ()
    if "'" in spelling:
        head, _, tail = spelling.partition("'")
        return (pronounce_word(head) if head else ()) + (pronounce_word(tail) if tail else ())
    if _is_abbreviation(spelling):
        return spell(spelling)
    return _by_parts(spelling) or _sounded_out(spelling)


def _by_heart(spelling: str, *, title: bool) -> Phones | None:
    known = lexicon.word(spelling) if len(spelling) > 1 else None
    if known is None and title:
        known = lexicon.first_name(spelling)
    return spell(spelling) if known and names_letters(spelling, known) else known


def _is_abbreviation(spelling: str) -> bool:
    if len(spelling) <= _LONGEST_LETTERS:
        return not re.fullmatch("[^aeiou][aeiou][^aeiouwhr]", spelling)
    return not re.search("[aeiouy]", spelling)


def _by_ending(spelling: str) -> Phones | None:
    """A known word with an ending or a beginning that the language puts on any word."""
    for ending, phones in _CONTRACTIONS.items():
        stem = spelling.removesuffix(ending)
        if stem != spelling and stem:
            known = lexicon.word(stem)
            if known:
                return known + phones
    if spelling.endswith(("'s", "s'")):
        stem = spelling[:-2] if spelling.endswith("'s") else spelling[:-1]
        return _with_s(pronounce_word(stem)) if spelling.endswith("'s") else pronounce_word(stem)
    return _inflected(spelling) or _prefixed(spelling)


def _stem(spelling: str) -> Phones | None:
    return (
        _by_heart(spelling, title=False) or _inflected(spelling) if len(spelling) >= _SHORTEST_STEM else None
    )


def _inflected(spelling: str) -> Phones | None:
    if spelling.endswith("s") and not spelling.endswith(("ss", "us", "is")):
        stem = _stem(spelling[:-1]) or (_stem(spelling[:-2]) if spelling.endswith("es") else None)
        stem = stem or (_stem(spelling[:-3] + "y") if spelling.endswith("ies") else None)
        if stem:
            return _with_s(stem)
    if spelling.endswith("ed"):
        stem = _before_suffix(spelling[:-2])
        if stem:
            return _with_d(stem)
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        if spelling.endswith(suffix):
            stem = _before_suffix(spelling[: -len(suffix)], keeps_e=suffix[0] not in "aeiouy")
            if stem:
                return stem + _SUFFIXES[suffix]
    return None


def _before_suffix(stem: str, *, keeps_e: bool = False) -> Phones | None:
    """The word that an ending was put on: scrawl, mak(e), run(n), happ(y)."""
    if len(stem) < _SHORTEST_STEM:
        return None
    candidates = [stem] if keeps_e else [stem, stem + "e"]
    if stem[-1] == stem[-2:-1] and not keeps_e:
        candidates.insert(0, stem[:-1])
    if stem.endswith("i"):
        candidates.append(stem[:-1] + "y")
    return next(filter(None, map(_stem, candidates)), None)


def _prefixed(spelling: str) -> Phones | None:
    for prefix, phones in _PREFIXES.items():
        rest = spelling.removeprefix(prefix).lstrip("-")
        if spelling.startswith(prefix) and len(rest) > _SHORTEST_STEM:
            known = _stem(rest)
            if known:
                return phones + known
    return None


def _with_s(stem: Phones) -> Phones:
    last = stem[-1] if stem else ""
    return (*stem, "S") if last in _VOICELESS else (*stem, "IH0", "Z") if last in _SIBILANTS else (*stem, "Z")


def _with_d(stem: Phones) -> Phones:
    last = stem[-1]
    if last in ("T", "D"):
        return (*stem, "IH0", "D")
    return (*stem, "T") if last in _VOICELESS or last in ("S", "SH", "CH") else (*stem, "D")


def _by_parts(spelling: str) -> Phones | None:
    """A compound of words that are all known and not so short that they may be there by chance."""
    parts = split_compound(spelling)
    if len(parts) < 2 or min(map(len, parts)) < _SHORTEST_PART:
        return None
    known = [_stem(part) for part in parts]
    return tuple(phone for part in known for phone in part or ()) if all(known) else None


def _sounded_out(spelling: str) -> Phones:
    return tuple(phone for phone in sound_out(spelling) if phone not in _NOT_SPOKEN)
