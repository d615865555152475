"""English text to ARPAbet phones with stress.

The order of look-ups is the official one: homographs, the CMU dictionary, first names, single letters,
possessives, compounds, and for what is left g2p_en's network.
"""

import re

from timbral.text.g2p.english import lexicon
from timbral.text.g2p.english.compounds import split_compound
from timbral.text.g2p.english.network import sound_out
from timbral.text.g2p.pronunciation import Pronunciation, SymbolVersion
from timbral.text.normalize.english.text import official

# The tokens of NLTK's TweetTokenizer, as far as they can occur in normalised text.
_TOKEN = re.compile(
    r"[A-Za-z]+(?:[.\-][A-Za-z]+)*\.[A-Za-z]{2,13}\b"  # looks like a web address: no space after a full stop
    r"|[A-Za-z][A-Za-z'\-]+[A-Za-z]"
    r"|[A-Za-z]+"
    r"|\.(?:\s*\.)+"
    r"|\S"
)
_FEWEST_PHONES = 4
_NOT_SPOKEN = frozenset({"<pad>", "<s>", "</s>", "UW"})


def normalize(text: str) -> str:
    """English as it is said: numbers, units and signs in words, only letters and `'.,?!-` left."""
    return official(text)


def pronounce(text: str, version: SymbolVersion) -> Pronunciation:
    """ARPAbet phones of an English text; both symbol tables have them all.

    Fewer than four phones get a comma in front, as in the official front end.
    """
    text = normalize(text)
    tokens = _TOKEN.findall(text)
    phones = [phone for token in tokens for phone in _token(token)]
    phones = ["UNK" if phone == "<unk>" else "-" if phone == "'" else phone for phone in phones]
    phones = [phone for phone in phones if phone not in _NOT_SPOKEN and (phone.isalnum() or phone in ",.?!-")]
    if len(phones) < _FEWEST_PHONES:
        phones = [",", *phones]
    return Pronunciation(tuple(phones), text)


def _token(token: str) -> tuple[str, ...]:
    spelling = token.lower()
    if not re.search("[a-z]", spelling):
        return (token,)
    if len(token) == 1:
        return _letter(token)
    homograph = lexicon.homographs().get(spelling)
    if homograph:
        return homograph.first if "NN".startswith(homograph.part_of_speech) else homograph.second
    return _word(token)


def _letter(letter: str) -> tuple[str, ...]:
    """A lone "a" is the article, unless it is a capital."""
    return ("EY1",) if letter == "A" else lexicon.word(letter.lower()) or ()


def _word(word: str) -> tuple[str, ...]:
    spelling = word.lower()
    known = lexicon.word(spelling) if len(spelling) > 1 else None
    if known is None and word.istitle():
        known = lexicon.first_name(spelling)
    if known is not None:
        return known
    if len(spelling) <= 3:
        return tuple(p for c in spelling for p in (_letter("A" if c == "a" else c) if c.isalpha() else (c,)))
    if re.fullmatch("[a-z]+'s", spelling):
        return _possessive(_word(spelling[:-2]))
    parts = split_compound(spelling)
    if len(parts) == 1:
        return sound_out(spelling)
    return tuple(phone for part in parts for phone in _word(part))


def _possessive(owner: tuple[str, ...]) -> tuple[str, ...]:
    if owner[-1] in ("P", "T", "K", "F", "TH", "HH"):
        return (*owner, "S")
    if owner[-1] in ("S", "Z", "SH", "ZH", "CH", "JH"):
        return (*owner, "AH0", "Z")
    return (*owner, "Z")
