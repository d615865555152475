"""Melody: median and spread of F0, which the embedded model's content encoder finds."""

import numpy as np
from numpy.typing import NDArray

from timbral.audio import Audio
from timbral.audio.resampling import resample
from timbral.evaluation.metrics.interface import Column, Measured, Spoken
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models import files
from timbral.models.store import embedded_path

_RATE = 16_000
_LEAST = 4000
_FEWEST = 5
"""Voiced frames that a median needs."""


class Pitch:
    """Median F0 in semitones above the prompt's, and standard deviation of F0 in semitones."""

    name = "pitch"
    fingerprint = "pitch 1"
    needs_parent = False
    columns = (
        Column("pitch", "pitch - prompt's", "near", 1, "semitones"),
        Column("intonation", "intonation", "near", 1, "semitones"),
    )

    def __init__(self, options: SessionOptions) -> None:
        self._graph = Graph(embedded_path() / files.CONTENT, ("audio",), ("tokens", "f0"), options)

    def measure(self, spoken: Spoken) -> Measured:
        speech, prompt = self._semitones(spoken.speech), self._semitones(spoken.prompt)
        if min(len(speech), len(prompt)) < _FEWEST:
            return Measured({})
        return Measured(
            {"pitch": float(np.median(speech) - np.median(prompt)), "intonation": float(np.std(speech))}
        )

    def _semitones(self, sound: Audio) -> NDArray[np.float64]:
        """F0 of the voiced frames in semitones above 1 Hz."""
        samples = resample(sound.samples, sound.rate, _RATE)
        if len(samples) < _LEAST or not samples.any():
            return np.zeros(0)
        f0 = self._graph({"audio": samples[None]})[1][0].astype(np.float64)
        return np.asarray(12 * np.log2(f0[f0 > 0]), np.float64)
