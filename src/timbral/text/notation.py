"""Phones in the notation that a speaker of the language knows: pinyin, jyutping, kana, hangul, ARPAbet."""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

from timbral.text.frontend import Segment
from timbral.text.symbols import PAUSES

_ZERO_INITIALS = frozenset(("AA", "EE", "OO"))
_ROWS = {
    "": "ア イ ウ エ オ", "k": "カ キ ク ケ コ", "s": "サ スィ ス セ ソ", "t": "タ ティ トゥ テ ト", "n": "ナ ニ ヌ ネ ノ",
    "h": "ハ ヒ フ ヘ ホ", "m": "マ ミ ム メ モ", "r": "ラ リ ル レ ロ", "g": "ガ ギ グ ゲ ゴ", "z": "ザ ズィ ズ ゼ ゾ",
    "d": "ダ ディ ドゥ デ ド", "b": "バ ビ ブ ベ ボ", "p": "パ ピ プ ペ ポ", "y": "ヤ イ ユ イェ ヨ", "w": "ワ ウィ ウ ウェ ウォ",
    "sh": "シャ シ シュ シェ ショ", "ch": "チャ チ チュ チェ チョ", "j": "ジャ ジ ジュ ジェ ジョ", "ts": "ツァ ツィ ツ ツェ ツォ",
    "f": "ファ フィ フ フェ フォ", "v": "ヴァ ヴィ ヴ ヴェ ヴォ",
}  # fmt: skip
_KANA = {
    consonant + vowel: kana
    for consonant, row in _ROWS.items()
    for vowel, kana in zip("aiueo", row.split(), strict=True)
} | {"N": "ン", "cl": "ッ"}
_PALATAL = {
    "ky": "キ", "gy": "ギ", "ny": "ニ", "hy": "ヒ", "by": "ビ", "py": "ピ", "my": "ミ", "ry": "リ", "dy": "デ", "ty": "テ",
    "kw": "ク", "gw": "グ",
}  # fmt: skip
_SMALL = {"a": "ャ", "i": "ィ", "u": "ュ", "e": "ェ", "o": "ョ"}
_ACCENTS = {"[": "↑", "]": "↓"}
_ONSETS, _VOWELS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ", "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_CODAS = "_ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_DIPHTHONGS = {
    "ㅗㅏ": "ㅘ", "ㅗㅐ": "ㅙ", "ㅗㅣ": "ㅚ", "ㅜㅓ": "ㅝ", "ㅜㅔ": "ㅞ", "ㅜㅣ": "ㅟ", "ㅡㅣ": "ㅢ", "ㅣㅏ": "ㅑ", "ㅣㅐ": "ㅒ",
    "ㅣㅓ": "ㅕ", "ㅣㅔ": "ㅖ", "ㅣㅗ": "ㅛ", "ㅣㅜ": "ㅠ",
}  # fmt: skip


def readable(segment: Segment) -> str:
    """The phones of a segment as words or syllables with blanks between."""
    spell = _NOTATIONS.get(segment.language)
    if spell is not None:
        return spell(segment.phones)
    if segment.word2ph is None:
        return " ".join(segment.phones)
    borders = pairwise([0, *accumulate(segment.word2ph)])
    syllable = _jyutping if segment.language == "yue" else _pinyin
    return " ".join(filter(None, (syllable(segment.phones[start:end]) for start, end in borders)))


def _pinyin(phones: Sequence[str]) -> str:
    """Syllables of initial and final: ("zh", "ong1") is zhong1."""
    said: list[str] = []
    for initial, final in zip(phones[::2], phones[1::2], strict=False):
        final = final.replace("ir", "i").replace("i0", "i").replace("E", "e")
        if "v" in final:
            final = final.replace("v", "ü" if initial in ("n", "l") else "u")
        said.append(final if initial in _ZERO_INITIALS else initial + final)
    return " ".join(said) if len(phones) > 1 else "".join(phones)


def _jyutping(phones: Sequence[str]) -> str:
    halves = [phone.removeprefix("Y") for phone in phones]
    if len(halves) < 2:
        return "".join(halves)
    return " ".join(
        rest if rest.rstrip("0123456789") == initial or initial[0] in "aeou" else initial + rest
        for initial, rest in zip(halves[::2], halves[1::2], strict=False)
    )


def _kana(phones: Sequence[str]) -> str:
    """Katakana with ↑ and ↓ where the pitch rises and falls."""
    said = consonant = ""
    for phone in phones:
        vowel = phone.lower() if phone in "AIUEO" else phone
        if phone in _ACCENTS or phone in PAUSES:
            said += _ACCENTS.get(phone, "" if phone in ("UNK", "_") else f"{phone} ")
        elif vowel in _SMALL or phone in ("N", "cl"):
            said += _mora(consonant, vowel)
            consonant = ""
        else:
            consonant = phone
    return said.strip()


def _mora(consonant: str, vowel: str) -> str:
    return _KANA.get(consonant + vowel) or _PALATAL.get(consonant, consonant) + _SMALL.get(vowel, vowel)


def _hangul(phones: Sequence[str]) -> str:
    """Syllables of the jamo that are spoken."""
    jamo = "".join({"空": " ", "停": ""}.get(phone, phone) for phone in phones)
    for parts, vowel in _DIPHTHONGS.items():
        jamo = jamo.replace(parts, vowel)
    said, place = "", 0
    while place < len(jamo):
        onset, vowel = jamo[place], jamo[place + 1 : place + 2]
        if onset not in _ONSETS or not vowel or vowel not in _VOWELS:
            said, place = said + onset, place + 1
            continue
        coda = jamo[place + 2 : place + 3]
        closes = coda != "" and coda in _CODAS and (jamo[place + 3 : place + 4] or "_") not in _VOWELS
        index = (_ONSETS.index(onset) * 21 + _VOWELS.index(vowel)) * 28
        said += chr(0xAC00 + index + (_CODAS.index(coda) if closes else 0))
        place += 3 if closes else 2
    return said


_NOTATIONS: dict[str, Callable[[Sequence[str]], str]] = {"ja": _kana, "ko": _hangul}
