"""Korean to jamo: the official sentences, sounds that spelling does not show, unreadable text."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.helpers.text_goldens import sentences, written
from timbral.text.g2p.korean import phones_of_reading, pronounce
from timbral.text.normalize.korean import normalize
from timbral.text.symbols import symbols

SLIPS = {"여덟 명이 왔습니다.": "여덜 명이 왔습니다."}
"""Golden sentences that the official front end says wrongly (yeodeom), and what they sound like."""


def said(text: str) -> tuple[str, ...]:
    return pronounce(normalize(text), "v2").phones


def test_golden_sentences_have_the_official_phones() -> None:
    rows = [row for row in sentences("ko_v2") if row["text"] not in SLIPS]
    assert [written(pronounce(normalize(row["text"]), "v2"), "v2") for row in rows] == [
        row["phones"] for row in rows
    ]


@pytest.mark.parametrize(("text", "like"), SLIPS.items())
def test_slips_of_the_official_front_end_are_not_repeated(text: str, like: str) -> None:
    assert said(text) == said(like)


@pytest.mark.parametrize(
    ("text", "like"),
    [  # what the Standard Pronunciation (표준 발음법) gives in its examples
        ("값어치", "가버치"),
        ("값있는", "가빈는"),
        ("넓네", "널레"),
        ("밟는", "밤는"),
        ("끝에", "끄테"),
        ("늦은", "느즌"),
        ("디귿이", "디그시"),
        ("십육", "심뉵"),
        ("활동", "활똥"),
        ("절대", "절때"),
        ("칠십", "칠씹"),
        ("인기가", "인끼가"),
        ("물고기", "물꼬기"),
        ("꽃위", "꼬뒤"),
        ("월드컵", "월드컵"),
        ("말도", "말도"),
    ],
)
def test_sounds_that_spelling_does_not_show(text: str, like: str) -> None:
    assert said(text) == said(like)


@pytest.mark.parametrize(
    ("reading", "phones"), [("학교", "ㅎ ㅏ ㄱ ㄲ ㅣ ㅗ"), ("hakkyo", None), ("學校", None)]
)
def test_a_reading_is_a_respelling_in_hangul(reading: str, phones: str | None) -> None:
    assert phones_of_reading(reading, "v2") == (tuple(phones.split()) if phones else None)


@given(st.text(max_size=30))
def test_any_text_gives_phones_of_the_table(text: str) -> None:
    assert set(said(text)) <= set(symbols("v2"))


@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), max_size=20))
@example("흙표면을 읊퍼")
def test_every_syllable_is_said(text: str) -> None:
    assert "停" not in said(text)
