"""Cantonese: phones of plain sentences as in the official front end, and readings of the characters as written."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.paths import DATA
from timbral.errors import TextError
from timbral.text.g2p.cantonese import phones_of_reading, pronounce
from timbral.text.normalize.cantonese import normalize
from timbral.text.symbols import symbols

GOLDEN: list[dict[str, Any]] = json.loads((DATA / "goldens" / "text_yue_v2.json").read_text(encoding="utf-8"))

# Golden sentences that are read otherwise than by the official front end, which makes the characters simplified first.
READ_BETTER = {
    "呢件衫幾多錢？": "幾多 is gei2, 錢 cin2; 几, a table, is gei1",
    "請問地鐵站喺邊？": "請問 is ceng2 man6; 请 alone is cing2",
    "我要一杯凍檸茶。": "檸茶 is ning2 caa4; 柠 alone is ning4",
    "我聽唔明你講乜。": "聽 is spoken teng1; 听 alone is ting1",
    "你幾時返嚟？": "幾時 is gei2 si4; 几, a table, is gei1",
}


def test_golden_sentences_sound_as_officially_but_for_its_slips() -> None:
    differing = {
        entry["text"]
        for entry in GOLDEN
        if " ".join(pronounce(normalize(entry["text"]), "v2").phones) != entry["phones"]
    }
    assert differing == READ_BETTER.keys()


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("今年係2024年3月15號。", "今年係二零二四年三月十五號."),
        ("佢有3隻貓同2隻狗", "佢有三隻貓同兩隻狗"),
        ("電話1234，打2345-6789", "電話一二三四,打二三四五,六七八九"),
        ("花咗$199.5，80%，-5°C", "花咗一百九十九點五元,百分之八十,零下五度"),
        ("下晝2點30分，10:30", "下晝兩點三十分,十點半"),
        ("「你㗎？」（笑）😀", "你㗎?笑,"),
    ],
)
def test_normalization(text: str, spoken: str) -> None:
    assert normalize(text) == spoken


def test_traditional_characters_keep_their_own_readings() -> None:
    assert pronounce("隻只", "v2").phones == ("Yz", "Yek3", "Yz", "Yi2")


def test_syllables_beyond_the_symbol_table_get_the_nearest_sounds() -> None:
    assert pronounce("掉", "v2").phones == ("Yd", "Yiu6")


@pytest.mark.parametrize(
    ("reading", "phones"), [("coeng4", ("Yc", "Yoeng4")), ("AH0", None), ("coeng", None), ("", None)]
)
def test_readings_in_jyutping(reading: str, phones: tuple[str, ...] | None) -> None:
    assert phones_of_reading(reading, "v2") == phones


def test_v1_has_no_cantonese() -> None:
    with pytest.raises(TextError, match="v1 do not speak Cantonese"):
        pronounce("你好", "v1")


@settings(max_examples=150)
@given(
    st.text(
        st.one_of(
            st.sampled_from("我你佢嘅唔係喺咗嚟啲嘢冇㗎，。！？…0123456789.:-%$年月號點"),
            st.characters(min_codepoint=0x3400, max_codepoint=0x9FFF),
            st.characters(),
        ),
        max_size=40,
    )
)
def test_any_text_gives_known_phones(text: str) -> None:
    spoken = pronounce(normalize(text), "v2")
    assert spoken.word2ph is not None
    assert len(spoken.word2ph) == len(spoken.text)
    assert sum(spoken.word2ph) == len(spoken.phones)
    assert set(spoken.phones) <= {*symbols("v2")}
