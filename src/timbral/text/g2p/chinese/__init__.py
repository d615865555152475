"""Mandarin text to initials and finals with tone. The dictionaries are loaded when a text is pronounced first."""

from timbral.text.g2p.pronunciation import Polyphones, Pronunciation, SymbolVersion

__all__ = ["phones_of_reading", "pinyin_of", "pronounce"]


def pronounce(text: str, version: SymbolVersion, polyphones: Polyphones | None = None) -> Pronunciation:
    """How a normalised Chinese text sounds.

    polyphones: decides on characters with several readings in the place of the network in the package (G2PW).
    """
    from timbral.text.g2p.chinese import phones

    return phones.pronounce(text, version, polyphones)


def pinyin_of(text: str, polyphones: Polyphones | None = None) -> list[str]:
    """Dictionary pinyin of each character of a normalised text, before sandhi: `"lv4"`, neutral tone 5."""
    from timbral.text.g2p.chinese import phones

    return phones.pinyin_of(text, polyphones)


def phones_of_reading(reading: str, version: SymbolVersion) -> tuple[str, ...] | None:
    """Phones of pinyin with tone numbers (`"chang2 jiang1"`, `"lv4"`, neutral 5); None if it is something else."""
    from timbral.text.g2p.chinese import syllables

    return syllables.phones_of_reading(reading, version)
