"""Finds the main speaker of a training set by clustering speaker embeddings (GE2E, from the embedded model)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from timbral.audio import read
from timbral.audio.resampling import resample
from timbral.data.listing import Line
from timbral.errors import AudioError
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models import files, open_bundle
from timbral.training.task import ProgressCallback, no_progress

_SAME_SPEAKER = 0.7
"""Least cosine of the mean embeddings of two clusters of one speaker."""
_WINDOW = 1.6
"""Seconds; embeddings of shorter recordings are too noisy to begin a cluster."""
_EMBEDDING = 256
"""Size of the embedding, which is the beginning of the timbre vector."""
_MAX_CLUSTERED = 200
"""Longest recordings that are clustered; merging takes cubic time. The others join the nearest cluster."""

Floats = NDArray[np.float32]


def main_speaker(
    recordings: Sequence[Line], on_progress: ProgressCallback = no_progress
) -> tuple[list[Line], list[Line]]:
    """The recordings of the speaker with the most seconds of speech, and those of other speakers.

    Recordings that cannot be read stay among the former, for later steps to report.
    """
    embeddings, seconds = _embed(recordings, on_progress)
    known = np.flatnonzero(seconds >= _WINDOW)
    if len(known) < 2:
        return list(recordings), []
    known = known[np.argsort(-seconds[known], kind="stable")][:_MAX_CLUSTERED]
    centroids, weights = _cluster(embeddings[known], seconds[known])
    nearest = (embeddings @ centroids.T).argmax(1)
    others = (nearest != weights.argmax()) & (seconds > 0)
    return (
        [r for r, other in zip(recordings, others, strict=True) if not other],
        [r for r, other in zip(recordings, others, strict=True) if other],
    )


def _embed(recordings: Sequence[Line], on_progress: ProgressCallback) -> tuple[Floats, Floats]:
    """Unit embeddings [n, 256] and lengths [n] in seconds, 0 for what cannot be read."""
    bundle = open_bundle(None)
    rate = bundle.manifest.reference.rate
    encoder = Graph(bundle.path(files.TIMBRE), ("audio",), ("timbre",), SessionOptions(device="cpu"))
    embeddings = np.zeros((len(recordings), _EMBEDDING), np.float32)
    seconds = np.zeros(len(recordings), np.float32)
    for i, recording in enumerate(recordings):
        on_progress("comparing speakers", i / len(recordings))
        try:
            samples, native = read(recording.audio)
        except AudioError:
            continue
        audio = resample(samples, native, rate)
        if len(audio) < rate // 10 or not audio.any():
            continue
        (timbre,) = encoder({"audio": audio[None]})
        embeddings[i] = timbre[0, :_EMBEDDING] / np.linalg.norm(timbre[0, :_EMBEDDING])
        seconds[i] = len(audio) / rate
    return embeddings, seconds


def _cluster(embeddings: Floats, seconds: Floats) -> tuple[Floats, Floats]:
    """Merges the most similar clusters while they may be one speaker. Returns unit centroids [k, 256] and
    seconds [k].
    """
    sums, weights = embeddings * seconds[:, None], seconds
    while True:
        centroids = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        similarity = centroids @ centroids.T
        np.fill_diagonal(similarity, -1)
        i, j = divmod(int(similarity.argmax()), len(sums))
        if similarity[i, j] < _SAME_SPEAKER:
            return centroids, weights
        sums[i] += sums[j]
        weights[i] += weights[j]
        sums, weights = np.delete(sums, j, 0), np.delete(weights, j)
