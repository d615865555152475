"""Cuts a text into stretches of one language each.

The official front end asks a 126 MB classifier. Here the script decides wherever it can (letters are English,
kana Japanese, hangul Korean) and ideographs are judged by what stands around them: characters that only one
language writes, Japanese endings, Chinese and Cantonese grammar. Cheap, linear in the length, and the same
everywhere.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Literal, cast, get_args

from timbral.errors import TextError
from timbral.text.clean import PLACEHOLDER
from timbral.text.figures import FIGURE
from timbral.text.languages import LANGUAGES as LANGUAGES
from timbral.text.languages import Language as Language
from timbral.text.scripts import HAN, HANGUL, KANA, LATIN, is_chinese, is_japanese

Mode = Literal["auto", "zh", "en", "ja", "ko", "yue", "auto_yue", "all_zh", "all_ja", "all_ko", "all_yue"]

MODES: tuple[Mode, ...] = get_args(Mode)

# A number keeps its inner signs, its currency and its unit, so that one language reads them; a word its apostrophe.
_DIGITS = r"[0-9]+(?:[.,:/\-][0-9]+)*"
_LONG_UNIT = (
    r"(?:km/h|m/s|[kcdmnμµ]?m[²³23]?|[kmμµ]?g|[mcd]?[lL]|[kMGT]?Hz|[kMGT]?Wh?|[kMm]?V|m?Ah|[kMGT]i?B|[kMG]bps|[kM]?Pa|dB"
    r"|kcal|kJ|mol|min|sec|hrs?|ms|[μµn]s|kph|mph|rpm|fps|ppm|ha|oz|lbs?|ft|[kM]?Ω)"
)
_SHORT_UNIT = rf"(?:[AJNhst]|K(?![{HAN}]))"
_PER = r"(?:/(?:km|kg|mg|mL|ml|cm³|cm3|m[²³23]?|dL|min|s²?|h|L|g|day|d))?"
_UNIT_END = rf"(?![{LATIN}0-9]|/(?![{HAN}]))"
_HALF_DAY = rf"\s?[aApP](?:\.[mM]\.|[mM]{_UNIT_END})"
_AFTER_NUMBER = rf"[kw]{_UNIT_END}|\s?(?:USD|RMB|CNY|EUR|JPY|HKD|GBP){_UNIT_END}"
_UNIT = rf"[%‰℃℉㎡㎥Ω]|°[CF]?|\s?{_LONG_UNIT}{_PER}{_UNIT_END}|{_SHORT_UNIT}{_PER}{_UNIT_END}|{_HALF_DAY}|{_AFTER_NUMBER}"
_DOLLARS = r"(?:US|HK|NT|AU?|CA?|NZ|SG?|R)\$(?=[0-9])"
_CURRENCY = rf"(?:{_DOLLARS}|[$￥¥€£#₩₹₽฿₫₱₺])"
_CODE = r"(?:USD|RMB|CNY|EUR|JPY|HKD|GBP|TWD|KRW)\s?(?=[0-9])"
_TOKEN = re.compile(
    r"(?P<letters>(?:https?://|www\.)[!-~]*[A-Za-z0-9/]"
    r"|[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"
    rf"|[0-9]+(?:st|nd|rd|th)(?![{LATIN}0-9])|(?:[12][0-9])?[0-9]0s(?=\s[a-z])|[Nn]os?\.\s?[0-9]+(?![{LATIN}0-9])"
    rf"|[A-Z](?:\+\+|#)(?![{LATIN}0-9])"
    rf"|(?!{_CODE}|{_DOLLARS})[{LATIN}]+(?:['’][{LATIN}]+)*)"
    rf"|(?P<number>(?:(?<![{LATIN}0-9])[-+−±]?(?:{_CURRENCY}|{_CODE})?)?{_DIGITS}(?:{_UNIT})?|(?<=[{HAN}])/(?:{_LONG_UNIT}|[hdsgL]){_UNIT_END})"
    rf"|(?P<mark>{PLACEHOLDER})"
    rf"|(?P<han>[{HAN}]+)|(?P<kana>[{KANA}]+)|(?P<hangul>[{HANGUL}]+)"
)
_TOKEN_OR_FIGURE = re.compile(f"(?P<figure>{FIGURE})|{_TOKEN.pattern}")
_KANA_OR_HANGUL = re.compile(f"[{KANA}{HANGUL}]")
_OPENING = "（([「『《〈【“‘"
_QUOTES = "\"'"
_OPERATOR = re.compile("[²³⁰¹⁴-⁹ ]*[=+×÷≈≠<>≤≥²³⁰¹⁴-⁹]")
_COUNTER = re.compile(
    "[元块塊円個个条條年月日号號分秒人次岁歲歳天件本张張台辆輛位名度倍届场集章页級级楼层米斤吨公千万萬亿億枚匹冊册]"
    "|[只隻](?![要有是能好会])|[点點](?![击擊])"
)
_LONGEST_LABEL = 2
"""Letters of a word that is no more than a name beside a figure, as in x=5, PS5, F-16."""
_SENTENCE_END = re.compile(r"[。！？!?\n]|\.(?:\s|$)")
_PIECE_END = re.compile(r"[，,；;：:「」『』“”\"《》（）()\s。！？!?]")
_PAUSES = tuple(",.!?，。！？")

# Grammar that is frequent in one language and rare in what the others write.
_CHINESE_GRAMMAR = re.compile(
    "[我你她它也很沒吧啊呢吗嗎嘛呀哪这這还還让讓给跟]|[今昨明]天|(?<![完終修満魅読])了(?!解)|[不就都]是|他的|"
    rf"([{HAN}])不\1"
)
_MANDARIN = frozenset("这這那们們没沒吗嗎么麼她")
_CANTONESE = re.compile(
    "[嘅喺咗嚟啲嘢冇佢哋嗰噉瞓咁㗎攞揾搵嗌冚掟諗睇啱喎畀嘥唞攰嬲嗱嚿啫唥]"
    rf"|唔(?=[{HAN}])|(?<![關关])係(?![數数統统列])|邊[度個位]|點[解樣]|乜|喇(?![叭嘛])"
)
_HIRAGANA_START = re.compile("[\u3041-\u3096]")
_PARTICLES = frozenset("のはがをにでともへなたるい")


@dataclass(frozen=True)
class Span:
    """A stretch of text in one language."""

    language: Language
    text: str


@dataclass
class _Token:
    """A word, a number or a run of one script, with the signs around it.

    kind: the group of `_TOKEN` that it belongs to.
    lead, tail: the signs before and after that belong to it.
    """

    kind: str
    word: str
    lead: str
    tail: str
    language: Language | None = None

    @property
    def text(self) -> str:
        return self.lead + self.word + self.tail


def _tail_length(token: _Token, gap: str) -> int:
    """How many of the signs after a token belong to it; the operator after a variable belongs to what comes next."""
    if token.kind == "letters" and len(token.word) == 1 and _OPERATOR.match(gap):
        return 0
    return _opening_signs(gap)


def _opening_signs(gap: str) -> int:
    """Where in the signs between two words those begin that open the second: brackets, quotes after space."""
    before = gap.rstrip(_OPENING + _QUOTES)
    if before and not before[-1].isspace():
        return len(gap) - len(gap[len(before) :].lstrip(_QUOTES))
    return len(before)


def _tokens(text: str, pattern: re.Pattern[str]) -> list[_Token]:
    """Tokens whose texts, joined, are `text`; none if it has no letter, ideograph or digit."""
    tokens: list[_Token] = []
    end = 0
    for match in pattern.finditer(text):
        gap = text[end : match.start()]
        lead_start = _tail_length(tokens[-1], gap) if tokens else 0
        if tokens:
            tokens[-1].tail = gap[:lead_start]
        tokens.append(_Token(str(match.lastgroup), match[0], gap[lead_start:], ""))
        end = match.end()
    if tokens:
        tokens[-1].tail = text[end:]
    return tokens


def _cut_after(tokens: Iterable[_Token], ending: re.Pattern[str]) -> list[list[_Token]]:
    """Groups of tokens, each up to one whose tail matches `ending`."""
    groups: list[list[_Token]] = [[]]
    for token in tokens:
        if groups[-1] and (ending.search(token.lead) or ending.search(groups[-1][-1].tail)):
            groups.append([])
        groups[-1].append(token)
    return groups


def _chinese_evidence(word: str) -> int:
    """How strongly the characters of a run of ideographs speak for Chinese (> 0) or Japanese (< 0)."""
    return 2 * sum(map(is_chinese, word)) - 2 * sum(map(is_japanese, word))


def _judge_piece(piece: Sequence[_Token]) -> Literal["zh", "ja"] | None:
    """Chinese or Japanese, for ideographs of this piece that do not show it; None without evidence."""
    score = 0
    has_kana = any(token.kind == "kana" for token in piece)
    for token in piece:
        if token.kind == "han":
            score += _chinese_evidence(token.word) + len(_CHINESE_GRAMMAR.findall(token.word))
            score += 0 if has_kana else len(_CANTONESE.findall(token.word))
    for left, right in pairwise(piece):
        if left.tail or right.lead:
            continue
        if left.kind == "han" and _HIRAGANA_START.match(right.word) and not is_chinese(left.word[-1]):
            score -= 1
        if left.kind == "kana" and right.kind == "han" and left.word[-1] in _PARTICLES:
            score -= 1
    if score > 0:
        return "zh"
    return "ja" if score < 0 or has_kana else None


def _inherit(verdicts: list[Language | None], default: Language | None) -> list[Language | None]:
    """Each None replaced by the last verdict before it, else the first one after it, else `default`."""
    current = next((verdict for verdict in verdicts if verdict), default)
    inherited: list[Language | None] = []
    for verdict in verdicts:
        current = verdict or current
        inherited.append(current)
    return inherited


def _settle_ideographs(sentences: list[list[_Token]]) -> None:
    """Give each run of ideographs to Chinese or Japanese."""
    pieces = [_cut_after(sentence, _PIECE_END) for sentence in sentences]
    verdicts: list[list[Language | None]] = [
        _inherit([_judge_piece(piece) for piece in sentence], None) for sentence in pieces
    ]
    by_text = iter(_inherit([verdict for sentence in verdicts for verdict in sentence], "zh"))
    for piece in (piece for sentence in pieces for piece in sentence):
        verdict = next(by_text)
        for token in piece:
            if token.kind == "han":
                own = _chinese_evidence(token.word) + len(_CHINESE_GRAMMAR.findall(token.word))
                token.language = "zh" if own > 0 else "ja" if own < 0 else verdict


def _settle_cantonese(sentences: list[list[_Token]]) -> None:
    """Give the Chinese of sentences that are Cantonese to Cantonese."""
    verdicts: list[Language | None] = []
    for sentence in sentences:
        chinese = " ".join(token.word for token in sentence if token.language == "zh")
        if _CANTONESE.search(chinese):
            verdicts.append("yue")
        else:
            verdicts.append("zh" if not _MANDARIN.isdisjoint(chinese) else None)
    for sentence, verdict in zip(sentences, _inherit(verdicts, "zh"), strict=True):
        for token in sentence:
            if token.language == "zh":
                token.language = verdict


def _settle_figures(sentence: Sequence[_Token], named: Language | None) -> None:
    """Give figures with letters to Japanese or Korean, whichever the sentence is written in."""
    kinds = {token.kind for token in sentence}
    language = named or ("ja" if "kana" in kinds else "ko" if "hangul" in kinds else None)
    for token in sentence:
        if token.kind == "figure":
            token.language = token.language or language


def _settle_labelled_numbers(sentence: Sequence[_Token]) -> None:
    """Give numbers that have no English but labels beside them to the other language of their sentence."""
    lengths: dict[Language, int] = {}
    for token in sentence:
        if token.kind in ("han", "kana", "hangul") and token.language:
            lengths[token.language] = lengths.get(token.language, 0) + len(token.word)
    if not lengths:
        return
    main = max(lengths, key=lambda language: lengths[language])
    before, after = _words_before(sentence), _words_before(sentence[::-1])[::-1]
    for token, *around in zip(sentence, before, after, strict=True):
        letters = [run for run in around if run is not None and run[0].kind == "letters"]
        labels = bool(letters) and all(len(run) == 1 and _is_label(run[0].word) for run in letters)
        if token.kind == "number" and token.language is None and labels:
            token.language = main


def _is_label(word: str) -> bool:
    return len(word) == 1 or (len(word) <= _LONGEST_LABEL and word.isupper())


def _words_before(tokens: Sequence[_Token]) -> list[list[_Token] | None]:
    """For each token the last word before it, with the words of the same kind right before that one."""
    last: list[_Token] | None = None
    words: list[list[_Token] | None] = []
    for token in tokens:
        words.append(last)
        if token.kind != "number":
            goes_on = last is not None and last[0].kind == token.kind
            last = [*last[-1:], token] if goes_on and last else [token]
    return words


def _settle_numbers(tokens: Sequence[_Token], named: Language | None) -> list[Span]:
    """Spans of one language each; numbers join the neighbour that no pause parts from them, or the longer.

    named: the language that reads numbers wherever English does not.
    """
    runs = [
        (language, "".join(token.text for token in group))
        for language, group in groupby(tokens, key=lambda token: token.language)
    ]
    spans: list[Span] = []
    for index, (language, text) in enumerate(runs):
        if language is None:
            following, after = runs[index + 1] if index + 1 < len(runs) else (None, "")
            before = runs[index - 1][1] if index else ""
            preceding = spans[-1].language if spans else None
            parted_before = before.rstrip().endswith(_PAUSES)
            parted_after = text.rstrip().endswith(_PAUSES)
            if preceding and following:
                counts = text[-1:].isdigit() and _COUNTER.match(after)
                joins_next = bool(counts) or parted_before or (not parted_after and len(before) < len(after))
                language = following if joins_next else preceding
            else:
                language = preceding or following or named or "zh"
            if named and language != "en":
                language = named
        spans.append(Span(language, text))
    return _merged(spans)


def _merged(spans: Iterable[Span]) -> list[Span]:
    return [
        Span(language, "".join(span.text for span in group))
        for language, group in groupby(spans, key=lambda span: span.language)
    ]


def _settle_scripts(tokens: Sequence[_Token], mode: str, languages: Collection[Language]) -> None:
    """Give every token but the numbers and the marked words a language."""
    written: dict[str, Language] = {"letters": "en", "kana": "ja", "hangul": "ko"}
    for token in tokens:
        token.language = token.language or written.get(token.kind)
    ideographs = [token for token in tokens if token.kind == "han"]
    named: dict[str, Language] = {"zh": "zh", "ja": "ja", "yue": "yue"}
    if mode in named:
        for token in ideographs:
            token.language = named[mode]
        return
    sentences = _cut_after(tokens, _SENTENCE_END)
    _settle_ideographs(sentences)
    if mode != "auto_yue":
        _settle_cantonese(sentences)
    by_taste: tuple[Language, ...] = ("zh", "ja", "yue")
    readers = [language for language in by_taste if language in languages]
    for token in ideographs:
        if readers and token.language not in readers:
            token.language = readers[0]
        if mode == "auto_yue" and token.language == "zh":
            token.language = "yue"


def segment(
    text: str,
    mode: str = "auto",
    languages: Collection[Language] = LANGUAGES,
    marked: Sequence[Language] = (),
) -> list[Span]:
    """Cut `text` into spans whose texts, joined, are `text`; neighbours differ in language.

    mode:
        `auto`: ideographs are judged; numbers and signs belong to a neighbour.
        `auto_yue`: as `auto`, but Chinese is read as Cantonese.
        `zh`, `ja`, `yue`: ideographs, and numbers outside English, are that language. Letters stay English;
        kana and hangul, which no other language can read, stay Japanese and Korean.
        `en`, `ko`: as `auto`, but numbers (for `ko` those outside English) are that language.
        `all_zh`, `all_ja`, `all_ko`, `all_yue`: everything but letters is that language, as in the official
        code (RVC-Boss/GPT-SoVITS, `langsegmenter.py`).
    languages: what the model speaks; `auto` gives ideographs to these only.
    marked: the language of each placeholder in the text (see `timbral.text.markup`).

    Raises TextError for an unknown mode.
    """
    if mode not in MODES:
        raise TextError(f"unknown language {mode!r}: use one of {', '.join(MODES)}")
    named = None if mode.startswith("auto") else cast(Language, mode.removeprefix("all_"))
    with_figures = named in ("ja", "ko") or (named is None and _KANA_OR_HANGUL.search(text))
    tokens = _tokens(text, _TOKEN_OR_FIGURE if with_figures else _TOKEN)
    if not tokens:
        return [Span(named or "zh", text)] if text else []
    for token, language in zip((token for token in tokens if token.kind == "mark"), marked, strict=False):
        token.language = language
    if mode.startswith("all_"):
        for token in tokens:
            token.language = token.language or ("en" if token.kind == "letters" else named)
    else:
        _settle_scripts(tokens, mode, languages)
        for sentence in _cut_after(tokens, _SENTENCE_END) if with_figures else ():
            _settle_figures(sentence, named)
        if mode == "en":
            for token in tokens:
                token.language = token.language or "en"
        elif named is None:
            for sentence in _cut_after(tokens, _SENTENCE_END):
                _settle_labelled_numbers(sentence)
    return _settle_numbers(tokens, named)
