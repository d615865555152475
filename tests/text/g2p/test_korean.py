"""Korean to jamo: the official sentences, numbers before counters, letters, unreadable text."""

from hypothesis import example, given
from hypothesis import strategies as st

from tests.helpers.text_goldens import sentences, written
from timbral.text.g2p.korean import pronounce as korean
from timbral.text.symbols import symbols


def test_golden_sentences_have_the_official_phones() -> None:
    rows = sentences("ko_v2")
    assert [written(korean.pronounce(row["text"], "v2"), "v2") for row in rows] == [
        row["phones"] for row in rows
    ]


def test_golden_sentences_have_the_official_spelling() -> None:
    rows = sentences("ko_v2")
    assert [korean.normalize(row["text"]) for row in rows] == [row["norm_text"] for row in rows]


@given(st.text(max_size=30))
def test_any_text_gives_phones_of_the_table(text: str) -> None:
    assert set(korean.pronounce(text, "v2").phones) <= set(symbols("v2"))


@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), max_size=20))
@example("흙표면을 읊퍼")
def test_every_syllable_is_said(text: str) -> None:
    assert "停" not in korean.pronounce(text, "v2").phones
