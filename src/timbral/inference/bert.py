"""BERT features of phones, for models whose stage one reads them beside the phones."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbral.inference.lru_cache import ArrayCache
from timbral.inference.sessions import Graph, SessionOptions
from timbral.text.frontend import Segment, Utterance
from timbral.text.word_pieces import Tokens, WordPieces

MOST_TOKENS = 512
"""Tokens that BERT reads at once, the special ones included; longer texts are read in equal parts."""
_ROWS = 8
"""Texts in one run of the graph."""
_CACHE_BYTES = 32 << 20

Features = NDArray[np.float32]


class PhoneFeatures:
    """BERT features of utterances, a row a phone. Shared by all requests."""

    def __init__(self, pieces: WordPieces, encoder: "BertEncoder") -> None:
        self._pieces = pieces
        self._encoder = encoder

    @classmethod
    def open(cls, graph: Path, vocabulary: Path, options: SessionOptions) -> "PhoneFeatures":
        """graph: `bert.onnx`; vocabulary: `vocab.txt` or `tokenizer.json`."""
        return cls(WordPieces.read(vocabulary), BertEncoder.open(graph, options))

    def __call__(self, utterances: Sequence[Utterance]) -> list[Features]:
        """Features [phones, D] of each utterance.

        A phone has those of its character. Only Chinese is read: as in the official front end, the phones of
        other languages, Cantonese too, have zeros.
        """
        read = [segment for utterance in utterances for segment in utterance.segments if _is_read(segment)]
        tokens = [self._pieces(segment.text) for segment in read]
        features = iter(zip(tokens, self._encoder([text.ids for text in tokens]), strict=True))
        return [
            np.concatenate(
                [
                    of_phones(*next(features), segment.word2ph or ())
                    if _is_read(segment)
                    else np.zeros((len(segment.phones), self._encoder.size), np.float32)
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


class BertEncoder:
    """The BERT graph over token ids, several texts at a time, with an LRU cache. Shared by all requests."""

    def __init__(self, graph: Graph, cache: ArrayCache | None = None) -> None:
        self._graph = graph
        self._cache = cache or ArrayCache(_CACHE_BYTES)

    @classmethod
    def open(cls, path: Path, options: SessionOptions) -> "BertEncoder":
        """tokens int64 [B, L], lengths int64 [B] → features float32 [B, L - 2, D]."""
        return cls(Graph(path, ("tokens", "lengths"), ("features",), options))

    @property
    def size(self) -> int:
        """Numbers of a feature, D."""
        return int(self._graph.session.get_outputs()[0].shape[2])

    def __call__(self, texts: Sequence[NDArray[np.int64]]) -> list[Features]:
        """Features [n, D], not to be written to, of texts of n + 2 token ids, the first and last of them special."""
        parts = [_parts(ids) for ids in texts]
        known = self._read({part.tobytes(): part for text in parts for part in text})
        features: list[Features] = []
        for text in parts:
            read = [known[part.tobytes()] for part in text]
            features.append(read[0] if len(read) == 1 else np.concatenate(read))
        return features

    def _read(self, parts: dict[bytes, NDArray[np.int64]]) -> dict[bytes, Features]:
        """Features of each part: those in the cache, and the others in batches."""
        known = {key: cached for key in parts if (cached := self._cache.get(key)) is not None}
        # Texts of like length run together, since the shorter ones are padded.
        left = sorted(parts.keys() - known.keys(), key=lambda key: (len(key), key))
        for start in range(0, len(left), _ROWS):
            keys = left[start : start + _ROWS]
            for key, features in zip(keys, self._run([parts[key] for key in keys]), strict=True):
                features.flags.writeable = False
                known[key] = features
                self._cache.put(key, features)
        return known

    def _run(self, rows: list[NDArray[np.int64]]) -> list[Features]:
        lengths = np.array([len(row) for row in rows], np.int64)
        tokens = np.zeros((len(rows), lengths.max()), np.int64)
        for padded, row in zip(tokens, rows, strict=True):
            padded[: len(row)] = row
        (features,) = self._graph({"tokens": tokens, "lengths": lengths})
        return [row[: length - 2].copy() for row, length in zip(features, lengths, strict=True)]


def _parts(ids: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Token ids in parts that BERT can read, each between the special tokens."""
    inner = np.ascontiguousarray(ids[1:-1], np.int64)
    count = max(1, -(-len(inner) // (MOST_TOKENS - 2)))
    return [np.concatenate([ids[:1], part, ids[-1:]]) for part in np.array_split(inner, count)]
