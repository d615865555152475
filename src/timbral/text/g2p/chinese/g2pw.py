"""Which reading of a character with several, by a published G2PW model (Chen et al., Interspeech 2022, arXiv:2203.10430).

G2PW is a BERT that reads a clause and classifies one character of it. Its tables hold Bopomofo and traditional characters; this
module takes simplified characters and gives pinyin. The characters that it leaves to the dictionary are those of GPT-SoVITS
(`text/g2pw`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pypinyin import Style, lazy_pinyin

from timbral.errors import BundleError
from timbral.text.g2p.chinese.taiwanese import to_taiwanese
from timbral.text.word_pieces import WordPieces

Network = Callable[[Mapping[str, NDArray[Any]]], Sequence[NDArray[Any]]]
"""Runs the model's graph: its first output is the probability of each label for each question."""

INPUTS = ("input_ids", "token_type_ids", "attention_mask", "phoneme_mask", "char_ids", "position_ids")
OUTPUT = "probs"
TABLES = ("bopomofo_to_pinyin_wo_tune_dict.json", "POLYPHONIC_CHARS.txt", "MONOPHONIC_CHARS.txt")
"""Files of a published model beside its graph: syllables in both spellings, characters with several and with one reading."""
_CONTEXT = 16
"""Characters before the first question and after the last one that the network sees."""
_LONGEST = 510
"""Characters that the network can see, and two special tokens."""
_NOT_ASKED = frozenset("一不和咋嗲剖差攢倒難奔勁拗肖瘙誒泊听噢")
"""Characters with several readings for which the official front end trusts its dictionary more."""
_NOT_FIXED = frozenset("似攢")
"""Characters that the table of single readings is wrong about."""


@dataclass(frozen=True)
class G2PWTables:
    """What a model knows beside its weights.

    labels: pinyin of each output of the network, None for one that is none.
    choices: for each character that the network was taught, the outputs to choose from.
    readings: pinyin of characters with one reading.
    """

    labels: tuple[str | None, ...]
    choices: Mapping[str, tuple[int, ...]]
    readings: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path) -> "G2PWTables":
        """The tables in the folder of a published model.

        Raises BundleError if one is missing or is not what it should be.
        """
        spellings, of_several, of_one = (folder / name for name in TABLES)
        try:
            syllables = json.loads(spellings.read_text("utf-8"))
            several = _pairs(of_several)
            single = _pairs(of_one)
            bopomofo = sorted({sound for _, sound in several})
            places = {sound: at for at, sound in enumerate(bopomofo)}
            choices: dict[str, list[int]] = {}
            for character, sound in several:
                choices.setdefault(character, []).append(places[sound])
            readings = {character: _pinyin(sound, syllables) for character, sound in single}
            labels = tuple(_pinyin(sound, syllables) for sound in bopomofo)
        except (OSError, ValueError, AttributeError) as error:
            raise BundleError(f"{folder} is not the folder of a G2PW model: {error}") from error
        return cls(
            labels,
            {character: tuple(some) for character, some in choices.items()},
            {character: reading for character, reading in readings.items() if reading},
        )


class G2PW:
    """A `Polyphones` reader (see `timbral.text.g2p.pronunciation`) that asks a published model."""

    def __init__(self, network: Network, tables: G2PWTables, pieces: WordPieces) -> None:
        """pieces: tokens of the vocabulary that the model was taught with, that of bert-base-chinese."""
        self._network = network
        self._pieces = pieces
        self._labels = tables.labels
        self._readings = {char: sound for char, sound in tables.readings.items() if char not in _NOT_FIXED}
        self._asked = tables.choices.keys() - _NOT_ASKED
        characters = sorted(tables.choices)
        self._numbers = {character: number for number, character in enumerate(characters)}
        self._masks = np.zeros((len(characters), len(tables.labels)), np.float32)
        for number, character in enumerate(characters):
            self._masks[number, list(tables.choices[character])] = 1

    def __call__(self, clause: str) -> list[str | None]:
        """The reading of each character of a clause.

        The network is asked about characters with several readings; those with one are read by the model's
        table, all others, and what it leaves open, by dictionary.
        """
        text = to_taiwanese(clause)
        spoken: list[str | None] = list(_by_dictionary(clause))
        for at, character in enumerate(text):
            spoken[at] = self._readings.get(character, spoken[at])
        questions = [at for at, character in enumerate(text) if character in self._asked]
        for at, label in zip(questions, self._ask(text, questions), strict=True):
            spoken[at] = self._labels[label] or spoken[at]
        return spoken

    def _ask(self, text: str, questions: Sequence[int]) -> list[int]:
        """The most probable label of each character in question; those of a text of usual length in one run."""
        if not questions:
            return []
        start = max(0, questions[0] - _CONTEXT)
        seen = text[start : questions[-1] + 1 + _CONTEXT]
        if len(seen) > _LONGEST:
            half = len(questions) // 2
            return self._ask(text, questions[:half]) + self._ask(text, questions[half:])
        tokens = self._pieces(seen)
        numbers = [self._numbers[text[at]] for at in questions]
        ids = tokens.ids[None]
        probabilities = self._network(
            {
                "input_ids": ids,
                "token_type_ids": np.zeros_like(ids),
                "attention_mask": np.ones_like(ids),
                "phoneme_mask": self._masks[numbers],
                "char_ids": np.array(numbers, np.int64),
                "position_ids": tokens.of_character[np.array(questions) - start] + 1,
            }
        )[0]
        best: list[int] = probabilities.argmax(1).tolist()
        return best


def _by_dictionary(clause: str) -> Sequence[str]:
    """The reading of each character that pypinyin finds likeliest in the clause; a sign is its own."""
    return lazy_pinyin(clause, style=Style.TONE3, neutral_tone_with_five=True, errors=_sign_by_sign)


def _sign_by_sign(signs: str) -> Any:
    return list(signs)


def _pairs(path: Path) -> list[tuple[str, str]]:
    """Characters and their sounds in Bopomofo, from lines with a tab between."""
    lines = path.read_text("utf-8").split("\n")
    return [(character, sound) for character, sound in (line.split("\t") for line in lines if line)]


def _pinyin(bopomofo: str, syllables: Mapping[str, str]) -> str | None:
    """Pinyin with its tone number (`"lv4"`) of a sound in Bopomofo with one (`"ㄌㄩ4"`)."""
    syllable = syllables.get(bopomofo[:-1])
    return syllable + bopomofo[-1] if syllable else None
