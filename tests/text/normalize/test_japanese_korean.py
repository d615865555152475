"""What holds for Japanese and Korean normalisation whatever the text: no figure is left, and twice is once."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timbral.text.clean import clean
from timbral.text.normalize.japanese import normalize as japanese
from timbral.text.normalize.korean import normalize as korean

BITS = st.sampled_from(
    [
        *"0123456789", "10", "2024", "1,000", "3.14", "007", "〇", "一二", "二〇二四", "１２", "月", "日", "年", "時", "分",
        "分の", "円", "人", "本", "つ", "号室", "度", "点", "対", "第", "約", "ゼロ", "番号", "は", "の", "월", "일", "년", "시",
        "분", "분의", "원", "개", "명", "번째", "권", "도", "제", "책 ", "과", "km", "km/h", "m²", "%", "℃", "kg", "am", "USD",
        *"+-−–~〜=×÷*/<>≥√²^:.,()（）¥$€₩#@ ", "。", "、", "A", "x", "No.", "R", "あ", "カ", "漢", "가", "\n",
    ]
)  # fmt: skip
TEXTS = st.lists(BITS, max_size=14).map("".join)
BOTH = pytest.mark.parametrize("normalize", [japanese, korean])


@BOTH
@given(text=TEXTS)
def test_no_figure_is_left(normalize: Callable[[str], str], text: str) -> None:
    assert not any(character in "0123456789" for character in normalize(clean(text)))


@given(st.integers(0, 10**20), st.sampled_from(["円", "人", "個", "メートル", ""]))
def test_japanese_twice_is_once(number: int, counter: str) -> None:
    said = japanese(f"{number}{counter}")
    assert japanese(said) == said


@given(st.integers(0, 10**20), st.sampled_from(["원", "명", "개", " 미터", ""]))
def test_korean_twice_is_once(number: int, counter: str) -> None:
    said = korean(f"{number}{counter}")
    assert korean(said) == said


@BOTH
@pytest.mark.parametrize(
    "bit", ["1", "1,", "1.", "1-", "1/", "1 ", "~1", "〇", "九", "$1", "1km/", "1개", "√", "+1 "]
)
def test_endless_text_is_said(normalize: Callable[[str], str], bit: str) -> None:
    assert normalize(bit * 50_000)  # takes hours in a pattern that is not linear
