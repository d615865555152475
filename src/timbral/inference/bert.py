"""What the words mean, for every phone: joins the tokens of a text, BERT, and the phones of an utterance."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbral.inference.sessions import SessionOptions
from timbral.inference.text_features import Features, TextFeatures
from timbral.text.frontend import Segment, Utterance
from timbral.text.word_pieces import Tokens, WordPieces


class PhoneFeatures:
    """Reads utterances for models that take BERT features beside the phones; shared by all requests."""

    def __init__(self, pieces: WordPieces, network: TextFeatures) -> None:
        self._pieces = pieces
        self._network = network

    @classmethod
    def open(cls, graph: Path, vocabulary: Path, options: SessionOptions) -> "PhoneFeatures":
        """graph: `bert.onnx`; vocabulary: `vocab.txt` or `tokenizer.json`."""
        return cls(WordPieces.read(vocabulary), TextFeatures.open(graph, options))

    def __call__(self, utterances: Sequence[Utterance]) -> list[Features]:
        """Features [phones, D] of each utterance.

        A phone has those of its character. Only Chinese is read: as in the official front end, the phones of
        other languages, Cantonese too, have zeros.
        """
        read = [segment for utterance in utterances for segment in utterance.segments if _is_read(segment)]
        tokens = [self._pieces(segment.text) for segment in read]
        features = iter(zip(tokens, self._network([text.ids for text in tokens]), strict=True))
        return [
            np.concatenate(
                [
                    of_phones(*next(features), segment.word2ph or ())
                    if _is_read(segment)
                    else np.zeros((len(segment.phones), self._network.size), np.float32)
                    for segment in utterance.segments
                ]
            )
            for utterance in utterances
        ]


def of_phones(tokens: Tokens, features: Features, word2ph: Sequence[int]) -> Features:
    """Features [phones, D] of a text's phones, from those of its tokens [n, D] and the phones of each character.

    A character without a token, such as white space, has zeros.
    """
    padded = np.concatenate([features, np.zeros((1, features.shape[1]), np.float32)])
    characters: NDArray[np.int64] = np.repeat(tokens.of_character, word2ph)
    return padded[characters]


def _is_read(segment: Segment) -> bool:
    return segment.language == "zh" and segment.word2ph is not None
