"""`to_phones` gives the sentences of the golden files to the rules of their language, and changes nothing of what they say.

How these sentences sound, beside the official front end, the tests of each language say.
"""

import pytest

from tests.helpers.text_goldens import sentences
from timbral.text import to_phones
from timbral.text.g2p.pronunciation import SymbolVersion
from timbral.text.languages import Language, phonetics
from timbral.text.symbols import known_phones

MIXED = {"NHKのニュースを見た。", "Hello.こんにちは！今日もNiCe天気ですね！", "TV를 보고 있어요.", "晚安。"}
"""Golden sentences with words in two languages, and one of fewer than 6 phones."""

FILES: list[tuple[str, Language, SymbolVersion]] = [
    ("zh_v1", "zh", "v1"),
    ("zh_v2_no_g2pw", "zh", "v2"),
    ("en_v1", "en", "v1"),
    ("en_v2", "en", "v2"),
    ("ja_v1", "ja", "v1"),
    ("ja_v2", "ja", "v2"),
    ("ko_v2", "ko", "v2"),
    ("yue_v2", "yue", "v2"),
]


@pytest.mark.parametrize(("name", "language", "version"), FILES)
def test_sentences_of_one_language_are_read_by_its_rules(
    name: str, language: Language, version: SymbolVersion
) -> None:
    rules = phonetics(language)
    texts = [row["text"] for row in sentences(name) if row["text"] not in MIXED]
    assert len(texts) >= 9
    for text in texts:
        utterance = to_phones(text, language, version)
        assert {segment.language for segment in utterance.segments} == {language}, text
        assert utterance.phones == known_phones(
            rules.pronounce(rules.normalize(text), version).phones, version
        ), text


@pytest.mark.parametrize(("name", "language", "version"), FILES)
def test_most_sentences_sound_as_in_the_official_front_end(
    name: str, language: str, version: SymbolVersion
) -> None:
    rows = sentences(name)
    same = sum(" ".join(to_phones(row["text"], language, version).phones) == row["phones"] for row in rows)
    assert same >= 0.5 * len(rows)


def test_g2pw_is_asked_where_there_is_one() -> None:
    def long_or_chief(reading: str) -> tuple[str, ...]:
        return to_phones(
            "他长。",
            "zh",
            polyphones=lambda clause: [reading if character == "长" else None for character in clause],
        ).phones

    assert long_or_chief("chang2")[-2] == "ang2"
    assert long_or_chief("zhang3")[-2] == "ang3"
