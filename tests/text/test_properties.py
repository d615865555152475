"""Any string of Unicode gives phones or a TextError; nothing that can be spoken is lost on the way."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from timbral.errors import TextError
from timbral.text import Utterance, to_phones, to_utterances
from timbral.text.clean import clean
from timbral.text.cut import CUTS, cut
from timbral.text.g2p.pronunciation import SymbolVersion
from timbral.text.segmentation import MODES, segment
from timbral.text.splitting import split_text
from timbral.text.symbols import symbols

# Every code point, lone surrogates too; and, since those rarely meet by chance, bits of what people write.
ANYTHING = st.text(st.characters(exclude_categories=()), max_size=60)
BITS = st.sampled_from(
    [
        *"你我好了不的一二〇儿们這嗎爾𠮷㐀駅円々", "嘅", "唔該", *"かなのっゃーアンヴヵ", "ｶﾞ",
        *"한글않뷁ㄱㅏ", "\u1112\u1161\u11ab", "Ａ", "ﬁ", "٣", "①", "Ⅳ", "㎏", "７", "½", "²",
        *"aIxZéßøñÀʃ", "the", "Don't", "NASA", "e.g.", "U.S.", "Mr.", "iPhone",
        "www.a.io", "https://a.b/c?d", "x@y.zz",
        *"0123789", "3.14", "1,000", "10:30", "2024-02-30", "1/2", "-5", "1e9", "50%", "$9", "5km", "37℃",
        *" \t\n,.!?;:-_'\"()[]…—～·、。，！？「」“”", *"+-*/=<>^&%$#@|\\`~￥€№°±",
        "😀", "\U0001f468\u200d\U0001f469", "🇨🇳", "1️⃣", "\u200d", "\u200b", "\u202e", "\u0301", "\u3099",
        "\ufe0f", "\x00", "\x1b", "\ud83d", "\udfff", "\uffff", "\U000e0041",
        "α", "Ω", "ж", "ש", "ع", "ก", "देव", "؟", "[长|chang2]", "[a|B IY1]", "[pause 0.5s]", "[en|hi]", "[x|", "**", "<b>",
        ":-)",
    ]
)  # fmt: skip
MIXED = st.lists(BITS, max_size=25).map("".join)
TEXTS = st.one_of(ANYTHING, MIXED)
RUNS = st.tuples(BITS, st.integers(1, 300)).map(lambda run: run[0] * run[1])


def check(utterance: Utterance, version: SymbolVersion) -> None:
    table = symbols(version)
    assert len(utterance.ids) == len(utterance.phones) > 0
    assert [table[index] for index in utterance.ids] == [*utterance.phones]
    for part in utterance.segments:
        if part.language in ("zh", "yue"):
            assert part.word2ph is not None
            assert len(part.word2ph) == len(part.text)
            assert sum(part.word2ph) == len(part.phones)


@settings(max_examples=300)
@given(TEXTS, st.sampled_from(MODES), st.sampled_from(["v1", "v2"]))
@example("1\ud800", "auto", "v2")
@example("²", "zh", "v2")
@example("ー", "ja", "v2")
def test_phones_or_a_text_error(text: str, mode: str, version: SymbolVersion) -> None:
    try:
        utterance = to_phones(text, mode, version)
    except TextError as error:
        line = str(error)
    else:
        check(utterance, version)
        line = ""
    assert "\n" not in line
    line.encode()  # and without a lone surrogate, it can be printed


@settings(max_examples=60)
@given(RUNS, st.sampled_from(["auto", "zh", "en", "ja", "ko", "yue"]))
def test_the_same_thing_many_times(text: str, mode: str) -> None:
    try:
        check(to_phones(text, mode), "v2")
    except TextError:
        assert not text.isascii() or not any(map(str.isalnum, text))


@settings(max_examples=100)
@given(TEXTS, TEXTS, st.sampled_from(["你", "hello", "か", "한", "7"]), st.sampled_from(["auto", "auto_yue"]))
def test_a_word_among_anything_is_spoken(before: str, after: str, word: str, mode: str) -> None:
    check(to_phones(f"{before} {word} {after}", mode), "v2")


@settings(max_examples=60)
@given(TEXTS, TEXTS)
def test_pieces_are_spoken_like_the_whole(before: str, after: str) -> None:
    text = f"{before}hello{after}"
    utterances = list(to_utterances(text))
    assert utterances
    for utterance in utterances:
        check(utterance, "v2")
    assert "hello" in "".join(utterance.source for utterance in utterances)


@given(TEXTS, st.sampled_from(MODES))
def test_segments_are_the_text(text: str, mode: str) -> None:
    spans = segment(text, mode)
    assert "".join(span.text for span in spans) == text
    assert all(left.language != right.language for left, right in pairwise(spans))


@given(st.one_of(TEXTS, RUNS), st.floats(1, 20), st.floats(0, 10))
def test_pieces_are_the_text(text: str, longest: float, shortest: float) -> None:
    pieces = split_text(text, longest, shortest)
    assert "".join(pieces) == text
    if len(pieces) > 1:
        assert all(any(map(str.isalnum, piece)) for piece in pieces)


@given(TEXTS, st.sampled_from(CUTS))
def test_official_cuts_keep_the_words(text: str, method: str) -> None:
    kept = "".join(character for piece in cut(text, method) for character in piece if character.isalnum())
    assert kept == "".join(character for character in text if character.isalnum())


@given(TEXTS)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize("offset", range(len(MODES)))
def test_code_points_of_all_blocks(offset: int) -> None:
    # The modes share the code points out among them: trying all in every mode would take minutes.
    for start in range(offset, 0x10000, 0x1000):
        text = " ".join(map(chr, range(start, start + 0x1000, 2 * len(MODES))))
        try:
            check(to_phones(text, MODES[offset]), "v2")
        except TextError:
            assert not text[0].isascii()
