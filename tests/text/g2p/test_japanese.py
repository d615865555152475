"""Japanese to phones with prosody marks: the official sentences, numbers with counters, unreadable text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.text_goldens import sentences, written
from timbral.text.g2p.japanese import pronounce as japanese
from timbral.text.g2p.pronunciation import SymbolVersion


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_golden_sentences_have_the_official_phones(version: SymbolVersion) -> None:
    rows = sentences(f"ja_{version}")
    said = [written(japanese.pronounce(row["text"], version), version) for row in rows]
    assert said == [row["phones"] for row in rows]


def test_golden_sentences_have_the_official_spelling() -> None:
    rows = sentences("ja_v2")
    assert [japanese.normalize(row["text"]) for row in rows] == [row["norm_text"] for row in rows]


@pytest.mark.parametrize(
    ("text", "phones"),
    [  # as pyopenjtalk 0.4.1 says them
        ("二十四日", "n i ] j u u # y o [ cl k a"),
        ("1月1日", "i [ ch i g a ts u # ts u [ i t a ch i"),
        ("三本", "s a [ N ] b o N"),
        ("六百八十円", "r o [ cl py a k u # h a [ ch i j u u ] e N"),
        ("箱を二箱", "h a [ k o o # f u [ t a ] h a k o"),
        ("二人で", "f u [ t a r i ] d e"),
        ("30分", "s a [ N j u cl ] p u N"),
        ("ﾗｰﾒﾝ", "r a ] a m e N"),
        ("ありがとうございました", "a [ r i ] g a t o o # g o [ z a i m a ] sh i t a"),
        ("あゔぁZ", "a ] v a # z i ] i"),
        ("食べましょうか", "t a [ b e m a sh o ] o k a"),
    ],
)
def test_numbers_and_widths(text: str, phones: str) -> None:
    assert " ".join(japanese.pronounce(text, "v2").phones) == phones


@given(st.text(st.characters(min_codepoint=0x3000, max_codepoint=0x9FFF), max_size=30))
def test_any_japanese_looking_text_is_said(text: str) -> None:
    japanese.pronounce(text, "v2")


@given(st.text(max_size=30))
def test_any_text_is_said(text: str) -> None:
    japanese.pronounce(text, "v2")
