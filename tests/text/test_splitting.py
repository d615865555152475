"""Pieces for speaking: the six official cuts, and our own, which keeps what belongs together."""

import json

import pytest

from tests.helpers.paths import DATA
from timbral.errors import TextError
from timbral.text.cut import CUTS, cut
from timbral.text.splitting import split_text

GOLDEN = json.loads((DATA / "goldens" / "text_cut.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("method", CUTS)
def test_official_cuts(method: str) -> None:
    for text, expected in zip(GOLDEN["inputs"], GOLDEN["outputs"][method], strict=True):
        assert cut(text, method) == [line for line in expected.split("\n") if line]


def test_unknown_cut_names_the_valid_ones() -> None:
    with pytest.raises(TextError, match=r"'cut9'.* cut0, cut1, cut2, cut3, cut4, cut5"):
        cut("text", "cut9")


@pytest.mark.parametrize(
    "kept",
    [
        "3.14", "1,234.56", "10:30", "2024-03-15", "50%", "$4.50", "v2.0.1", "3月", "5km", "第3", "No. 5",
        "e.g.", "i.e.", "U.S.", "a.m.", "Dr. Smith", "Mr. J. Doe", "state-of-the-art", "don't",
        "https://example.com/a.b?c=1&d=2", "first.last@mail.example.com",
        "“好。”", "「はい。」", "ちょっと", "キャット", "人々",
    ],
)  # fmt: skip
def test_what_belongs_together_stays_together(kept: str) -> None:
    for before in ("word " * 30, "字" * 30, "かな" * 30, "한글 " * 30):
        for length in range(0, len(before), 3):
            text = f"{before[length:]}{kept} {before}"
            assert any(kept in piece for piece in split_text(text)), split_text(text)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (
            "今天的天气真的是非常非常不错。我们大家一起去公园里散步吧！你觉得这样到底好不好呢？",
            ["今天的天气真的是非常非常不错。", "我们大家一起去公园里散步吧！", "你觉得这样到底好不好呢？"],
        ),
        (
            "This one was written by Dr. Smith and friends. Everybody was there at 3 p.m. today! Why? Ok.",
            [
                "This one was written by Dr. Smith and friends. ",
                "Everybody was there at 3 p.m. today! Why? Ok.",
            ],
        ),
        (
            "吾輩は猫である。名前はまだ無い。何でも薄暗い所でニャーニャー泣いていた事だけは記憶している。",
            [
                "吾輩は猫である。名前はまだ無い。",
                "何でも薄暗い所でニャーニャー泣いていた事だけは記憶している。",
            ],
        ),
        (
            "第一章\n\n从前有座山，山里有座庙，庙里有个老和尚。",
            ["第一章\n\n从前有座山，山里有座庙，庙里有个老和尚。"],
        ),
        ("嗯。", ["嗯。"]),
        ("！！！好！！！", ["！！！好！！！"]),
        ("", []),
    ],
)
def test_sentences(text: str, pieces: list[str]) -> None:
    assert split_text(text) == pieces


def test_a_long_sentence_is_cut_at_commas_into_similar_parts() -> None:
    text = (
        "然侍卫之臣不懈于内，忠志之士忘身于外者，盖追先帝之殊遇，欲报之于陛下也，诚宜开张圣听，以光先帝遗德。"
    )
    assert split_text(text) == [
        "然侍卫之臣不懈于内，忠志之士忘身于外者，盖追先帝之殊遇，",
        "欲报之于陛下也，诚宜开张圣听，以光先帝遗德。",
    ]


def test_a_sentence_without_marks_is_cut_between_words() -> None:
    pieces = split_text("one two three four five six seven eight nine ten " * 10)
    assert len(pieces) > 1
    assert all(piece.endswith(" ") for piece in pieces)


@pytest.mark.parametrize(
    "unit", ["好", "a", "a.", "1", "1,", "(", '"', "。", ". ", "\n", "ー", "a@", "e\u0301", "٣", "字。"]
)
def test_a_hundred_thousand_characters_of_anything(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    pieces = split_text(text)
    assert "".join(pieces) == text
    assert all(len(piece) < 320 for piece in pieces) or not any(map(str.isalnum, text))


def test_pieces_respect_the_bounds() -> None:
    text = "今天天气不错，我们去公园吧。" * 20
    short, long = split_text(text, longest=4, shortest=1), split_text(text, longest=10, shortest=8)
    assert max(map(len, short)) <= 18 < min(map(len, long))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (
            "He saw a man walking away from him in the lunchroom.",
            ["He saw a man walking away ", "from him in the lunchroom."],
        ),
        ("让薪资和经济成长能同步提升。", ["让薪资和经济成长", "能同步提升。"]),
    ],
)
def test_a_long_clause_is_cut_where_one_could_pause(text: str, pieces: list[str]) -> None:
    assert split_text(text, longest=3.0) == pieces
