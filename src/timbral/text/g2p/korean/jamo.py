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


def _parts(syllable: int) -> str:
    onset, rest = divmod(syllable - _SYLLABLES.start, 21 * 28)
    vowel, coda = divmod(rest, 28)
    return chr(_ONSETS + onset) + chr(_VOWELS + vowel) + (chr(_CODAS + coda) if coda else "")
