"""The languages that texts are read in, and where the rules of each are.

The modules of a language are loaded when it is first spoken.
"""

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Literal, NamedTuple, get_args

from timbral.text.g2p.pronunciation import Pronunciation, SymbolVersion

Language = Literal["zh", "en", "ja", "ko", "yue"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

SPOKEN_BY: dict[SymbolVersion, tuple[Language, ...]] = {"v1": ("zh", "en", "ja"), "v2": LANGUAGES}
"""The languages that a symbol table has phones for."""

_FOLDERS: dict[Language, str] = {
    "zh": "chinese",
    "en": "english",
    "ja": "japanese",
    "ko": "korean",
    "yue": "cantonese",
}


class Phonetics(NamedTuple):
    """What a language brings.

    normalize: written text to spoken words.
    pronounce: normalised text and a symbol version to phones.
    phones_of_reading: a reading that a user wrote to phones, None if it is no reading of the language.
    """

    normalize: Callable[[str], str]
    pronounce: Callable[..., Pronunciation]
    phones_of_reading: Callable[[str, SymbolVersion], tuple[str, ...] | None]


@lru_cache(maxsize=len(LANGUAGES))
def phonetics(language: Language) -> Phonetics:
    """The rules of a language."""
    normalizer = import_module(f"timbral.text.normalize.{_FOLDERS[language]}")
    g2p = import_module(f"timbral.text.g2p.{_FOLDERS[language]}")
    return Phonetics(normalizer.normalize, g2p.pronounce, g2p.phones_of_reading)
