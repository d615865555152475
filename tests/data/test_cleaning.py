"""Cleaning transcripts: what recognisers add to the words goes, what people say stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timbral.data.cleaning import clean_transcript
from timbral.data.language import LANGUAGES, choose, from_official, prevailing


@pytest.mark.parametrize(
    ("written", "language", "expected"),
    [
        ("[Music] Hello | there", "en", "Hello there"),
        ("<|zh|><|HAPPY|><|Speech|>今天很好", "zh", "今天很好"),
        ("Well (laughs) yes (of course)", "en", "Well yes (of course)"),
        ("♪ la la ♪ 歌います", "ja", "歌います"),
        ("這項運動,具有 豐富的內涵", "zh", "这项运动，具有，丰富的内涵"),
        ("佢哋喺邊度", "yue", "佢哋喺邊度"),
        ("哈哈哈哈", "zh", "哈哈哈哈"),
        ("a line\nand another\x07", "en", "a line and another"),
        ("Call 1111111111111", "en", "Call 1111111111111"),
    ],
)
def test_labels_go_and_words_stay(written: str, language: str, expected: str) -> None:
    cleaned = clean_transcript(written, language)
    assert cleaned.text == expected
    assert not cleaned.looped
    assert not cleaned.made_up


@pytest.mark.parametrize(
    "written", ["I am here. I am here. I am here. I am here.", "我们去吧我们去吧我们去吧我们去吧我们去吧"]
)
def test_loops_are_noticed_and_taken_out(written: str) -> None:
    cleaned = clean_transcript(written, "en")
    assert cleaned.looped
    assert len(cleaned.text) < len(written) / 2


@pytest.mark.parametrize(
    "written", ["字幕由 Amara.org 社群提供", "Subtitles by the community", "www.example.com"]
)
def test_credits_are_made_up(written: str) -> None:
    assert clean_transcript(written, "zh").made_up


@pytest.mark.parametrize(
    "written",
    ["Thank you for watching!", "謝謝大家。", "ご視聴ありがとうございました。", "시청해주셔서 감사합니다."],
)
def test_farewells_are_doubtful_whole_and_fine_within_a_sentence(written: str) -> None:
    language = "zh" if "大" in written else "en"
    assert clean_transcript(written, language).doubtful
    assert not clean_transcript(f"Anna said: {written}", language).doubtful


@given(st.text(max_size=200), st.sampled_from(LANGUAGES))
def test_any_text_fits_a_line(written: str, language: str) -> None:
    text = clean_transcript(written, language).text
    assert "|" not in text
    assert len(text.splitlines()) <= 1
    assert text == text.strip()
    text.encode()


def test_languages_by_the_names_of_old_lists() -> None:
    assert [from_official(name) for name in ("ZH", "JP", "ja", "En", "Ko", "YUE", "fr", "")] == [
        "zh", "ja", "ja", "en", "ko", "yue", None, None,
    ]  # fmt: skip


def test_the_language_is_one_that_models_speak() -> None:
    assert choose({"en": 0.4, "de": 0.5, "zh": 0.1}) == ("en", 0.8, "")
    assert choose({"ru": 0.95, "en": 0.03})[2] == "ru"
    assert prevailing([("en", 0.99, 5.0), ("zh", 0.3, 60.0), ("ja", 0.9, 2.0)]) == "en"
    assert prevailing([("zh", 0.3, 60.0)]) is None
