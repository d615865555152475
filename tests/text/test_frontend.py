"""From text to phone ids: tables, mixtures, short texts, long texts, and what cannot be spoken."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.helpers.paths import DATA
from timbral.errors import TextError, TimbralWarning
from timbral.text import to_phones, to_utterances, with_mark
from timbral.text.clean import clean
from timbral.text.g2p.pronunciation import SymbolVersion
from timbral.text.languages import Language
from timbral.text.segmentation import segment
from timbral.text.symbols import phone_ids, symbols

GOLDEN_SYMBOLS = json.loads((DATA / "goldens" / "symbols.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_symbol_tables_are_the_official_ones(version: SymbolVersion) -> None:
    assert [*symbols(version)] == GOLDEN_SYMBOLS[version]


def test_unknown_phones_become_unk() -> None:
    ids = phone_ids(["n", "i2", "no such phone", "ㄱ"], "v1")
    unknown = symbols("v1").index("UNK")
    assert ids.tolist() == [symbols("v1").index("n"), symbols("v1").index("i2"), unknown, unknown]


def test_a_mixture_keeps_language_text_and_phones_together() -> None:
    utterance = to_phones("你好，world! 今日はいい天気。안녕하세요.")
    assert [segment.language for segment in utterance.segments] == ["zh", "en", "ja", "ko"]
    assert utterance.ids.dtype == np.int64
    assert [symbols("v2")[index] for index in utterance.ids] == [*utterance.phones]
    chinese = utterance.segments[0]
    assert chinese.text == "你好,"
    assert chinese.phones == ("n", "i2", "h", "ao3", ",")
    assert chinese.word2ph == (2, 2, 1)
    assert utterance.segments[1].phones == ("W", "ER1", "L", "D", "!")
    assert utterance.segments[1].word2ph is None


@pytest.mark.parametrize(
    ("text", "language", "phones"),
    [
        ("OK", "en", ". OW1 K EY1"),
        ("I", "en", ", . AY1"),
        ("嗯。", "zh", ". EE en1 ."),
        ("你好。", "zh", ". n i2 h ao3 ."),
        ("你好，OK", "zh", "n i2 h ao3 , , OW1 K EY1"),
        ("hello world", "en", "HH AH0 L OW1 W ER1 L D"),
    ],
)
def test_short_texts_are_read_as_officially(text: str, language: str, phones: str) -> None:
    assert " ".join(to_phones(text, language).phones) == phones


@pytest.mark.parametrize("text", ["", " \n\t", "\x00\u200b"])
def test_empty_text(text: str) -> None:
    with pytest.raises(TextError, match=r"empty|nothing to speak"):
        to_phones(text)


@pytest.mark.parametrize(
    "text", ["😀🎉", "!!!", "。。。", "…", "\x07\x1b", "Привет", "مرحبا", "→←", "\ud800", "—", "🇨🇳"]
)
@pytest.mark.parametrize("language", ["auto", "en", "zh", "ja", "ko", "yue"])
def test_unspeakable_text(text: str, language: str) -> None:
    with pytest.raises(TextError, match=r"nothing to speak in .*zh, en, ja, ko, yue"):
        to_phones(text, language)
    with pytest.raises(TextError, match=r"nothing to speak in .*zh, en, ja, ko, yue"):
        next(to_utterances(text, language))


@pytest.mark.parametrize(
    ("text", "languages", "unspoken"),
    [
        ("你好，한국어", ("zh", "en"), ("한국어",)),
        ("Say Привет or مرحبا now", ("en",), ("Привет", "مرحبا")),
        ("天気 is かな", ("en",), ("天気", "かな")),
        ("你好 Gelişme ок", ("zh",), ("ок", "Gelişme")),
    ],
)
def test_what_no_language_of_the_model_reads_is_left_out(
    text: str, languages: tuple[Language, ...], unspoken: tuple[str, ...]
) -> None:
    with pytest.warns(TimbralWarning, match=unspoken[0]):
        utterance = to_phones(text, languages=languages)
    assert utterance.unspoken == unspoken
    assert {segment.language for segment in utterance.segments} <= set(languages)
    with pytest.warns(TimbralWarning, match=unspoken[0]):
        pieces = list(to_utterances(text, languages=languages))
    assert pieces[0].unspoken == unspoken


def test_a_language_that_the_model_does_not_speak() -> None:
    with pytest.raises(TextError, match=r"nothing to speak in 'かな'.*zh, en"):
        to_phones("かな", languages=("zh", "en"))
    with pytest.raises(TextError, match="does not speak yue"):
        to_phones("你好", "yue", languages=("zh", "en"))
    assert to_phones("佢唔喺度", languages=("zh", "en")).segments[0].language == "zh"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Ｈｅｌｌｏ　Ｗｏｒｌｄ１２３", "Hello World123"),
        ("𝓗𝓮𝓵𝓵𝓸 𝟙𝟚", "Hello 12"),
        ("①苹果 Ⅲ 1½ ㎏", "1苹果 3 1 1/2 kg"),
        ("ｶﾞｷﾞｸﾞ", "ガギグ"),
        ("ハ\u3099ナナ", "バナナ"),
        ("\u1112\u1161\u11ab글", "한글"),
        ("你好😀世界 hello🎉world", "你好世界 hello world"),
        ("1️⃣", "1"),
        ("hy\u00adphen zero\u200bwidth h\u0336i\u0335", "hyphen zerowidth hi"),
        ("Straße Łódź", "Strasse Lódź"),
        ("٣٤", "34"),
        ("a\r\nb\u2028c\td", "a\nb\nc d"),
        ("Привет hi", "hi"),
        ("路易XIV是", "路易14是"),
        ("𠮷野", "吉野"),
        ("It’s", "It's"),
        ("a" + "\u0316\u0301" * 50_000 + "b", "áb"),
        ("**Bold** and `code`, _it_; # Heading", "Bold and code, it; Heading"),
        ("# One\n\n* two\n* [three](http://x.io)\n---\n> four [1]", "One\n\ntwo\nthree\n\nfour"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a, b\n\n1, 2"),
        ("<p>Tom &amp; <b>Jerry</b><br/>run</p>", "Tom & Jerry\nrun"),
        ("2 < 3 and x > 1, a*b*c, snake_case_name", "2 < 3 and x > 1, a*b*c, snake_case_name"),
        ("<ruby>漢<rt>かん</rt></ruby>字", "漢字"),
        ("今天真开心 :-) 明天见(＾▽＾) ^_^", "今天真开心 明天见"),
        ("我──莉丝", "我——莉丝"),
        ("at 3:30 (see 8) or f(x)=(a+b)", "at 3:30 (see 8) or f(x)=(a+b)"),
        ("=" * 80 + "a", "=" * 6 + "a"),
        ("1234567890123456", "1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6"),
        ("a" * 130, f"{'a' * 60} {'a' * 60} {'a' * 10}"),
    ],
)
def test_variants_and_noise(text: str, plain: str) -> None:
    assert clean(text) == plain


def test_line_breaks_are_pauses() -> None:
    assert to_phones("1\n2\n3").text == "一.二.三"
    assert to_phones("第一章\n从前有座山").text == "第一章.从前有座山"
    assert to_phones("Chapter one\nIt was late,\n\nvery late").text == "Chapter one. It was late, very late"


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("你好", "你好。"),
        ("hello ", "hello."),
        ("한글", "한글."),
        ("好！", "好！"),
        ("“好”", "“好”"),
        ("", ""),
    ],
)
def test_a_mark_at_the_end(text: str, marked: str) -> None:
    assert with_mark(text) == marked


def test_long_text_comes_in_pieces_that_lose_nothing() -> None:
    paragraph = (
        "今天的天气真不错，我们一起去公园散步吧！ The weather is nice today, isn't it? Dr. Smith agrees.\n"
    )
    text = ("第一章\n\n" + paragraph) * 40
    utterances = list(to_utterances(text))
    assert "".join(utterance.source for utterance in utterances) == text
    assert len(utterances) == 80
    assert all(utterance.source.startswith(("第一章", "The")) for utterance in utterances)
    assert all(utterance.phones[-1] in {".", ",", "!", "?"} for utterance in utterances)


def test_pieces_are_read_in_the_language_of_their_neighbours() -> None:
    text = "今日は東京駅から京都へ行きます。京都大学前下車、年中無休、大人三千、子供五百。"
    assert segment("京都大学前下車、年中無休、大人三千、子供五百。")[0].language == "zh"
    assert {part.language for piece in to_utterances(text) for part in piece.segments} == {"ja"}


def test_pieces_without_speech_are_left_out() -> None:
    sentences = (
        "This is a sentence that takes a while to say aloud. {} And here is another one of about that length."
    )
    text = sentences.format("Это предложение никто здесь не может прочитать вслух. ")
    with pytest.warns(TimbralWarning, match="Это"):
        spoken = " ".join(utterance.text for utterance in to_utterances(text))
    assert "while to say aloud" in spoken
    assert "here is another one" in spoken


def test_speaking_english_loads_no_other_language() -> None:
    program = (
        "import sys; from timbral.text import to_phones; to_phones('Hello there, 42 friends.');"
        "print(*[name for name in sys.modules if name.startswith('timbral.text.')], 'torch' in sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert "timbral.text.g2p.english.phones" in loaded
    assert not any(
        f"timbral.text.{name}" in loaded for name in ("chinese", "japanese", "korean", "cantonese")
    )
    assert loaded.split()[-1] == "False"
