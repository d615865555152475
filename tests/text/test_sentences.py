"""Sentences out of a text that is still being written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timbral.text.sentences import SentenceBuffer


def taken(buffer: SentenceBuffer, most: int = 4096) -> list[str]:
    found = []
    while text := buffer.take(most):
        found.append(text)
    return found


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["Hello", " there", ".", " How"], ["", "", "", "Hello there. "]),
        (["It costs 3", ".", "5 euros. N"], ["", "", "It costs 3.5 euros. "]),
        (["Dr", ".", " Smith came. He"], ["", "", "Dr. Smith came. "]),
        (["你好。", "今天", "天气很好！", "是"], ["", "你好。", "", "今天天气很好！"]),
        (["A line\n", "b"], ["", "A line\n"]),
        (["Really", "?!", "” he"], ["", "", ""]),
    ],
)
def test_a_sentence_is_given_once_it_cannot_change(words: list[str], expected: list[str]) -> None:
    buffer = SentenceBuffer()
    for word, ready in zip(words, expected, strict=True):
        buffer.append(word)
        assert "".join(taken(buffer)) == ready


def test_a_sentence_without_an_end_is_cut_where_one_would_breathe() -> None:
    buffer = SentenceBuffer()
    for _ in range(60):
        buffer.append("and then they went on, ")
    assert len("".join(taken(buffer))) > 500


@given(st.lists(st.text(alphabet=" ab.,!?\n。好3[|]…", max_size=8), max_size=20))
def test_nothing_speakable_is_lost(words: list[str]) -> None:
    buffer, spoken = SentenceBuffer(), ""
    for word in words:
        buffer.append(word)
        spoken += "".join(taken(buffer, 7))
    buffer.commit()
    spoken += "".join(taken(buffer, 7))
    assert [c for c in spoken if c.isalnum()] == [c for c in "".join(words) if c.isalnum()]
    assert len(buffer) == 0
