"""Reads the packed feature shards that features.py writes."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SAMPLES_PER_TOKEN = 960
FRAMES_PER_TOKEN = 4


@dataclass
class Utterance:
    """One utterance: T tokens of 40 ms.

    audio: int16 [960 T] at 24 kHz; content: float16 [T, 512]; f0: Hz [4 T]; confidence: of voicing [4 T];
    speaker: GE2E embedding [256]; meta: id, lang, speaker, text, corpus.
    """

    meta: dict
    audio: np.ndarray
    content: np.ndarray
    f0: np.ndarray
    confidence: np.ndarray
    speaker: np.ndarray

    @property
    def voiced(self) -> np.ndarray:
        return self.confidence > 0.5

    @property
    def mean_pitch(self) -> float:
        """Mean log2 F0 of the voiced frames."""
        return float(np.log2(self.f0[self.voiced]).mean()) if self.voiced.any() else 7.5


def read(folder: Path) -> list[Utterance]:
    """All utterances of a folder of shards, in a fixed order."""
    found = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as shard:
            metas = json.loads(shard["meta"].tobytes())
            data = {k: shard[k] for k in ("audio", "content", "f0", "confidence", "speaker")}
            ends = np.cumsum(shard["lengths"])
        for i, (meta, end) in enumerate(zip(metas, ends, strict=True)):
            start = 0 if i == 0 else ends[i - 1]
            part = slice(start, end)
            frames = slice(start * FRAMES_PER_TOKEN, end * FRAMES_PER_TOKEN)
            samples = slice(start * SAMPLES_PER_TOKEN, end * SAMPLES_PER_TOKEN)
            found.append(
                Utterance(
                    meta,
                    data["audio"][samples],
                    data["content"][part],
                    data["f0"][frames],
                    data["confidence"][frames].astype(np.float32),
                    data["speaker"].reshape(-1, 256)[i],
                )
            )
    return found
