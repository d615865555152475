"""Hears a reference recording: its content as semantic tokens, its voice as a timbre."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbral.engine.sessions import Graph, SessionOptions


class ReferenceEncoder:
    """Two graphs over one recording, mono float32 [n] at the rate of the manifest (16 kHz)."""

    def __init__(self, content: Graph, timbre: Graph) -> None:
        self._content = content
        self._timbre = timbre

    @classmethod
    def open(cls, content: Path, timbre: Path, options: SessionOptions) -> "ReferenceEncoder":
        """content: audio float32 [1, n] → tokens int64 [1, T]; timbre: audio → timbre float32 [1, D]."""
        return cls(
            Graph(content, ("audio",), ("tokens",), options), Graph(timbre, ("audio",), ("timbre",), options)
        )

    def tokens(self, audio: NDArray[np.float32]) -> NDArray[np.int64]:
        """Semantic tokens [T] of a recording [n]."""
        tokens: NDArray[np.int64] = self._content({"audio": _row(audio)})[0][0]
        return tokens

    def timbre(self, recordings: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Timbre [D] of one or several recordings [n] of a speaker: the mean, as in the official code."""
        if not recordings:
            raise ValueError("a timbre needs at least one recording")
        heard = [self._timbre({"audio": _row(audio)})[0][0] for audio in recordings]
        mean: NDArray[np.float32] = np.mean(heard, axis=0, dtype=np.float32)
        return mean


def _row(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    if audio.ndim != 1 or not len(audio):
        raise ValueError(f"a recording is mono and not empty, not of the shape {audio.shape}")
    return np.ascontiguousarray(audio, np.float32)[None]
