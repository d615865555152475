"""Cases of reading aloud, a table a language: what is written, and how it has to sound.

Tables are `cases/LANGUAGE.tsv` with the columns kind, language, written and expected. `language` is a mode of
`to_phones`, or `utt` for `to_utterances` in mode `auto`; empty, it is the language of the table (`auto` for `mixed`).
In `written`, `\\n` is a line break. In `expected`, ` ; ` joins terms that must all hold and ` | ` terms of which one must:

    S:spoken    the text sounds like this spoken text (the same phones, pauses left out)
    T:part      the normalised text has this part;  T!:part  it has not
    P:phones    the phones have this part, those of one Chinese character as one word (`ch ang2` is chang2);  P!:  not
    L:zh en     the languages of the segments in order
    W:part      a TimbralWarning says this

A line that starts with `#` is a comment.
"""

import csv
import warnings
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from timbral.errors import TimbralWarning
from timbral.text import Segment, to_phones, to_utterances
from timbral.text.symbols import PAUSES

TABLES = sorted((Path(__file__).parent / "cases").glob("*.tsv"))


class Case(NamedTuple):
    kind: str
    language: str
    written: str
    expected: str


class Spoken(NamedTuple):
    text: str
    phones: str
    languages: str
    warned: str
    sound: tuple[str, ...]


def cases(table: Path) -> list[Case]:
    mode = "auto" if table.stem == "mixed" else table.stem
    with table.open(encoding="utf-8", newline="") as stream:
        rows = csv.reader(
            (line for line in stream if not line.startswith("#")), "excel-tab", quoting=csv.QUOTE_NONE
        )
        next(rows)
        return [
            Case(kind, language or mode, written.replace("\\n", "\n"), expected)
            for kind, language, written, expected in rows
        ]


def syllables(segment: Segment) -> str:
    if segment.word2ph is None:
        return " ".join(segment.phones)
    borders = pairwise([0, *accumulate(segment.word2ph)])
    return " ".join("".join(segment.phones[start:end]) for start, end in borders)


def read(text: str, language: str) -> Spoken:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TimbralWarning)
        utterances = [*to_utterances(text)] if language == "utt" else [to_phones(text, language)]
    segments = [segment for utterance in utterances for segment in utterance.segments]
    return Spoken(
        "".join(segment.text for segment in segments),
        " ".join(map(syllables, segments)),
        " ".join(segment.language for segment in segments),
        " ".join(str(warning.message) for warning in caught),
        tuple(phone for segment in segments for phone in segment.phones if phone not in PAUSES),
    )


def holds(term: str, spoken: Spoken, language: str) -> bool:
    kind, _, value = term.strip().partition(":")
    match kind:
        case "S":
            return read(value, language).sound == spoken.sound
        case "T" | "T!":
            return (value in spoken.text) is (kind == "T")
        case "P" | "P!":
            return (f" {value} " in f" {spoken.phones} ") is (kind == "P")
        case "L":
            return value == spoken.languages
        case "W":
            return value in spoken.warned
    raise ValueError(f"no such term: {term}")


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{table.stem}-{case.kind}") for table in TABLES for case in cases(table)]
)
def test_is_read_as_a_careful_reader_would(case: Case) -> None:
    spoken = read(case.written, case.language)
    wrong = [
        group
        for group in case.expected.split(" ; ")
        if not any(holds(term, spoken, case.language) for term in group.split(" | "))
    ]
    assert not wrong, f"{case.written!r} is read {spoken.text!r}: {spoken.phones}"
