"""Languages of speech: their names in the official lists, and which one a clip is in."""

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from timbral.errors import SettingError

Language = Literal["zh", "en", "ja", "ko", "yue"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

_OFFICIAL: dict[str, Language] = {"jp": "ja", "zh": "zh", "en": "en", "ja": "ja", "ko": "ko", "yue": "yue"}
"""What `1-get-text.py` of RVC-Boss/GPT-SoVITS takes, in lower case; JP is its older name of Japanese."""

_SURE = 0.6
_FOREIGN = 0.8


def official_name(language: str) -> str:
    """The language as official lists write it, such as `ZH`; empty where it is not known."""
    return language.upper()


def from_official(name: str) -> Language | None:
    """The language that a list names; None for one that GPT-SoVITS does not speak."""
    return _OFFICIAL.get(name.strip().lower())


def check(language: str) -> str:
    """`auto` or a language as it is. Raises SettingError."""
    if language != "auto" and language not in LANGUAGES:
        raise SettingError(f"language {language[:40]!r} is unknown; choose from auto, {', '.join(LANGUAGES)}")
    return language


def choose(probabilities: Mapping[str, float]) -> tuple[Language, float, str]:
    """The likeliest of LANGUAGES, its probability among these, and another language that is certain instead.

    The last is empty mostly. probabilities: of all languages that a recogniser knows.
    """
    known = {language: probabilities.get(language, 0.0) for language in LANGUAGES}
    total = sum(known.values())
    best = max(LANGUAGES, key=lambda language: known[language])
    likeliest = max(probabilities, key=lambda name: probabilities[name], default="")
    foreign = likeliest if likeliest not in known and probabilities.get(likeliest, 0.0) > _FOREIGN else ""
    return best, known[best] / total if total else 0.0, foreign


def is_sure(probability: float) -> bool:
    """Whether a clip's language may be trusted without a look at its neighbours."""
    return probability >= _SURE


def prevailing(clips: Iterable[tuple[str, float, float]]) -> str | None:
    """The language of most of a recording, from clips (language, probability, seconds); None if unsure."""
    seconds: dict[str, float] = {}
    for language, probability, duration in clips:
        if is_sure(probability):
            seconds[language] = seconds.get(language, 0.0) + duration
    return max(seconds, key=lambda language: seconds[language], default=None)
