"""Signs of English text in words, as far as nothing else has read them."""

import re

from timbral.text.normalize.english.rules import Rule, rule

_WORDS = {
    "&": "and", "@": "at", "%": "percent", "+": "plus", "=": "equals", "°": "degrees", "©": "copyright", "$": "dollar",
    "€": "euro", "£": "pound", "¥": "yen", "→": "to", "×": "times", "÷": "divided by", "±": "plus or minus",
    "≈": "about", "≠": "not equal to", "≤": "at most", "≥": "at least", "#": "hash", "^": "to the power of",
    "√": "square root of", "∞": "infinity", "<": "less than", ">": "more than", "²": "squared", "³": "cubed",
    "*": "asterisk", "‰": "per mille",
}  # fmt: skip
_GREEK = dict(
    zip(
        "αβγδεζηθικλμνξοπρστυφχψω",
        [
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "zeta",
            "eta",
            "theta",
            "iota",
            "kappa",
            "lambda",
            "mu",
            "nu",
            "xi",
            "omicron",
            "pi",
            "rho",
            "sigma",
            "tau",
            "upsilon",
            "phi",
            "chi",
            "psi",
            "omega",
        ],
        strict=True,
    )
)
_LETTERS = {**_GREEK, **{letter.upper(): name for letter, name in _GREEK.items()}, "ς": "sigma", "µ": "mu"}


def _word(match: re.Match[str]) -> str:
    return f" {_WORDS[match[0]]} "


SIGNS: tuple[Rule, ...] = (
    rule(
        r"\b(?P<first>[A-Z]{1,3})\s?&\s?(?P<last>[A-Z]{1,3})\b",
        lambda match: f"{' '.join(match['first'])} and {' '.join(match['last'])}",
    ),
    rule(r"(?<=\w)\s?/\s?(?=[A-Za-z])", lambda _: " slash "),
    rule("[α-ωΑ-Ωςµ]", lambda match: f" {_LETTERS[match[0]]} "),
    rule(r"(?<=\b[CFJ])#(?!\w)", lambda _: " sharp "),
    rule(r"(?<=\w)\+\+", lambda _: " plus plus "),
    rule(r"\*(?=\w)|(?<=\w)\*", lambda _: " "),
    rule("[" + re.escape("".join(_WORDS)) + "]", _word),
)
