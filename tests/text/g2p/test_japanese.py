"""Japanese to phones with prosody marks: the official sentences, numbers with counters, words that the dictionary misreads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.text_goldens import sentences, written
from timbral.text.g2p.japanese import phones_of_reading, pronounce
from timbral.text.g2p.pronunciation import SymbolVersion
from timbral.text.normalize.japanese import normalize


def said(text: str) -> str:
    return " ".join(pronounce(normalize(text), "v2").phones)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_golden_sentences_have_the_official_phones(version: SymbolVersion) -> None:
    rows = sentences(f"ja_{version}")
    spoken = [written(pronounce(normalize(row["text"]), version), version) for row in rows]
    assert spoken == [row["phones"] for row in rows]


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
        ("食べましょうか", "t a [ b e m a sh o ] o k a"),
    ],
)
def test_words_sound_as_in_openjtalk(text: str, phones: str) -> None:
    assert said(text) == phones


@pytest.mark.parametrize(
    ("text", "like"),
    [  # where OpenJTalk slips, or knows no reading
        ("10分で十分です", "じゅっぷんでじゅうぶんです"),
        ("三分の一", "さんぶんのいち"),
        ("呆れる", "あきれる"),
        ("そういう風に", "そういうふうに"),
        ("嗤う", "笑う"),
        ("數學と化學", "数学と化学"),
        ("角を曲がる", "かどを曲がる"),
        ("金を払う", "かねを払う"),
        ("学校に通う", "学校にかよう"),
        ("何ですか", "なんですか"),
        ("四六時中", "しろくじちゅう"),
        ("四五人", "しごにん"),
    ],
)
def test_readings_follow_the_context(text: str, like: str) -> None:
    def morae(spoken: str) -> str:
        return spoken.replace(" ", "").translate(dict.fromkeys(map(ord, "[]#")))

    assert morae(said(text)) == morae(said(like))


@pytest.mark.parametrize(
    ("reading", "phones"),
    [
        ("ハ↓シ", "h a ] sh i"),
        ("はし↓", "h a [ sh i"),
        ("とうきょう", "t o [ o ky o o"),
        ("ニホ↓ン", "n i [ h o ] N"),
        ("chat", None),
        ("橋", None),
        ("", None),
    ],
)
def test_a_reading_is_an_accent_phrase_in_kana(reading: str, phones: str | None) -> None:
    assert phones_of_reading(reading, "v2") == (tuple(phones.split()) if phones else None)


@given(st.text(st.characters(min_codepoint=0x3000, max_codepoint=0x9FFF), max_size=30))
def test_any_japanese_looking_text_is_said(text: str) -> None:
    said(text)


@given(st.text(max_size=30))
def test_any_text_is_said(text: str) -> None:
    said(text)
