"""Units of recognition errors: what is the same to the ear counts as right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timbral.evaluation.metrics.units import characters, count_edits, units


def errors(wanted: str, heard: str, language: str) -> int:
    return count_edits(units(wanted, language), units(heard, language), compounds=language == "en")


@pytest.mark.parametrize(
    ("language", "wanted", "heard"),
    [
        ("en", "Bring 25 copies.", "bring twenty-five copies"),
        ("en", "It's Dr. Smith's harbour.", "Its doctor Smith's harbor!"),
        ("en", "The lighthouse stood there.", "the light house stood their"),
        ("en", "The light house.", "The lighthouse"),
        ("zh", "請把35份報告带来。", "请把三十五份报告带来"),
        ("zh", "他打开窗户", "她打開窗戶,"),
        ("ja", "窓を開けて、雨の音を聞く。", "まどをあけてあめのおとをきく"),
        ("ja", "毎朝7時に", "毎朝七時に"),
        ("ko", "안녕하세요.", "안녕하세요"),
        ("yue", "你好，我哋走。", "你好我哋走"),
    ],
)
def test_what_sounds_alike_is_no_error(language: str, wanted: str, heard: str) -> None:
    assert errors(wanted, heard, language) == 0


@pytest.mark.parametrize(
    ("language", "wanted", "heard", "count"),
    [
        ("en", "The cat sat on the mat.", "The cat on the mat.", 1),
        ("en", "The cat sat.", "The dog sat down.", 2),
        ("en", "One two three.", "", 3),
        ("zh", "妈妈来了", "马妈来了", 1),
        ("ja", "あめがふる", "あめがふった", 2),
    ],
)
def test_what_sounds_different_counts(language: str, wanted: str, heard: str, count: int) -> None:
    assert errors(wanted, heard, language) == count


def test_characters_are_normalised() -> None:
    assert characters("請 說 3。", "zh") == list("请说三")


words = st.lists(st.sampled_from("abc"), max_size=8)


@given(words, words)
def test_edits_are_a_distance(first: list[str], second: list[str]) -> None:
    edits = count_edits(first, second)
    assert edits == count_edits(second, first)
    assert abs(len(first) - len(second)) <= edits <= max(len(first), len(second))
    assert (edits == 0) == (first == second)
