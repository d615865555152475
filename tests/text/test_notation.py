"""Phones as speakers of the languages write them."""

import pytest

from timbral.text import to_phones
from timbral.text.notation import readable


@pytest.mark.parametrize(
    ("language", "text", "reading"),
    [
        ("zh", "知道女儿去旅游。", "zhi1 dao4 nü3 er2 qu4 lü3 you2 ."),
        ("zh", "爱，也走吧。", "ai4 , ye2 zou3 ba5 ."),
        ("yue", "唔該晒。", "m4 goi1 saai3 ."),
        ("ko", "안녕하세요.", "안녕하세요."),
        ("ko", "읽히다", "일키다."),
        ("en", "Hello there.", "HH AH0 L OW1 DH EH1 R ."),
    ],
)
def test_readings(language: str, text: str, reading: str) -> None:
    (segment,) = to_phones(text, language).segments
    assert readable(segment).strip() == reading


def test_kana() -> None:
    (segment,) = to_phones("ちょっと待って、ファックスとジャズ。", "ja").segments
    plain = readable(segment).translate({ord("↑"): None, ord("↓"): None})
    assert plain == "チョットマッテ, ファックストジャズ."
