"""Forms of signs and digits in Japanese text, and numbers that are read figure by figure."""

import re

from timbral.text.normalize.japanese.context import COUNTER
from timbral.text.normalize.japanese.numerals import KANJI_DIGITS, TO_FIGURES, cardinal, digits
from timbral.text.normalize.rewriting import Rule, after, replacements, rule

_WORDS = {
    "2D": "ツーディー",
    "3D": "スリーディー",
    "4D": "フォーディー",
    "3G": "スリージー",
    "4G": "フォージー",
    "5G": "ファイブジー",
    "4K": "ヨンケー",
    "8K": "ハチケー",
    "1R": "ワンルーム",
    "1K": "ワンケー",
}


def _positional(match: re.Match[str]) -> str:
    """Kanji digits in a row as figures where a counter makes them a value: 二〇二四年."""
    run, following = match[0].replace("ゼロ", "〇"), after(match)
    is_fraction = match.string.endswith("点", 0, match.start())
    has_fraction = re.match(f"点[{KANJI_DIGITS}零]", following)
    is_quantity = re.match(COUNTER, following) and not is_fraction and not has_fraction
    if len(run) == 2:
        ascending = KANJI_DIGITS.find(run[1]) == KANJI_DIGITS.find(run[0]) + 1
        if ascending or ("〇" not in run and not is_quantity):
            return match[0]
    return run.translate(TO_FIGURES) if is_quantity and run[0] not in "〇零" else run.replace("零", "〇")


def _spelt(match: re.Match[str]) -> str:
    """The figures of each group one by one, with の where a hyphen or a bracket parts the groups."""
    groups = re.split(r"[-–()]+ ?", match[0].strip("()"))
    return "の".join(digits(group.replace(" ", "").replace("+", "プラス")) for group in groups if group)


def _dotted(match: re.Match[str]) -> str:
    """A version by the value of its numbers, an address of the internet figure by figure."""
    parts = match[0].split(".")
    address = len(parts) == 4 and all(int(part) < 256 for part in parts)
    return "点".join(digits(part) if address or len(part) > 2 else cardinal(part) for part in parts)


FORMS: tuple[Rule, ...] = (
    rule(r"(?<=\d)．(?=\d)", "."),
    rule(r"[〜～∼]", "~"),
    rule(r"(?<=\d)\s?[‐‑ー](?=\d)|[−－](?=[\d.¥$])", "-"),
    rule(r"(?<=\d)\s?[‒–—―─]{1,6}\s?(?=\d)", "–"),
    rule(rf"(?!〇〇|四六時)(?:[{KANJI_DIGITS}零]|ゼロ){{2,60}}(?![十百])", _positional),
    rule(r"〇(?=時)", "零"),
    rule(rf"(?<=[対ルス])〇(?![〇×])|(?<![〇×])〇(?!点)(?=(?:{COUNTER}))", "ゼロ"),
    rule(r"(?<=〇)×|×(?=〇)|(?<![\w)])×|×(?![\w( ])|(?<=か)×", "バツ"),
    rule(rf"(?<![{KANJI_DIGITS}点])〇{{1,9}}(?![{KANJI_DIGITS}点])", lambda match: "マル" * len(match[0])),
    rule(r"(?<=[一二三四五六七八九十百千])カケル(?=[一二三四五六七八九十百千])", "かける"),
)
"""One form for each sign: tildes, hyphens, zeros and crosses."""

SPELT: tuple[Rule, ...] = (
    rule(r"\d{31,}", lambda match: digits(match[0])),
    # Telephone numbers, postal codes, numbers of cards, of members and of rooms.
    rule(
        r"(?<!\d)(?:\+\d{1,3}[- ])?\(?(?<!\d)(?=(?:[-–) ]{0,2}\d){9,11}(?!\d))0\d{1,4}(?:\) ?|[-–])\d{1,4}[-–]?\d{3,5}"
        r"|\+(?=(?:[- ]?\d){8,15}(?!\d))\d{1,3}(?:[- ]\d{1,12}){1,4}",
        _spelt,
    ),
    rule(r"(?<![\d.])0\d{9,10}(?!\d)", _spelt),
    rule(r"(?<![\d-])(?:\d{3}-\d{4}|\d{3,4}(?:-\d{4}){2,3}|\d{3}-\d{3}-\d{4})(?![\d-])", _spelt),
    rule(
        r"(?:(?<=番号)|(?<=番号は)|(?<=番号が)|(?<=番号:)|(?<=コード)|(?<=コードは)|(?<=[Nn]o\.)|(?<=ID:))"
        r"\s?\d{3,20}(?![\d,.円人])",
        _spelt,
    ),
    rule(r"(?<!\d)\d{4}(?=号[室車])", _spelt),
    rule(r"(?<!\d)110(?=番)", "ヒャクトオ"),
    rule(r"(?<![\d.])\d{1,3}(?:\.\d{1,4}){3}(?!\.?\d)", _dotted),
    rule(
        r"(?<!\d)(?P<month>\d{1,2})・(?P<day>\d{1,2})(?=事件|テロ|同時多発|蜂起)",
        lambda match: digits(match["month"] + match["day"]),
    ),
    replacements(_WORDS, "(?<![A-Za-z0-9.]){}(?![A-Za-z0-9])"),
    rule(r"(?<![\d.])\d(?=S?(?:LDK|DK)(?![A-Za-z]))", lambda match: cardinal(match[0])),
)
"""Numbers that are read figure by figure, and words with a figure in them."""

VERSIONS = rule(r"(?<![\d.])\d{1,4}(?:\.\d{1,4}){2,6}(?!\.?\d)", _dotted)
"""Numbers with several points; dates come before them."""
