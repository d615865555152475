"""Readings of English words as a user writes them: ARPAbet."""

from timbral.text.g2p.pronunciation import SymbolVersion

_VOWELS = {"AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"}
_CONSONANTS = {
    "B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T", "TH", "V", "W", "Y", "Z",
    "ZH",
}  # fmt: skip


def phones_of_reading(reading: str, version: SymbolVersion) -> tuple[str, ...] | None:
    """Phones of ARPAbet such as "W IH1 N"; None if it is none.

    A vowel without a stress is unstressed, unless it is the only one.
    """
    del version  # both tables have all phones
    phones = reading.upper().split()
    lone = sum(phone.rstrip("012") in _VOWELS for phone in phones) == 1
    spoken: list[str] = []
    for phone in phones:
        base = phone.rstrip("012")
        if base in _VOWELS and len(phone) - len(base) <= 1:
            spoken.append(phone if phone != base else base + ("1" if lone else "0"))
        elif phone in _CONSONANTS:
            spoken.append(phone)
        else:
            return None
    return tuple(spoken) or None
