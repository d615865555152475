"""English abbreviations and Roman numerals in full."""

import re

from timbral.text.normalize.english.numbers import cardinal, ordinal
from timbral.text.normalize.english.rules import Rule, ends_sentence, rule
from timbral.text.normalize.english.word_lists import word_list

_TITLES = {
    "Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Messrs": "Messieurs", "Prof": "Professor", "Gen": "General",
    "Col": "Colonel", "Lt": "Lieutenant", "Sgt": "Sergeant", "Capt": "Captain", "Cpt": "Captain", "Maj": "Major",
    "Cmdr": "Commander", "Adm": "Admiral", "Cpl": "Corporal", "Pvt": "Private", "Rev": "Reverend", "Hon": "Honorable",
    "Gov": "Governor", "Sen": "Senator", "Rep": "Representative", "Pres": "President", "Fr": "Father", "Mt": "Mount",
    "Ft": "Fort", "Supt": "Superintendent", "Insp": "Inspector",
}  # fmt: skip
_TITLES_ALONE = frozenset(("Mr", "Mrs", "Ms", "Hon", "Mt", "Maj", "Rev", "Prof", "Lt", "Sgt", "Capt", "Cmdr"))
_WORDS = {
    "jr": "Junior", "sr": "Senior", "vs": "versus", "etc": "et cetera", "inc": "Incorporated", "ltd": "Limited",
    "corp": "Corporation", "bros": "Brothers", "dept": "department", "approx": "approximately", "govt": "government",
    "assoc": "association", "univ": "university", "ave": "Avenue", "blvd": "Boulevard", "rd": "Road", "hwy": "Highway",
    "pkwy": "Parkway", "expy": "Expressway", "intl": "international", "natl": "national", "dist": "district",
    "est": "established", "max": "maximum", "min": "minimum", "misc": "miscellaneous", "tel": "telephone",
    "cont": "continued", "esp": "especially", "incl": "including", "excl": "excluding", "resp": "respectively",
    "temp": "temperature", "mgr": "manager", "apt": "apartment", "bldg": "building", "sq": "square",
}  # fmt: skip
_NEEDS_POINT_AND_MORE = frozenset(("max", "min", "temp", "apt", "est", "ave", "sq", "tel", "cont"))
"""Words on their own too, so that a full stop may just end their sentence."""
_BEFORE_NUMBER = {
    "no": "number", "nos": "numbers", "fig": "figure", "figs": "figures", "vol": "volume", "vols": "volumes", "p": "page",
    "pp": "pages", "ch": "chapter", "sec": "section", "eq": "equation", "art": "article", "ed": "edition", "pt": "part",
    "par": "paragraph", "app": "appendix", "ca": "circa", "c": "circa", "apt": "apartment", "ext": "extension", "nr": "number",
    "op": "opus", "rm": "room", "fl": "floor", "ste": "suite", "gen": "generation", "approx": "approximately", "§": "section",
    "№": "number", "v": "verse",
}  # fmt: skip
_PHRASES = {
    r"e\.\s?g\.,?": "for example", r"i\.\s?e\.,?": "that is", r"a\.k\.a\.": "also known as", r"cf\.": "compare",
    r"et al\.": "et al", r"w/o": "without", r"b/c": "because", r"w/": "with ", r"c/o": "care of", r"viz\.": "namely",
    r"r\.s\.v\.p\.": "R S V P",
}  # fmt: skip
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_ROMAN = r"(?=[IVXLCDM]{1,12}\b)M{0,3}(?:C[MD]|D?C{0,3})(?:X[CL]|L?X{0,3})(?:I[XV]|V?I{0,3})(?!\w)"
_NUMBERED = (
    r"(?:World War|Chapter|Part|Act|Scene|Type|Phase|Class|Volume|Book|Appendix|Section|Article|Grade|Level|Title|Figure|"
    r"Table|Stage|Schedule|Unit|Episode|Season|Round|Category|Mark|Super Bowl|Formula|Vatican|Element|Lesson|Division|Tier)"
)
_NUMERAL_WORDS = word_list("no numerals")
_RULERS = word_list("rulers")


def _roman_value(numeral: str) -> int:
    values = [_ROMAN_VALUES[letter] for letter in numeral]
    return sum(-v if v < after else v for v, after in zip(values, [*values[1:], 0], strict=True))


def _after_keyword(match: re.Match[str]) -> str:
    return f"{match['word']} {cardinal(str(_roman_value(match['numeral'].upper())))}"


def _after_name(match: re.Match[str]) -> str:
    numeral, name = match["numeral"], match["name"]
    if name.lower() not in _RULERS:
        return match[0]
    possessive = match["possessive"] or ""
    return f"{name} the {ordinal(str(_roman_value(numeral)))}{possessive}"


def _numeral(match: re.Match[str]) -> str:
    return match[0] if match[0] in _NUMERAL_WORDS else cardinal(str(_roman_value(match[0])))


def _title(match: re.Match[str]) -> str:
    return _TITLES[match["title"]]


def _doctor_or_drive(match: re.Match[str]) -> str:
    """Dr. before a name is a doctor; after one and before anything else, a drive."""
    after_name = re.search(r"\b[A-Z][a-z]+\s$", match.string[max(match.start() - 24, 0) : match.start()])
    before_name = re.match(r"\s+[A-Z]", match.string[match.end() : match.end() + 4])
    if after_name and not (before_name and match["dot"] and not ends_sentence(match)):
        return "Drive" + ("." if before_name or match.end() == len(match.string) else "")
    return "Doctor"


_STREET_NAME = re.compile(
    r"(?:\b(?!(?:In|At|To|From|On|The|And|Of|Visit|See|For|By|With|Near|Is|Are|Or)\b)[A-Z][a-z']+"
    r"|\d(?:st|nd|rd|th)|[a-z](?:first|third|second|th)\b)\s$"
)


def _saint_or_street(match: re.Match[str]) -> str:
    before = match.string[max(match.start() - 24, 0) : match.start()]
    named = _STREET_NAME.search(before)
    before_name = re.match(r"\s+[A-Z][a-z]", match.string[match.end() : match.end() + 5])
    if named or not before_name:
        ends = match["dot"] and (before_name or match.end() == len(match.string))
        return "Street" + ("." if ends else "")
    return "Saint"


def _word(match: re.Match[str]) -> str:
    """The full stop stays where a sentence ends."""
    word = match["word"]
    following = match.string[match.end() : match.end() + 3]
    ends = not following.strip() or re.match(r"\s+[A-Z\"“]", following)
    if word.lower() in _NEEDS_POINT_AND_MORE and ends:
        return match[0]
    full = _WORDS[word.lower()]
    return full + ("." if ends and ends_sentence(match) else "")


def _company(match: re.Match[str]) -> str:
    return "Company" + ("." if ends_sentence(match) else "")


def _initials(match: re.Match[str]) -> str:
    """U.S. gives U S; the last full stop stays where a sentence ends."""
    letters = re.findall("[A-Za-z]", match[0])
    ends = match[0].endswith(".") and (ends_sentence(match))
    return " ".join(letters).upper() + ("." if ends else "")


def _phrase(pattern: str, words: str) -> Rule:
    end = "" if pattern.endswith("/") else r"(?!\w)"
    return rule(rf"(?<![\w.]){pattern}{end}", lambda _: words, re.IGNORECASE)


ABBREVIATIONS: tuple[Rule, ...] = (
    *(_phrase(pattern, words) for pattern, words in _PHRASES.items()),
    rule(r"\bPh\.\s?D\.?(?!\w)", lambda _: "P H D"),
    rule(
        r"(?<![\w.])(?!(?:(?<=is )|(?<=was )|(?<=said )|(?<=say ))(?-i:no)\.)"
        r"(?P<word>nos?|figs?|vols?|pp?|ch|sec|eq|art|ed|pt|par|app|ca|c|apt|ext|nr|op|rm|fl|ste|gen|v)\.\s?(?=\d)",
        lambda m: _BEFORE_NUMBER[m["word"].lower()] + " ",
        re.IGNORECASE,
    ),
    rule(r"(?<!\w)(?P<sign>[§№])\s?(?=\d)", lambda m: _BEFORE_NUMBER[m["sign"]] + " "),
    rule(r"(?<!\w)#\s?(?=\d)", lambda _: "number "),
    rule(r"\bDr(?P<dot>\.?)(?![\w'])", _doctor_or_drive),
    rule(r"\bSt(?P<dot>\.?)(?![\w'-])", _saint_or_street),
    rule(rf"\b(?P<title>{'|'.join(_TITLES)})\.(?=\s[A-Z])", _title),
    rule(rf"\b(?P<title>{'|'.join(sorted(_TITLES_ALONE))})\.(?=\s|$)", _title),
    rule(r"\b(?P<title>Mr|Mrs|Ms)(?=\s[A-Z])", _title),
    rule(r"\bCo\.(?!\w)", _company),
    rule(rf"(?<![\w.])(?P<word>{'|'.join(_WORDS)})\.(?!\w)", _word, re.IGNORECASE),
    rule(r"(?<![\w.])vs?(?=\s)(?<=vs)", lambda _: "versus"),
    rule(
        r"(?<![\w.])(?:[A-Za-z]\.\s?){1,6}[A-Za-z]\.(?![\w])|(?<![\w.])(?:[A-Z]\.){1,6}[A-Z](?![\w.])|\b[A-Z]\.(?=\s?[A-Z][a-z])",
        _initials,
    ),
)
NUMERALS: tuple[Rule, ...] = (
    rule(rf"\b(?P<word>{_NUMBERED})\s(?P<numeral>{_ROMAN})\b(?!')", _after_keyword, re.IGNORECASE),
    rule(rf"\b(?P<name>[A-Z][a-z]+)\s(?P<numeral>{_ROMAN})\b(?P<possessive>'s)?(?!')", _after_name),
    rule(rf"(?<![\w'&.-])(?=\w*[IVX]){_ROMAN}(?![\w'&-])", _numeral),
)
