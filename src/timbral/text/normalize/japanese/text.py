"""Japanese text as written to what is said: figures, dates, units and signs in words.

Rules run in a fixed order, each over the whole text, from the most specific notation (telephone numbers, dates)
to plain numbers. A rule leaves figures that a later one has to spell. Every pattern is linear in the length of the text.
"""

import re

from timbral.text.normalize.japanese.calendar import CALENDAR, Rule
from timbral.text.normalize.japanese.numerals import KANJI_DIGITS, TO_FIGURES, cardinal, decimal, digits
from timbral.text.normalize.japanese.units import CURRENCY_CODES, CURRENCY_SIGNS, OPERATORS, PER, POWERS, SIGNS, UNIT, UNITS
from timbral.text.scripts import HAN, KANA, LATIN

_WIDE = {ord(wide): plain for wide, plain in zip("０１２３４５６７８９，", "0123456789,", strict=True)}
_NUMBER = r"(?:\d{1,3}(?:,\d{3}){1,8}|\d{1,30})(?:\.\d{1,30})?"
_KATAKANA = "ァ-ヺー"
_COUNTER = (
    "年|月|日|時|分|秒|週|人|名|個|本|枚|匹|頭|羽|台|冊|回|度|歳|才|階|円|ドル|ユーロ|倍|割|点|位|番|号|章|話|巻|頁|件|社|校|種|"
    "問|組|世紀|代|[かカヶケ箇][月国所条年村]|平方|立方|歩|泊|杯|食|畳|坪|十|百|千|万|億|兆|つ|行|桁|文字|列|戸|軒|着|足|切れ|箱|袋|皿|玉|粒|"
    "ポイント|ページ|キロ|メートル|センチ|ミリ|グラム|トン|リットル|パーセント|ヘルツ|ワット|カロリー|バイト|メガ|ギガ|インチ|ドット|"
    "%|℃|°|[a-zμ]{1,2}m(?![a-z])|k?g(?![a-z])|m?[lL](?![a-z])|[KMGT]B"
)
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
_SPORTS = re.compile("試合|勝|負|敗|得点|ゴール|先制|リード|延長|対戦|引き分け|セット|スコア|点差|優勝|決勝|リーグ|[0-9]回[表裏]")


_NEAR = 40
"""Characters before and after a figure that may tell how it is meant."""


def _spelt(match: re.Match[str]) -> str:
    """The figures of each group one by one, の between groups that a hyphen or a bracket parts."""
    groups = re.split(r"[-–()]+ ?", match[0].strip("()"))
    return "の".join(digits(group.replace(" ", "").replace("+", "プラス")) for group in groups if group)


def _positional(match: re.Match[str]) -> str:
    """Kanji digits in a row as figures where a counter makes them a value: 二〇二四年."""
    run = match[0].replace("ゼロ", "〇")
    after = match.string[match.end() : match.end() + 3]
    decimal_point = re.match(f"点[{KANJI_DIGITS}零]", after) or match.string.endswith("点", 0, match.start())
    ascending = len(run) == 2 and KANJI_DIGITS.find(run[1]) == KANJI_DIGITS.find(run[0]) + 1
    if ascending or (len(run) == 2 and "〇" not in run and not re.match(_COUNTER, after)):
        return match[0]
    if run[0] not in "〇零" and not decimal_point and re.match(_COUNTER, after):
        return run.translate(TO_FIGURES)
    return run.replace("零", "〇")


def _dotted(match: re.Match[str]) -> str:
    """A version by the value of its numbers, an address of the internet figure by figure."""
    parts = match["dotted"].split(".")
    address = len(parts) == 4 and all(int(part) < 256 for part in parts)
    return "点".join(digits(part) if address or len(part) > 2 else cardinal(part) for part in parts)


def _money(match: re.Match[str]) -> str:
    name = CURRENCY_SIGNS.get(match["sign"] or "") or CURRENCY_CODES[match["code"].upper()]
    return f"{match['minus'] or ''}{match['amount']}{match['magnitude'] or ''}{name}"


def _expression(match: re.Match[str]) -> str:
    """A formula: signs between numbers in words, if one of them is more than a hyphen or a stroke."""
    if not re.search(r"[=+×÷*<>≥≤≧≦≠≒≈^±²³]", match[0]):
        return match[0]
    spoken = re.sub(r"\^(\d+)", r"の\1乗", match[0])
    spoken = re.sub(r"[²³]", lambda sign: "の二乗" if sign[0] == "²" else "の三乗", spoken)
    spoken = re.sub(r"(?<=[\d)])\s*-\s*(?=\d)", "マイナス", spoken)
    return re.sub(r"\s*([<>]=|[-+×÷*x=<>≥≤≧≦≠≒≈±√])\s*", lambda sign: OPERATORS[sign[1]], spoken)


def _hyphen(match: re.Match[str]) -> str:
    """What a hyphen between two numbers says: a range, a result of a game, a part of an address, or minus."""
    left, right = (int(match[side].replace(",", "")) for side in ("left", "right"))
    before = match.string[max(match.start() - _NEAR, 0) : match.start()]
    after = match.string[match.end() : match.end() + _NEAR]
    if re.match(rf"\s?(?:{_COUNTER})", after):
        word = "から"
    elif re.search(r"(?:丁目|番地?|[町村区市]|[図表式問例章節第])$", before):
        word = "の"
    elif _SPORTS.search(before + after) or (left > right and re.search(rf"[{HAN}{_KATAKANA}{LATIN}]$", before)):
        word = "対"
    elif match["dash"] == "–" or (left < right and re.search(r"[はがをにでの約、]$", before)):
        word = "から"
    elif re.search(rf"[{HAN}{KANA}{LATIN}]$", before):
        word = "の"
    else:
        word = "マイナス"
    return f"{match['left']}{word}{match['right']}"


def _unit(match: re.Match[str]) -> str:
    """A unit in words; a speed does not say its time again after 時速."""
    unit, power = match["length"] or match["unit"], match["power"]
    spoken = (POWERS[power] if power else "") + UNITS[unit]
    if unit.endswith("F"):
        spoken = UNITS[unit]
    per, other, volume = match["per"], match["other"], match["volume"]
    if volume:
        return f"{spoken}パー{POWERS[match['per_power']]}{UNITS[volume]}"
    if per and per in PER:
        lead = match.string[max(match.start() - 24, 0) : match.start()]
        return spoken if re.search(r"[時秒分風流]速[はがも約:： ]{0,2}[0-9.,から~]+$", lead) else spoken + PER[per]
    return spoken + ("パー" + UNITS[other] if other else "")


def _number(match: re.Match[str]) -> str:
    integer, fraction = match["integer"], match["fraction"]
    if fraction:
        return decimal(integer, fraction)
    after = match.string[match.end() : match.end() + 2]
    return cardinal(integer, "" if after == "分の" else after)


def _rules(*rules: tuple[str, str] | Rule) -> tuple[Rule, ...]:
    return tuple((re.compile(pattern) if isinstance(pattern, str) else pattern, said) for pattern, said in rules)


_CODES = "|".join(CURRENCY_CODES)
_SIGNS_OF_MONEY = "|".join(map(re.escape, CURRENCY_SIGNS))
_OPERAND = r"[±√]?\d{1,30}(?:[.,/]\d{1,30}){0,4}(?:[²³]|\^\d{1,9})?"
_RULES: tuple[Rule, ...] = _rules(
    # Signs that have several forms.
    (r"(?<=\d)[．](?=\d)", "."),
    (r"[〜～∼]", "~"),
    (r"(?<=\d)\s?[‐‑ー](?=\d)|[−－](?=[\d.¥$])", "-"),
    (r"(?<=\d)\s?[‒–—―─]+\s?(?=\d)", "–"),
    (rf"(?!〇〇|四六時)(?:[{KANJI_DIGITS}零]|ゼロ){{2,60}}(?![十百])", _positional),
    (r"〇(?=時)", "零"),
    (rf"(?<=対)〇|(?<=[ルス])〇(?![〇×])|(?<![〇×])〇(?!点)(?=(?:{_COUNTER}))", "ゼロ"),
    (r"(?<=〇)×|×(?=〇)|(?<![\w)])×|×(?![\w( ])|(?<=か)×", "バツ"),
    (rf"(?<![{KANJI_DIGITS}点])〇+(?![{KANJI_DIGITS}点])", lambda match: "マル" * len(match[0])),
    (r"(?<=[一二三四五六七八九十百千])カケル(?=[一二三四五六七八九十百千])", "かける"),
    # Numbers that are read figure by figure.
    (r"\d{31,}", lambda match: digits(match[0])),
    (r"(?<!\d)(?:\+\d{1,3}[- ])?\(?(?<!\d)(?=(?:[-–) ]{0,2}\d){9,11}(?!\d))0\d{1,4}(?:\) ?|[-–])\d{1,4}[-–]?\d{3,5}|\+(?=(?:[- ]?\d){8,15}(?!\d))\d{1,3}(?:[- ]\d{1,12}){1,4}", _spelt),
    (r"(?<![\d.])0\d{9,10}(?!\d)", _spelt),
    (r"(?<![\d-])\d{3}-\d{4}(?![\d-])", _spelt),
    (r"(?<![\d-])\d{3,4}(?:-\d{4}){2,3}(?!\d)|(?<![\d-])\d{3}-\d{3}-\d{4}(?!\d)", _spelt),
    (r"(?:(?<=番号)|(?<=番号は)|(?<=番号が)|(?<=番号:)|(?<=コード)|(?<=コードは)|(?<=No\.)|(?<=ID:))\s?\d{3,20}(?![\d,.]|円|人)", _spelt),
    (r"(?<!\d)\d{4}(?=号[室車])", _spelt),
    (r"(?<!\d)110(?=番)", "ヒャクトオ"),
    (r"(?<![\d.])(?P<dotted>\d{1,3}(?:\.\d{1,4}){3})(?!\.?\d)", _dotted),
    (f"(?<![A-Za-z0-9.])(?:{'|'.join(_WORDS)})(?![A-Za-z0-9])", lambda match: _WORDS[match[0]]),
    (r"(?<![\d.])(?P<rooms>\d)(?=S?(?:LDK|DK)(?![A-Za-z]))", lambda match: cardinal(match["rooms"])),
    *CALENDAR,
    (r"(?<![\d.])(?P<dotted>\d{1,4}(?:\.\d{1,4}){2,6})(?!\.?\d)", _dotted),
    (r"(?<=[\d日分時秒])\s?[~–-]\s?(?=\d{1,4}[年月日時])", "から"),
    # Money before its number, and magnitudes.
    (
        rf"(?P<minus>-)?(?:(?P<sign>{_SIGNS_OF_MONEY})|(?<![A-Za-z])(?P<code>{_CODES}))\s?(?P<amount>{_NUMBER})(?P<magnitude>[万億兆千百]{{1,2}})?",
        _money,
    ),
    (rf"(?<=[\d万億])\s?(?P<code>{_CODES})(?![A-Za-z])", lambda match: CURRENCY_CODES[match["code"]]),
    # Ranges.
    (rf"(?<=[\d{HAN}{_KATAKANA}{LATIN}%℃°)）])\s?~\s?(?=[\d{HAN}{LATIN}{_KATAKANA}¥$€£-])|(?<=[ろ半])~(?=\d)", "から"),
    (r"(?<=[\d年月日時分円])~(?=\s*(?:$|[、。」）)\n]))", "から"),
    (rf"(?:^|(?<=[\s（(「、]))~\s?(?P<n>\d[\d,.]{{0,20}}(?:{_COUNTER})?)", r"\g<n>まで"),
    (rf"(?<=\d)(?P<unit>円|ドル|%|℃|度|人|kg|cm|km|m|g|時|分|日|月|年)\s?[–-]\s?(?=\d)", r"\g<unit>から"),
    # Formulas, fractions, ratios, results of games.
    (rf"(?<![\d.,/{LATIN}]){_OPERAND}(?:\s?(?:[<>]=|[-+×÷*x=<>≥≤≧≦≠≒≈])\s?-?{_OPERAND}){{1,20}}|(?<![\d.])\d{{1,30}}(?:[²³]|\^\d{{1,9}})", _expression),
    (r"(?<!\d)(?P<whole>\d{1,9}) (?P<up>\d{1,9})/(?P<down>\d{1,9})(?!\d)", r"\g<whole>と\g<down>分の\g<up>"),
    (r"(?P<minus>-)?(?<![\d/])(?P<up>√?\d{1,30}) ?/ ?(?P<down>√?\d{1,30})(?![\d/])", lambda m: ("マイナス" if m["minus"] else "") + f"{m['down']}分の{m['up']}"),
    (r"(?<=\d) ?[:：] ?(?=\d)", "対"),
    (r"(?<![\d-])\d{1,9}(?:-\d{1,9}){2,5}(?![\d-])", lambda match: match[0].replace("-", "の")),
    (r"(?<![\d.,–-])(?P<left>\d{1,9})(?P<dash>\s?[-–]\s?)(?P<right>\d{1,9})(?!\.?\d|-)", _hyphen),
    (rf"(?<=\d)(?:x|X|\*)(?=\d)", "かける"),
    # Signs and units.
    (UNIT, _unit),
    (r"(?<![\d.,])(?P<n>\d[\d,.]{0,20}) ?(?:°F|℉)", r"華氏\g<n>度"),
    (r"(?:(?<=^)|(?<=[\s（(「『、。,:：=はがをにでとものから約平均温]))[-▲△](?=√?[\d.])", "マイナス"),
    (rf"(?<=[{HAN}{_KATAKANA}])[-](?=\d[\d.]{0,20}(?:%|℃|度|ポイント|点|円|キロ|パーセント))", "マイナス"),
    (rf"(?<=[{HAN}{KANA}{LATIN}])-(?=\d)", ""),
    (r"(?<=[\d.])\+(?=$|[^\d])", "以上"),
    (r"\+(?=\d)|(?<=\w)\+(?=\w)", "プラス"),
    (r"(?<=\d)=|=(?=\d)|(?<=\w)=(?![ァ-ヺー=])(?=\w)|(?<=[^\Wァ-ヺー])=(?=\w)", "イコール"),
    (r"(?i:No\.?) ?(?=\d)", "ナンバー"),
    ("|".join(map(re.escape, SIGNS)), lambda match: SIGNS[match[0]]),
    # What is left of the figures.
    (r"(?<![\d.])(?P<integer>\d{1,3}(?:,\d{3}){1,8}|\d{1,30})(?:\.(?P<fraction>\d{1,30}))?", _number),
)
_REPEATED_MARKS = re.compile(r"([!?….,\-])[!?….,\-]+")


def normalize(text: str) -> str:
    """Japanese text in words: 3月15日 is 三月十五日, 60km/h 六十キロメートル毎時.

    Of marks in a row the first one stays: a model reads them as a reason to go on babbling. Kanji digits in a row
    (〇九〇) are to be read one by one, full-width figures (１０分) as a number that kanji would make ambiguous.
    """
    text = text.translate(_WIDE)
    for pattern, said in _RULES:
        text = pattern.sub(said, text)
    return _REPEATED_MARKS.sub(r"\1", text)
