"""Inline marks and lexicons: the user's word on how something is read."""

from pathlib import Path

import pytest

from timbral.errors import TextError, TimbralWarning
from timbral.text import Lexicon, to_phones, to_utterances


def phones(text: str, language: str = "auto", lexicon: Lexicon | None = None) -> str:
    return " ".join(to_phones(text, language, lexicon=lexicon).phones)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Ask [Nguyen|W IH1 N] about it.", "W IH1 N AH0 B AW1 T"),
        ("这条路[长|chang2]得很。", "l u4 ch ang2 d e5"),
        ("[长江|chang2 jiang1]很长。", "ch ang2 j iang1 h en3"),
        ("佢住喺[長|yue:zoeng2]洲。", "Yz Yoeng2"),
        ("これは[今日|こんにち]です。", "k o N n i ch i"),
        ("[SQL|sequel] is fun.", "S IY1 K W AH0 L IH1 Z"),
        ("他说[en|chat]。", "CH AE1 T"),
        ("Say [zh|你好] twice.", "n i2 h ao3"),
    ],
)
def test_a_mark_decides_how_a_word_sounds(text: str, said: str) -> None:
    spoken = " ".join(phone for phone in phones(text).split() if phone not in "[]")
    assert said in spoken
    assert said in " ".join(p for u in to_utterances(text) for p in u.phones if p not in "[]")


def test_a_marked_word_keeps_its_written_form_and_its_characters() -> None:
    (segment,) = to_phones("这条路[长|chang2]得很。", "zh").segments
    assert segment.text == "这条路长得很."
    assert segment.word2ph == (2, 2, 2, 2, 2, 2, 1)
    (segment,) = to_phones("[长江|chang2]很长。", "zh").segments
    assert segment.word2ph is not None
    assert (len(segment.word2ph), sum(segment.word2ph)) == (len(segment.text), len(segment.phones))


def test_a_pause_ends_a_piece_and_is_data_of_the_next() -> None:
    text = "One moment.[pause 0.5s] Here it is [pause 300ms][pause 1s]at last. [pause 2s]"
    pieces = list(to_utterances(text))
    assert "".join(piece.source for piece in pieces) == text
    assert [piece.pause for piece in pieces] == [None, 0.5, 1.3]
    assert [piece.text for piece in pieces] == ["One moment.", "Here it is,", "at last."]
    assert to_phones("One[pause 1s] two").text == "One, two"


@pytest.mark.parametrize(
    "mark", ["[长|chang9]", "[长|xyz2]", "[Nguyen|W IH7 N]", "[pause long]", "[pause 5]", "[x|en:Q Q]"]
)
def test_what_is_no_mark_is_read_as_text_with_a_warning(mark: str) -> None:
    with pytest.warns(TimbralWarning, match=r"is read as text.*"):
        assert to_phones(f"Hello {mark} there.").phones


def test_brackets_that_are_no_marks_are_left_alone() -> None:
    assert to_phones("See [this] and a[0].").text == to_phones("See this and a 0.").text


def test_a_mark_is_not_cut() -> None:
    text = "word " * 30 + "[a long name with many words|W IH1 N] " + "word " * 30
    pieces = list(to_utterances(text, longest=2.0))
    assert sum("W IH1 N" in " ".join(piece.phones) for piece in pieces) == 1


LINES = "# comment\nKvothe\ten\tK W OW1 TH\nnginx\ten\tengine x\n长\tzh\tchang2\n今日\tja\tこんにち\n"


def test_a_lexicon_decides_how_words_sound(tmp_path: Path) -> None:
    file = tmp_path / "words.tsv"
    file.write_text("\ufeff" + LINES, "utf-8")
    lexicon = Lexicon.read(file)
    assert "K W OW1 TH" in phones("Ask Kvothe, not kvothes.", lexicon=lexicon)
    assert phones("Run Nginx now.", lexicon=lexicon) == phones("Run engine x now.")
    assert "ch ang2" in phones("成长很快。", "zh", lexicon)
    assert "ch ang2" not in phones("[长|zhang3]得快。", "zh", lexicon)
    pieces = to_utterances("Kvothe sang. " * 9, longest=2.0, lexicon=lexicon)
    assert " ".join(phone for piece in pieces for phone in piece.phones).count("K W OW1 TH") == 9


def test_words_in_letters_are_whole_and_the_longest_wins() -> None:
    lexicon = Lexicon.of({"new york": ("en", "B IY1"), "new": ("en", "S IY1"), "art": ("en", "D IY1")})
    assert to_phones("New York has new art, not newts or parts.", "en", lexicon=lexicon).text.startswith(
        "New York has"
    )
    said = phones("New York has new art, not newts or parts.", "en", lexicon)
    assert (said.count("B IY1"), said.count("S IY1"), said.count("D IY1")) == (1, 1, 1)


def test_the_second_of_two_lexicons_wins() -> None:
    first, second = (Lexicon.of({"lima": ("en", reading)}) for reading in ("L AY1 M AH0", "L IY1 M AH0"))
    assert "L IY1 M AH0" in phones("In Lima.", lexicon=first | second)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("Kvothe\ten", "line 1: .*tabs"),
        ("Kvothe\tfr\tkvoth", "line 1: unknown language 'fr'"),
        ("Kvothe\ten\tK W0 TH1", "line 1: .*no reading in en"),
        ("…\ten\tdots", "line 1: .*nothing to speak"),
        ("a\ten\tb\n\n长\tzh\tzhang9", "line 3: .*no reading in zh"),
    ],
)
def test_a_wrong_line_is_named(line: str, problem: str) -> None:
    with pytest.raises(TextError, match=problem):
        Lexicon.parse(line)


def test_files_that_are_no_lexicon(tmp_path: Path) -> None:
    with pytest.raises(TextError, match="cannot be read"):
        Lexicon.read(tmp_path / "missing.tsv")
    (tmp_path / "bytes.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TextError, match="UTF-8"):
        Lexicon.read(tmp_path / "bytes.tsv")


@pytest.mark.parametrize(
    "unit",
    ["[a|B IY1]", "[", "[a|", "[pause 1s]", "a|b]", "[pause ", "**", "<b", "`", "(^", "_a", "# ", "| "],
)
def test_any_number_of_marks_takes_linear_time(unit: str) -> None:
    text = "Go " + unit * (20_000 // len(unit))
    assert sum(1 for _ in to_utterances(text)) > 0
