"""The six ways of cutting a text that GPT-SoVITS offers, for users who bring habits and settings from there.

They are read from the official code (RVC-Boss/GPT-SoVITS, `text_segmentation_method.py`). What Timbral does
when nobody asks for one of them is in `timbral.text.splitting`.
"""

import re
from collections.abc import Callable

from timbral.errors import TextError

_ENDS = frozenset("，。？！,.?!~:：—…")
_PUNCTUATION = frozenset(",.;?!、，。？！：…")
_UNSPOKEN = frozenset("!?…,.- ")
_CLAUSES_IN_A_PIECE = 4
_CHARACTERS_IN_A_PIECE = 50


def _clauses(text: str) -> list[str]:
    """Stretches up to and with each mark of `_ENDS`; a mark is added where the end has none."""
    text = text.replace("……", "。").replace("——", "，")
    if text[-1:] not in _ENDS:
        text += "。"
    marks = re.escape("".join(sorted(_ENDS)))
    return re.findall(f"[^{marks}]*[{marks}]", text)


def _whole(text: str) -> list[str]:
    return text.split("\n")


def _by_four_clauses(text: str) -> list[str]:
    clauses = _clauses(text)
    if len(clauses) <= _CLAUSES_IN_A_PIECE:
        return [text]
    # The last group, whole or not, stays with the one before it.
    starts = list(range(0, len(clauses), _CLAUSES_IN_A_PIECE))[:-1]
    return ["".join(clauses[start:end]) for start, end in zip(starts, [*starts[1:], None], strict=True)]


def _by_fifty_characters(text: str) -> list[str]:
    clauses = _clauses(text)
    if len(clauses) < 2:
        return [text]
    pieces, piece = [], ""
    for clause in clauses:
        piece += clause
        if len(piece) > _CHARACTERS_IN_A_PIECE:
            pieces.append(piece)
            piece = ""
    if piece:
        pieces.append(piece)
    if len(pieces) > 1 and len(pieces[-1]) < _CHARACTERS_IN_A_PIECE:
        pieces[-2:] = ["".join(pieces[-2:])]
    return pieces


def _at_chinese_stops(text: str) -> list[str]:
    return text.strip("。").split("。")


def _at_english_stops(text: str) -> list[str]:
    return re.split(r"(?<!\d)\.(?!\d)", text.strip("."))


def _at_punctuation(text: str) -> list[str]:
    pieces, start = [], 0
    for index, character in enumerate(text):
        inside_number = (
            character == "."
            and 0 < index < len(text) - 1
            and text[index - 1].isdigit()
            and text[index + 1].isdigit()
        )
        if character in _PUNCTUATION and not inside_number:
            pieces.append(text[start : index + 1])
            start = index + 1
    return [*pieces, text[start:]]


_METHODS: dict[str, Callable[[str], list[str]]] = {
    "cut0": _whole,
    "cut1": _by_four_clauses,
    "cut2": _by_fifty_characters,
    "cut3": _at_chinese_stops,
    "cut4": _at_english_stops,
    "cut5": _at_punctuation,
}

CUTS: tuple[str, ...] = tuple(_METHODS)
"""Names of the methods: whole, four clauses, fifty characters, at `。`, at `.`, at punctuation."""


def cut(text: str, method: str) -> list[str]:
    """Pieces of `text` by an official method, without empty ones and ones of punctuation alone.

    Raises TextError for an unknown method.
    """
    if method not in _METHODS:
        raise TextError(f"unknown way to cut a text {method!r}: use one of {', '.join(CUTS)}")
    unspoken = _PUNCTUATION if method == "cut5" else _UNSPOKEN
    pieces = _METHODS[method](text.strip("\n"))
    return [line for piece in pieces if not unspoken.issuperset(piece) for line in piece.split("\n") if line]
