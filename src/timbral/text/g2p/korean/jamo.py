"""Hangul syllables taken apart: conjoining jamo for the sound rules, compatibility jamo for the phones."""

_SYLLABLES = range(0xAC00, 0xD7A4)
_ONSETS, _VOWELS, _CODAS = 0x1100, 0x1161, 0x11A7
_ONSET_LETTERS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWEL_LETTERS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_CODA_LETTERS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_LETTERS = {
    **{_ONSETS + i: letter for i, letter in enumerate(_ONSET_LETTERS)},
    **{_VOWELS + i: letter for i, letter in enumerate(_VOWEL_LETTERS)},
    **{_CODAS + 1 + i: letter for i, letter in enumerate(_CODA_LETTERS)},
}


def decompose(text: str) -> str:
    """Syllables as conjoining jamo, an onset, a vowel and perhaps a coda each.

    Other characters as they are.
    """
    return "".join(
        _parts(ord(character)) if ord(character) in _SYLLABLES else character for character in text
    )


def letters(text: str) -> str:
    """Conjoining jamo as the letters of the keyboard, which the phones are named after."""
    return text.translate(_LETTERS)


def with_coda(syllable: str, coda: str) -> str:
    """A syllable with another coda, one of the letters of the keyboard."""
    code = ord(syllable) - _SYLLABLES.start
    return chr(_SYLLABLES.start + code - code % 28 + 1 + _CODA_LETTERS.index(coda))


def with_tense_onset(syllable: str) -> str:
    """A syllable whose onset is tense, where there is such a one: 기 is 끼."""
    onset, rest = divmod(ord(syllable) - _SYLLABLES.start, 21 * 28)
    tense = {0: 1, 3: 4, 7: 8, 9: 10, 12: 13}.get(onset, onset)
    return chr(_SYLLABLES.start + tense * 21 * 28 + rest)


def _parts(syllable: int) -> str:
    onset, rest = divmod(syllable - _SYLLABLES.start, 21 * 28)
    vowel, coda = divmod(rest, 28)
    return chr(_ONSETS + onset) + chr(_VOWELS + vowel) + (chr(_CODAS + coda) if coda else "")
