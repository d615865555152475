"""English to phones: the official sentences, words that no dictionary has, readings, any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.text_goldens import sentences, written
from timbral.text.g2p.english import phones_of_reading, pronounce
from timbral.text.g2p.pronunciation import SymbolVersion
from timbral.text.normalize.english import normalize
from timbral.text.symbols import symbols

SLIPS = {
    "Dr. Smith arrived at 10:30 a.m. on March 3rd.": "Doctor Smith arrived at ten thirty AM on March third.",
    "OpenAI's GPT models are trained on GPUs.": "Open AI's GPT models are trained on GPUs.",
    "The temperature dropped to -12.5 degrees.": "The temperature dropped to minus twelve point five degrees.",
    'She said: "We should leave now."': "She said, We should leave now.",
    "My phone number is 555-1234.": "My phone number is five five five, one two three four.",
    "A quick test of abbreviations like NASA, USB and HTML.": "A quick test of abbreviations like Nasa, USB and HTML.",
    "This costs £20, not €25.": "This costs twenty pounds, not twenty five euros.",
    "Machine learning isn't magic; it is statistics.": "Machine learning isn't magic, it is statistics.",
    "Chapter 12, page 305.": "Chapter twelve, page three hundred and five.",
    "The ratio is 3:2.": "The ratio is three to two.",
    "That's 50 mph over the limit.": "That's fifty miles per hour over the limit.",
    "Kubernetes orchestrates containers.": "kubernetes orchestrates containers.",
}
"""Golden sentences that the official front end reads wrongly or drops marks of, and what they sound like."""


def said(text: str) -> tuple[str, ...]:
    return pronounce(normalize(text), "v2").phones


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_golden_sentences_have_the_official_phones(version: SymbolVersion) -> None:
    rows = [row for row in sentences(f"en_{version}") if row["text"] not in SLIPS]
    assert len(rows) >= 5
    read = [written(pronounce(normalize(row["text"]), version), version) for row in rows]
    assert read == [row["phones"] for row in rows]


@pytest.mark.parametrize(("text", "like"), SLIPS.items())
def test_slips_of_the_official_front_end_are_not_repeated(text: str, like: str) -> None:
    assert said(text) == said(like)


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("scrawlings", "S K R AO1 L IH0 NG Z"),
        ("unfriended", "AH0 N F R EH1 N D IH0 D"),
        ("she'd've", "SH IY1 D V"),
        ("boxes's", "B AA1 K S AH0 Z IH0 Z"),
        ("notebookless", "N OW1 T B UH2 K L AH0 S"),
        ("xkcd", "EH1 K S K EY1 S IY1 D IY1"),
        ("GPUs", "JH IY1 P IY1 Y UW1 Z"),
        ("SQLs", "EH1 S K Y UW1 EH1 L Z"),
    ],
)
def test_words_in_no_dictionary(word: str, phones: str) -> None:
    assert " ".join(said(word)) == phones


@pytest.mark.parametrize(
    ("reading", "phones"),
    [
        ("W IH1 N", "W IH1 N"),
        ("k ae t", "K AE1 T"),
        ("B AH0 N AE1 N AH", "B AH0 N AE1 N AH0"),
        ("Q UU1", None),
        ("chang2", None),
        ("", None),
    ],
)
def test_a_reading_is_arpabet(reading: str, phones: str | None) -> None:
    assert phones_of_reading(reading, "v2") == (tuple(phones.split()) if phones else None)


@given(st.text())
def test_any_text_gives_phones_of_the_table(text: str) -> None:
    assert set(said(text)) <= set(symbols("v2"))


@given(st.text("0123456789.,/:$£%-+ stndrhmk°C~x'\"()#=²", min_size=1, max_size=40))
def test_numbers_leave_no_digits(text: str) -> None:
    assert not any(character.isdigit() for character in normalize(text))


@pytest.mark.parametrize("number", ["1" * 400, "9" * 5000])
def test_a_very_long_number_is_read(number: str) -> None:
    assert len(said(number)) > len(number)


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "1,",
        "1/",
        "1-",
        "1:",
        "1 ",
        "a.",
        "a@",
        "I",
        "IV ",
        "$1",
        "1 - ",
        "St. ",
        "A ",
        "a=",
        "1x",
        "'",
        "1.",
        "(1",
        "Jan ",
    ],
)
def test_time_is_linear(unit: str) -> None:
    assert normalize(unit * (20_000 // len(unit))) or unit in ("'",)
