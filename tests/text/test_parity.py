"""Parity with the official front end by way of `to_phones` as anyone calls it, in every language."""

import pytest

from tests.helpers.text_goldens import sentences
from timbral.text import to_phones
from timbral.text.g2p.cantonese import pronounce
from timbral.text.g2p.chinese.polyphones import polyphone_network
from timbral.text.g2p.pronunciation import SymbolVersion

NOT_ASKED = {
    "NHKのニュースを見た。": "letters are English before the Japanese module sees them",
    "Hello.こんにちは！今日もNiCe天気ですね！": "letters are English before the Japanese module sees them",
    "TV를 보고 있어요.": "letters are English before the Korean module sees them",
    "晚安。": "fewer than 6 phones are redone with a stop in front",
}
"""Golden sentences that differ, and why: the golden files hold what the module of a language says when it is asked
directly, and the official front end as a whole, which `to_phones` follows, would ask it something else."""

FILES: list[tuple[str, str, SymbolVersion]] = [
    ("zh_v1", "zh", "v1"),
    ("zh_v2_no_g2pw", "zh", "v2"),
    ("en_v1", "en", "v1"),
    ("en_v2", "en", "v2"),
    ("ja_v1", "ja", "v1"),
    ("ja_v2", "ja", "v2"),
    ("ko_v2", "ko", "v2"),
    ("yue_v2", "yue", "v2"),
]


def differing(name: str, language: str, version: SymbolVersion) -> set[str]:
    return {
        row["text"]
        for row in sentences(name)
        if " ".join(to_phones(row["text"], language, version).phones) != row["phones"]
    }


@pytest.mark.parametrize(("name", "language", "version"), FILES)
def test_phones_are_the_official_ones(name: str, language: str, version: SymbolVersion) -> None:
    texts = {row["text"] for row in sentences(name)}
    different = differing(name, language, version)
    assert different <= NOT_ASKED.keys()
    asked = texts - NOT_ASKED.keys()
    assert len(asked - different) >= 0.98 * len(asked)


def test_of_all_sentences_98_percent_are_identical() -> None:
    count = sum(len(sentences(name)) for name, _, _ in FILES)
    different = set().union(*(differing(*file) for file in FILES))
    assert different == NOT_ASKED.keys()
    assert len(different) <= 0.02 * count


def test_g2pw_is_asked_where_there_is_one() -> None:
    asked: list[str] = []

    def polyphones(clause: str) -> list[str | None]:
        asked.append(clause)
        return ["chang2" if character == "长" else None for character in clause]

    spoken = to_phones("他长得高。", "zh", polyphones=polyphones)
    assert asked == ["他长得高."]
    assert "ang2" in spoken.phones
    assert "ang2" not in to_phones("他长得高。", "zh").phones


def test_readings_can_be_the_best_ones_instead() -> None:
    text = "我还没还钱，还想再借一点儿。"
    best, official = (to_phones(text, "zh", reading=reading) for reading in ("best", "official"))  # type: ignore[arg-type]
    assert "uan2" in best.phones
    assert "uan2" not in official.phones
    assert to_phones(text, "zh", reading="best", polyphones=polyphone_network()).phones == best.phones
    cantonese = to_phones("請問地鐵站喺邊？", "yue", reading="best").phones
    assert cantonese == pronounce("請問地鐵站喺邊？", "v2").phones
    assert cantonese != to_phones("請問地鐵站喺邊？", "yue").phones
