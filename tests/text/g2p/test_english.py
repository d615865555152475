"""English to phones: the official sentences, and what people write besides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.text_goldens import sentences, written
from timbral.text.g2p.english import pronounce as english
from timbral.text.g2p.pronunciation import SymbolVersion
from timbral.text.symbols import symbols

DIFFERENCES: dict[str, str] = {}
"""Golden sentences that are pronounced otherwise, each with its reason."""


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_golden_sentences_have_the_official_phones(version: SymbolVersion) -> None:
    rows = sentences(f"en_{version}")
    different = {
        row["text"]
        for row in rows
        if written(english.pronounce(row["text"], version), version) != row["phones"]
    }
    assert different == {row["text"] for row in rows} & set(DIFFERENCES)
    assert len(different) <= 0.02 * len(rows)


def test_golden_sentences_have_the_official_spelling() -> None:
    assert [english.normalize(row["text"]) for row in sentences("en_v2")] == [
        row["norm_text"] for row in sentences("en_v2")
    ]


@given(st.text())
def test_any_text_gives_phones_of_the_table(text: str) -> None:
    assert set(english.pronounce(text, "v2").phones) <= set(symbols("v2"))


@given(st.text("0123456789.,/:$£%-+ stndrhmk°C", min_size=1, max_size=40))
def test_numbers_leave_no_digits(text: str) -> None:
    assert not any(character.isdigit() for character in english.normalize(text))


@pytest.mark.parametrize("number", ["1" * 400, "9" * 5000])
def test_a_very_long_number_is_read(number: str) -> None:
    assert len(english.pronounce(number, "v2").phones) > len(number)
