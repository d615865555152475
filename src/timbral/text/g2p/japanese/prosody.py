"""Words with accents to phones with prosody marks.

The marks follow Kurihara, Seiyama, Kumano: "Prosodic Features Control by Symbols as Input of
Sequence-to-Sequence Acoustic Modeling for Neural TTS" (2021), in the variant of ESPnet, which the official
front end uses.
"""

from dataclasses import dataclass

from timbral.text.g2p.japanese.kana import LONG_VOWEL, MORA_PHONES
from timbral.text.g2p.japanese.words import PAUSE, QUESTION, Morpheme

RISE, FALL, PHRASE_END, PAUSE_MARK = "[", "]", "#", "_"
_LONGEST_COUNTED = 49  # OpenJTalk counts morae of a phrase no further
_MORA_ENDS = frozenset("aeiouN") | {"cl"}


@dataclass(eq=False)
class _Phrase:
    """An accent phrase. accent: mora after which the pitch falls (0: nowhere); morae, text: its length and words so far."""

    accent: int
    morae: int = 0
    text: str = ""


@dataclass(frozen=True)
class _Phone:
    """A phone of mora number `mora` (from 1) of a phrase, or a pause, which has no phrase."""

    name: str
    phrase: _Phrase | None = None
    mora: int = 0


def phones_with_marks(words: list[Morpheme]) -> list[str]:
    """Phones of the words with marks for rises, falls, ends of accent phrases, and pauses."""
    return [phone for _, phones in words_with_marks(words) for phone in phones]


def words_with_marks(words: list[Morpheme]) -> list[tuple[str, list[str]]]:
    """Accent phrases and pauses as they are written, each with its phones and marks."""
    phones = _lay_out(words)
    next_morae = [phone.mora for phone in phones[1:]] + [0]
    spoken: list[tuple[str, list[str]]] = []
    phrase: _Phrase | None = None
    for phone, next_mora in zip(phones, next_morae, strict=False):
        if phone.phrase is None or phone.phrase is not phrase:
            spoken.append((phone.phrase.text if phone.phrase else phone.name, []))
        phrase = phone.phrase
        spoken[-1][1].append(phone.name)
        if phrase:
            spoken[-1][1].extend(_mark(phone, phrase, next_mora))
    return spoken


def _mark(phone: _Phone, phrase: _Phrase, next_mora: int) -> list[str]:
    morae = min(phrase.morae, _LONGEST_COUNTED)
    mora = min(phone.mora, _LONGEST_COUNTED)
    next_mora = min(next_mora, _LONGEST_COUNTED)
    is_last = phrase.morae - phone.mora == 0
    if is_last and next_mora == 1 and phone.name in _MORA_ENDS:
        return [PHRASE_END]
    if phone.mora == (phrase.accent or phrase.morae) and next_mora == mora + 1 and mora != morae:
        return [FALL]
    return [RISE] if mora == 1 and next_mora == 2 else []


def _lay_out(words: list[Morpheme]) -> list[_Phone]:
    """All phones, each with its place in its accent phrase.

    Pauses only between phones, never two in a row.
    """
    phones: list[_Phone] = []
    phrase: _Phrase | None = None
    pause = False
    for word in words:
        if word.sound in (PAUSE, QUESTION):
            pause = True
            continue
        started = False
        for mora in _morae(word.sound):
            if mora == LONG_VOWEL:
                if phones and phrase and not pause:
                    phrase.morae += 1
                    phones.append(_Phone(phones[-1].name, phrase, phrase.morae))
                continue
            if pause and phones:
                phones.append(_Phone(PAUSE_MARK))
            pause = False
            if not started and (phrase is None or not word.joined):
                phrase = _Phrase(word.accent)
            assert phrase is not None
            if not started:
                phrase.text += word.surface
            started = True
            phrase.morae += 1
            phones += [_Phone(name, phrase, phrase.morae) for name in MORA_PHONES[mora]]
    return phones


def _morae(sound: str) -> list[str]:
    """Katakana cut into morae; what follows a character that is none is lost, as in OpenJTalk."""
    morae: list[str] = []
    place = 0
    while place < len(sound):
        pair = sound[place : place + 2]
        mora = pair if pair in MORA_PHONES else sound[place]
        if mora not in MORA_PHONES and mora != LONG_VOWEL:
            break
        morae.append(mora)
        place += len(mora)
    return morae
