"""Speaker similarity: cosine of GE2E embeddings (Wan et al. 2018) of the speech and the prompt."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from timbral.audio import Audio
from timbral.audio.levels import frame_levels
from timbral.audio.resampling import resample
from timbral.evaluation.metrics.interface import Column, Measured, Spoken
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models import files
from timbral.models.store import embedded_path

_RATE = 16_000
_EMBEDDING = 256
_STEP = 0.01
_PAUSE = 35.0
"""dB below the loudest frames at which the ends of a recording are cut off."""
_LEAST = 8000
_OTHERS, _KEPT = 12, 32
"""Other voices that a margin is to; embeddings that are kept."""


class SpeakerEncoder:
    """The GE2E network, which is the first part of the embedded model's timbre encoder.

    It is that of the embedded model whichever model is evaluated, so that a broken encoder cannot judge itself.
    """

    def __init__(self, options: SessionOptions) -> None:
        self._graph = Graph(embedded_path() / files.TIMBRE, ("audio",), ("timbre",), options)

    def embed(self, sound: Audio) -> NDArray[np.float32]:
        """Unit vector [256] of the speaker; zeros for silence."""
        samples = _trimmed(resample(sound.samples, sound.rate, _RATE))
        if len(samples) < _LEAST:
            samples = np.resize(samples, _LEAST) if len(samples) else np.zeros(_LEAST, np.float32)
        if not np.abs(samples).max() > 1e-5:
            return np.zeros(_EMBEDDING, np.float32)
        vector: NDArray[np.float32] = self._graph({"audio": samples[None]})[0][0, :_EMBEDDING]
        return np.asarray(vector / np.maximum(np.linalg.norm(vector), 1e-9), np.float32)


class SpeakerSimilarity:
    """Cosine with the prompt, with the nearest prompt of another voice subtracted, and with the parent.

    Two halves of one recording reach 0.82 on average, recordings of two people 0.58.
    """

    name = "speaker"
    needs_parent = False
    columns = (
        Column("similarity", "similarity", "high"),
        Column("margin", "margin to other voices", "high"),
        Column("parent_similarity", "similarity to the parent", "high"),
    )

    def __init__(self, prompts: Mapping[str, Audio], options: SessionOptions, parent: str) -> None:
        """prompts: the recordings of all voices of the suite, by name. parent: digest of the parent."""
        self._encoder = SpeakerEncoder(options)
        self._prompt = lru_cache(maxsize=_KEPT)(lambda name: self._encoder.embed(prompts[name]))
        self._others = list(islice(prompts, _OTHERS))
        self.fingerprint = f"GE2E 1, {','.join(self._others)}, {parent}"

    def measure(self, spoken: Spoken) -> Measured:
        embedding = self._encoder.embed(spoken.speech)
        own = float(embedding @ self._prompt(spoken.voice))
        values = {"similarity": own}
        if others := [name for name in self._others if name != spoken.voice]:
            values["margin"] = own - max(float(embedding @ self._prompt(name)) for name in others)
        if spoken.parent is not None:
            values["parent_similarity"] = float(embedding @ self._encoder.embed(spoken.parent))
        return Measured(values)


def _trimmed(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    levels = frame_levels(samples, _RATE, _STEP)
    if not len(levels):
        return samples
    loud = np.flatnonzero(levels > np.percentile(levels, 99) - _PAUSE)
    size = int(_STEP * _RATE)
    return samples[loud[0] * size : (loud[-1] + 1) * size]
