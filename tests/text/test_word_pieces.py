"""Tokens of Chinese BERT models, against those of huggingface/tokenizers."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.paths import DATA
from timbral.errors import BundleError
from timbral.text.g2p.chinese import pronounce
from timbral.text.normalize.chinese import normalize
from timbral.text.word_pieces import WordPieces

GOLDEN: dict[str, Any] = json.loads((DATA / "goldens" / "word_pieces.json").read_text("utf-8"))
PIECES = WordPieces({token: at for at, token in enumerate(GOLDEN["vocabulary"])})


def test_tokens() -> None:
    for row in GOLDEN["texts"]:
        tokens = PIECES(row["text"])
        assert tokens.ids.tolist() == row["ids"], row["text"]
        assert tokens.of_character.tolist() == row["of_character"], row["text"]


@given(st.text())
def test_every_token_has_its_characters_in_order(text: str) -> None:
    tokens = PIECES(text)
    places = [place for place in tokens.of_character.tolist() if place >= 0]
    assert places == sorted(places)
    assert len(tokens.of_character) == len(text)
    assert all(0 <= place < len(tokens.ids) - 2 for place in places)


@pytest.mark.parametrize("text", ["我们在café里，听GPT-SoVITS说了2,000句话……“真的！”", "行长乐于行走—银行。"])
def test_spoken_text_has_a_token_a_character(text: str) -> None:
    """What is pronounced consists of characters and pauses, which the official code relies on."""
    spoken = pronounce(normalize(text), "v2")
    assert PIECES(spoken.text).of_character.tolist() == list(range(len(spoken.text)))
    assert spoken.word2ph is not None
    assert len(spoken.word2ph) == len(spoken.text)


def test_files(tmp_path: Path) -> None:
    lines, table = tmp_path / "vocab.txt", tmp_path / "tokenizer.json"
    lines.write_text("\n".join(GOLDEN["vocabulary"]) + "\n", "utf-8")
    ids = {token: at for at, token in enumerate(GOLDEN["vocabulary"])}
    table.write_text(json.dumps({"model": {"type": "WordPiece", "vocab": ids}}), "utf-8")
    text = GOLDEN["texts"][1]["text"]
    for path in (lines, table):
        assert WordPieces.read(path)(text).ids.tolist() == GOLDEN["texts"][1]["ids"]


def test_what_is_no_vocabulary_is_refused(tmp_path: Path) -> None:
    for name, content in (("vocab.txt", "a\nb\n"), ("tokenizer.json", "{}"), ("other.json", "[]")):
        (tmp_path / name).write_text(content, "utf-8")
        with pytest.raises(BundleError):
            WordPieces.read(tmp_path / name)
    with pytest.raises(BundleError, match=r"missing\.txt"):
        WordPieces.read(tmp_path / "missing.txt")
