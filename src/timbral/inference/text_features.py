"""What texts mean: runs the BERT graph over token ids, several texts at a time, and keeps what it gave.

Knows no texts and no vocabulary: a text is its token ids, and what is kept is found again by them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbral.inference.lru_cache import ArrayCache
from timbral.inference.sessions import Graph, SessionOptions

LONGEST = 512
"""Tokens that BERT reads at once, the special ones included; longer texts are read in equal parts."""
_ROWS = 8
"""Texts in one run of the graph."""
_KEPT_BYTES = 32 << 20

Features = NDArray[np.float32]


class TextFeatures:
    """BERT, shared by all requests."""

    def __init__(self, graph: Graph, cache: ArrayCache | None = None) -> None:
        self._graph = graph
        self._cache = cache or ArrayCache(_KEPT_BYTES)

    @classmethod
    def open(cls, path: Path, options: SessionOptions) -> "TextFeatures":
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
        """The features of each part: those that are kept, and of the others as many at a time as a run takes."""
        known = {key: kept for key in parts if (kept := self._cache.get(key)) is not None}
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
    count = max(1, -(-len(inner) // (LONGEST - 2)))
    return [np.concatenate([ids[:1], part, ids[-1:]]) for part in np.array_split(inner, count)]
