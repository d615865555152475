"""Who reads what: cutting mixed text by language, beside the official cutter and by cases of its own."""

import json

import pytest

from tests.helpers.paths import DATA
from timbral.errors import TextError
from timbral.text.segmentation import MODES, segment

GOLDENS = DATA / "goldens"
CASES = json.loads((GOLDENS / "text_langsegment_lite_model.json").read_text(encoding="utf-8"))

# The golden cutter asked the small fastText model, which guesses on short runs; these guesses are wrong.
DIFFERENCES_AUTO = {
    "MyGO?,你也喜欢まいご吗？": "吗 is Chinese",
    "ねえ、知ってる？最近、僕は天文学を勉強してるんだ。": "最近 stands in a Japanese sentence",
    "Hello 你好 こんにちは 안녕하세요": "你好 is Chinese",
    "这个API的response time大约是200ms。": "大约是 is Chinese",
    "我喜欢吃ラーメン和すし。": "和 stands in a Chinese sentence",
    "今天是3月8日，Happy Women's Day!": "月8日 stands in a Chinese sentence",
    "2024年，AI发展很快。": "2024年 stands in a Chinese sentence",
    "我在学习한국어和日本語。": "和 stands in a Chinese sentence",
    "CPU和GPU的区别是什么？": "和 stands in a Chinese sentence",
    "价格：$99.9，约合人民币700元。": "元 stands in a Chinese sentence",
    "你好，世界。": "世界 stands in a Chinese sentence",
    "这件衣服卖199.5元，打八折以后是159.6元。": "元 stands in a Chinese sentence",
    "2024年3月15日上午10:30，会议准时开始。": "the date stands in a Chinese sentence",
}
DIFFERENCES_ALL = {
    "I bought 3 apples for $4.50 yesterday.": "the dollar sign is read with its number",
    "Dr. Smith arrived at 10:30 a.m. on March 3rd.": "3rd is one word",
    "这个API的response time大约是200ms。": "the unit is read with its number",
}


def cut(text: str, mode: str = "auto") -> list[tuple[str, str]]:
    return [(span.language, span.text) for span in segment(text, mode)]


@pytest.mark.parametrize(
    ("mode", "column", "differences"),
    [
        ("auto", "auto", DIFFERENCES_AUTO),
        ("all_zh", "default_zh", DIFFERENCES_ALL),
        ("all_ja", "default_ja", DIFFERENCES_ALL),
        ("all_ko", "default_ko", DIFFERENCES_ALL),
    ],
)
def test_agrees_with_the_official_cutter(mode: str, column: str, differences: dict[str, str]) -> None:
    different = {case["text"] for case in CASES if cut(case["text"], mode) != [*map(tuple, case[column])]}
    assert different == set(differences)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("东京的天气。東京駅へ行きます。", [("zh", "东京的天气。"), ("ja", "東京駅へ行きます。")]),
        ("ありがとう。了解。", [("ja", "ありがとう。了解。")]),
        ("2024年発売", [("ja", "2024年発売")]),
        ("我々は「完了」をタップする", [("ja", "我々は「完了」をタップする")]),
        (
            "中国語で「谢谢」は「ありがとう」です。",
            [("ja", "中国語で"), ("zh", "「谢谢」"), ("ja", "は「ありがとう」です。")],
        ),
        ("你喺邊度呀？好。", [("yue", "你喺邊度呀？好。")]),
        ("佢话：“I don't know.”", [("yue", "佢话："), ("en", "“I don't know.”")]),
        ("他说：“Hello”，然后走了。", [("zh", "他说："), ("en", "“Hello”，"), ("zh", "然后走了。")]),
        ("写信到abc.d@x.co.uk，好吗", [("zh", "写信到"), ("en", "abc.d@x.co.uk，"), ("zh", "好吗")]),
        ("打开https://a.com/b?c=1看看", [("zh", "打开"), ("en", "https://a.com/b?c=1"), ("zh", "看看")]),
        ("他跑了5km，用了25分钟", [("zh", "他跑了5km，用了25分钟")]),
        ("in the 1990s, 50%", [("en", "in the 1990s, 50%")]),
        ("花了30 dollars", [("zh", "花了"), ("en", "30 dollars")]),
        ("사과 3개", [("ko", "사과 3개")]),
        ("Straße café", [("en", "Straße café")]),
        ("速度12km/h，8元/kg", [("zh", "速度12km/h，8元/kg")]),
        ("票价HK$200，内存16GB", [("zh", "票价HK$200，内存16GB")]),
        ("時速60km/hで走る", [("ja", "時速60km/hで走る")]),
        ("已知x=5", [("zh", "已知"), ("en", "x"), ("zh", "=5")]),
        ("玩PS5游戏", [("zh", "玩"), ("en", "PS"), ("zh", "5游戏")]),
        ("他是No.1选手", [("zh", "他是"), ("en", "No.1"), ("zh", "选手")]),
        ("今天去了東京駅。", [("zh", "今天去了東京駅。")]),
    ],
)
def test_judges_by_what_stands_around(text: str, spans: list[tuple[str, str]]) -> None:
    assert cut(text) == spans


@pytest.mark.parametrize(
    ("mode", "spans"),
    [
        ("zh", [("zh", "中文3"), ("ja", "かな"), ("en", "ABC5"), ("ko", "한글")]),
        ("ja", [("ja", "中文3かな"), ("en", "ABC5"), ("ko", "한글")]),
        ("yue", [("yue", "中文3"), ("ja", "かな"), ("en", "ABC5"), ("ko", "한글")]),
        ("ko", [("ja", "中文"), ("ko", "3"), ("ja", "かな"), ("en", "ABC5"), ("ko", "한글")]),
        ("en", [("ja", "中文"), ("en", "3"), ("ja", "かな"), ("en", "ABC5"), ("ko", "한글")]),
        ("all_zh", [("zh", "中文3かな"), ("en", "ABC"), ("zh", "5한글")]),
        ("all_yue", [("yue", "中文3かな"), ("en", "ABC"), ("yue", "5한글")]),
    ],
)
def test_a_named_language_takes_what_it_can_read(mode: str, spans: list[tuple[str, str]]) -> None:
    text = "中文3かなABC5한글"
    assert "".join(span for _, span in cut(text, mode)) == text
    assert cut(text, mode) == spans


def test_numbers_belong_to_a_neighbour() -> None:
    assert cut("12345") == [("zh", "12345")]
    assert cut("12345", "en") == [("en", "12345")]
    assert cut("12345", "ko") == [("ko", "12345")]
    assert cut("Version 2.0发布了！") == [("en", "Version 2.0"), ("zh", "发布了！")]
    assert cut("好的。3 apples") == [("zh", "好的。"), ("en", "3 apples")]


def test_cantonese_on_request() -> None:
    assert cut("你好，world") == [("zh", "你好，"), ("en", "world")]
    assert cut("你好，world", "auto_yue") == [("yue", "你好，"), ("en", "world")]


def test_ideographs_go_only_to_languages_that_the_model_speaks() -> None:
    assert {span.language for span in segment("你喺邊度呀", languages=("zh", "en"))} == {"zh"}
    assert {span.language for span in segment("東京駅", languages=("zh", "en"))} == {"zh"}
    assert {span.language for span in segment("你好", languages=("ja", "en"))} == {"ja"}


def test_unknown_language_names_the_valid_ones() -> None:
    with pytest.raises(TextError) as error:
        segment("hello", "fr")
    assert "'fr'" in str(error.value)
    assert all(mode in str(error.value) for mode in MODES)


@pytest.mark.parametrize(
    ("text", "mode", "spans"),
    [
        ("회의는 3:30pm입니다.", "auto", [("ko", "회의는 3:30pm입니다.")]),
        ("AM9:00から", "auto", [("ja", "AM9:00から")]),
        ("USD 100", "ko", [("ko", "USD 100")]),
        ("H30.4.1施行", "ja", [("ja", "H30.4.1施行")]),
        ("5Gが始まる", "auto", [("ja", "5Gが始まる")]),
        ("12kg/kgだ", "auto", [("ja", "12kg/kgだ")]),
        ("時速60km/hで走る", "auto", [("ja", "時速60km/hで走る")]),
        ("See you at 3:30pm. ではまた", "auto", [("en", "See you at 3:30pm. "), ("ja", "ではまた")]),
    ],
)
def test_figures_keep_their_letters_in_japanese_and_korean(
    text: str, mode: str, spans: list[tuple[str, str]]
) -> None:
    assert cut(text, mode) == spans
