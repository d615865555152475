"""Units in which recognition errors are counted: what is said, whatever way it is written.

| language | unit |
|---|---|
| en | words by their pronunciation, so that harbour and harbor, two and too count as the same |
| zh | syllables with their tones, so that homophones and traditional characters count as right |
| ja | morae of the reading, so that kanji and kana count as the same |
| ko, yue | characters |

Both sides are normalised by the package's own front end: figures, abbreviations and signs become words.
"""

import re
import warnings
from collections.abc import Sequence
from functools import lru_cache

from timbral.errors import TimbralWarning
from timbral.text.g2p.japanese.kana import MORA_PHONES
from timbral.text.languages import LANGUAGES, Language, phonetics
from timbral.text.normalize.chinese.simplification import simplify

_APOSTROPHES = str.maketrans("", "", "'’`")
_BREAKS = re.compile(r"[\W_]+")
_STRESS = re.compile(r"\d")
_MORA_ENDS = frozenset("aiueoIU") | {"N", "cl"}
assert {phones[-1] for phones in MORA_PHONES.values()} <= _MORA_ENDS


def known_language(language: str) -> Language:
    """The language as the front end names it; English for others."""
    return next((one for one in LANGUAGES if one == language), "en")


def units(text: str, language: str) -> list[str]:
    """The units of a text, in order."""
    return list(_units(text, known_language(language)))


@lru_cache(maxsize=4096)
def _units(text: str, language: Language) -> tuple[str, ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TimbralWarning)
        normal = phonetics(language).normalize(text)
        if language == "en":
            words = _BREAKS.sub(" ", normal.translate(_APOSTROPHES).lower()).split()
            return tuple(_english(word) for word in words)
        if language == "ja":
            return tuple(_morae(phonetics("ja").pronounce(normal, "v2").phones))
    plain = _BREAKS.sub("", normal.lower())
    return (
        tuple(_syllables(plain))
        if language == "zh"
        else tuple(simplify(plain) if language == "yue" else plain)
    )


def characters(text: str, language: str) -> list[str]:
    """The normalised text, character by character, without spaces and punctuation: for CER."""
    known = known_language(language)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TimbralWarning)
        normal = _BREAKS.sub("", phonetics(known).normalize(text).lower())
    return list(simplify(normal) if known in ("zh", "yue") else normal)


@lru_cache(maxsize=8192)
def _english(word: str) -> str:
    """A word by its pronunciation without stress; as it is written where nothing can be pronounced of it."""
    phones = phonetics("en").pronounce(word, "v2").phones
    spoken = "-".join(_STRESS.sub("", phone) for phone in phones if phone[:1].isalpha())
    return spoken or word


def _syllables(text: str) -> list[str]:
    from pypinyin import Style, lazy_pinyin

    return lazy_pinyin(simplify(text), style=Style.TONE3, neutral_tone_with_five=True)


def _morae(phones: Sequence[str]) -> list[str]:
    """Phones of OpenJTalk grouped by morae, without marks of prosody and pauses."""
    found, open_ = [], ""
    for phone in phones:
        if not phone.isalpha():
            continue
        open_ += phone.lower() if phone in ("I", "U") else phone
        if phone in _MORA_ENDS:
            found.append(open_)
            open_ = ""
    return found + ([open_] if open_ else [])


def count_edits(wanted: Sequence[str], heard: Sequence[str], *, compounds: bool = False) -> int:
    """Least number of substitutions, deletions and insertions that turn one sequence into the other.

    compounds: two units that together are one of the other side count as right, as `light house` does for
    `lighthouse`; units of English words are joined by hyphens.
    """
    rows = [list(range(len(heard) + 1))]
    for i in range(1, len(wanted) + 1):
        row = [i]
        for j in range(1, len(heard) + 1):
            best = min(
                rows[i - 1][j - 1] + (wanted[i - 1] != heard[j - 1]), rows[i - 1][j] + 1, row[j - 1] + 1
            )
            if compounds and j > 1 and f"{heard[j - 2]}-{heard[j - 1]}" == wanted[i - 1]:
                best = min(best, rows[i - 1][j - 2])
            if compounds and i > 1 and f"{wanted[i - 2]}-{wanted[i - 1]}" == heard[j - 1]:
                best = min(best, rows[i - 2][j - 1])
            row.append(best)
        rows.append(row)
    return rows[-1][-1]
