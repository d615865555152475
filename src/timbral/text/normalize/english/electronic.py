"""Web addresses, e-mail addresses, paths and file names as they are said: "site dot org slash path"."""

import re

from timbral.text.normalize.english.numbers import cardinal, digits_in_words
from timbral.text.normalize.english.rules import Rule, rule

_SIGNS = {
    ".": "dot", "/": "slash", "-": "dash", "_": "underscore", "@": "at", ":": "colon", "&": "ampersand",
    "?": "question mark", "=": "equals", "#": "hash", "%": "percent", "+": "plus", "~": "tilde", ",": "comma",
    "\\": "backslash", "!": "exclamation mark", "$": "dollar", "*": "asterisk", ";": "semicolon",
}  # fmt: skip
_DOMAINS = (
    "com|org|net|edu|gov|mil|int|info|biz|io|ai|app|dev|co|me|tv|xyz|online|shop|site|tech|blog|news|wiki|cloud"
    "|us|uk|ca|au|nz|ie|de|fr|it|es|pt|nl|be|ch|at|dk|se|no|fi|pl|ru|ua|cz|gr|tr|il|in|cn|jp|kr|hk|tw|sg|my|th|vn|id"
    "|br|mx|ar|cl|za|eu"
)
_FILES = (
    "txt|pdf|docx?|xlsx?|pptx?|csv|tsv|jsonl?|ya?ml|toml|xml|html?|css|jsx?|tsx?|py|cpp|rs|java|sh|exe|dll|zip|gz|tar"
    "|jpe?g|png|gif|svg|webp|mp[34]|wav|flac|ogg|avi|mkv|onnx|md|log|ini"
)
_SPELLED = frozenset(("http", "https", "ftp", "www"))
_WORDS_OF_TWO_LETTERS = frozenset(("me", "co"))
_TOKEN = re.compile(r"[A-Za-z]+|\d+|\S")
_LABEL = r"[A-Za-z0-9_-]{1,63}"
_SIGNS_OF_PATH = "[!-;=?-~]"
_PATH = rf"(?:[/?#]{_SIGNS_OF_PATH}*)?"
_START = r"(?<![\w@./'-])"
_END = r"(?<![.,;:!?)'\"\]])"
_NO_LABEL = r"(?![\w-])(?!\.\w)"


def spell_address(address: str) -> str:
    """An address with its signs and digits in words; what a top-level domain of two letters is is spelled."""
    tokens = _TOKEN.findall(address)
    said: list[str] = []
    for before, token, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        if token.isdigit():
            said.append(cardinal(token) if re.fullmatch("[1-9]000", token) else digits_in_words(token))
        elif token.isalpha():
            country = before == "." and after in ("", "/", ".") and len(token) == 2
            said.append(_named(token, country=country))
        else:
            said.append(_SIGNS.get(token, ""))
    return " ".join(filter(None, said))


def _named(word: str, *, country: bool) -> str:
    if word.lower() in _SPELLED:
        return word.upper()
    if country and word.lower() not in _WORDS_OF_TWO_LETTERS:
        return " ".join(word.upper())
    return "jpeg" if word.lower() == "jpg" else word


def _spell(match: re.Match[str]) -> str:
    return spell_address(match[0])


def _spell_domain(match: re.Match[str]) -> str:
    """Numbers and abbreviations with points have the shape of an address too."""
    if re.fullmatch(r"[\d.]+[a-z]{2}|(?:[A-Za-z]\.)+[A-Za-z]{1,3}", match[0]):
        return match[0]
    return spell_address(match[0])


RULES: tuple[Rule, ...] = (
    rule(rf"\b(?:(?:https?|ftp|file)://|www\.){_SIGNS_OF_PATH}+{_END}", _spell, re.IGNORECASE),
    rule(rf"(?<![\w.%+&-])[\w.%+&-]{{1,64}}@{_LABEL}(?:\.{_LABEL}){{1,8}}{_PATH}{_END}(?<!-)", _spell),
    rule(
        rf"{_START}(?:{_LABEL}\.){{1,6}}(?:{_DOMAINS})(?:/{_SIGNS_OF_PATH}*|{_NO_LABEL}){_END}", _spell_domain
    ),
    rule(rf"{_START}(?:{_LABEL}\.){{1,3}}(?:{_FILES}){_NO_LABEL}", _spell, re.IGNORECASE),
    rule(rf"{_START}[a-z][a-z0-9-]{{1,30}}(?:\.[a-z0-9-]{{2,30}}){{0,4}}\.[a-z]{{2,30}}{_NO_LABEL}", _spell),
    rule(r"\b[A-Z]:\\[\w.\\-]{1,200}(?<![.])", _spell),
    rule(r"(?<![\w/.])~?/(?:[\w.-]{1,60}/){1,12}[\w.-]{0,60}(?<![.])", _spell),
)
