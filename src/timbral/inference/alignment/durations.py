"""The rhythm of an utterance: a duration model says how long each phone is spoken.

A schedule puts these durations on the grid of tokens. The tokens that stage one samples are fitted to it: those that speak a
phone are repeated or left out until they last as long as it.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timbral.inference.alignment.rhythm import PREDICTED, Rhythm
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models import Bundle, files

Ids = NDArray[np.int64]
Durations = NDArray[np.float64]

LONGEST_ONSET = 2
"""Tokens that the first phone of an utterance takes at most; the rest of its duration is silence before it."""
LONGEST_PHONE = 100
"""Tokens that any phone takes at most, pauses too: four seconds."""
TOKENS_PER_SECOND = 25


@dataclass(frozen=True, eq=False)
class Schedule:
    """When an utterance speaks what.

    positions: which of the utterance's phones each token speaks, int64 [S], ascending; a phone shorter than a token may
    have none. phones: the phones that the two halves of each token speak, int64 [S, 2].
    borders: when its n phones begin and end, [n + 1] in tokens.
    """

    positions: Ids
    phones: Ids
    borders: Durations


class DurationPredictor:
    """The duration model. Immutable, shared by all requests."""

    def __init__(self, graph: Graph, pause: int, sentence_ends: Collection[int] = ()) -> None:
        """pause: a phone that is silent. sentence_ends: phones that end a sentence, which are silent too."""
        self._graph = graph
        self._pause = pause
        self._sentence_ends = np.array(sorted(sentence_ends), np.int64)

    @classmethod
    def open(
        cls, bundle: Bundle, options: SessionOptions, pause: int, sentence_ends: Collection[int]
    ) -> "DurationPredictor":
        """Opens `durations.onnx`: phones int64 [1, n] → durations float32 [1, n], in tokens. Raises BundleError."""
        graph = Graph(bundle.path(files.DURATIONS), ("phones",), ("durations",), options)
        return cls(graph, pause, sentence_ends)

    def schedule(self, phones: Ids, pause_within: float = 0.0, rhythm: Rhythm = PREDICTED) -> Schedule:
        """The schedule of an utterance's phones [n], one token long or more.

        rhythm: in which it is spoken; the silence at both ends is as predicted.
        pause_within: seconds by which pauses between its sentences are then longer (or, below 0, shorter).
        The silence before the first phone is counted in its duration; stage two hears it as a pause, or it would begin too
        early and slur.
        """
        durations = self._timed(phones, rhythm)
        if pause_within:
            inner = self._between_sentences(phones)
            wanted = durations[inner] + pause_within * TOKENS_PER_SECOND
            durations[inner] = wanted.clip(np.minimum(durations[inner], 1.0), 2 * LONGEST_PHONE)
        borders = np.cumsum(durations)
        ends = np.rint(borders).astype(np.int64)
        ends[-1] = max(1, ends[-1])
        positions = np.repeat(np.arange(len(phones)), np.diff(ends, prepend=0))
        spoken = halves(phones, positions)
        silence = max(0, ends[0] - LONGEST_ONSET)
        spoken[:silence] = self._pause
        return Schedule(positions, spoken, np.concatenate([[min(silence, borders[0])], borders]))

    def predict(self, phones: Ids) -> Durations:
        """Durations of phones [n] in tokens, as the model predicts them."""
        (predicted,) = self._graph({"phones": phones[None]})
        # The graph may be anybody's: what it says is bounded.
        durations: Durations = np.nan_to_num(predicted[0].astype(np.float64)).clip(0, LONGEST_PHONE)
        return durations

    def seconds(self, phones: Ids) -> float:
        """How long it takes to say phones [n], without pauses."""
        durations = self.predict(phones)
        durations[0] = min(durations[0], LONGEST_ONSET)
        return float(durations[~self.silent(phones)].sum()) / TOKENS_PER_SECOND

    def silent(self, phones: Ids) -> NDArray[np.bool_]:
        """Which of the phones [n] are pauses."""
        pauses: NDArray[np.bool_] = (phones == self._pause) | np.isin(phones, self._sentence_ends)
        return pauses

    def _timed(self, phones: Ids, rhythm: Rhythm) -> Durations:
        durations, silent = self.predict(phones), self.silent(phones)
        onset = durations[0] - min(durations[0], LONGEST_ONSET)
        durations[0] -= onset
        timed = rhythm.applied(durations, silent)
        timed[0] += onset
        if silent[-1]:
            timed[-1] = durations[-1]
        return timed.clip(0, LONGEST_PHONE)

    def _between_sentences(self, phones: Ids) -> Ids:
        """Indices of sentence ends that have words on both sides."""
        ends = np.isin(phones, self._sentence_ends)
        words = np.flatnonzero(~ends)
        if not len(words):
            return words
        inner: Ids = words[0] + np.flatnonzero(ends[words[0] : words[-1]])
        return inner


def fit(tokens: Ids, path: Ids, positions: Ids) -> Ids:
    """Tokens [S] in the timing of `positions` [S], from tokens [T] that speak the phones at `path` [T].

    A phone that no token speaks gets the token before which it should have been.
    """
    phones = np.arange(max(path[-1], positions[-1]) + 1)
    first, last = np.searchsorted(path, phones), np.searchsorted(path, phones, "right")
    begins, ends = np.searchsorted(positions, phones), np.searchsorted(positions, phones, "right")
    spoken, wanted = (last - first)[positions], (ends - begins)[positions]
    within = (2 * (np.arange(len(positions)) - begins[positions]) + 1) * spoken // (2 * wanted)
    result: Ids = tokens[(first[positions] + within).clip(max=len(tokens) - 1)]
    return result


def halves(phones: Ids, positions: Ids) -> Ids:
    """The phones [S, 2] that the halves of tokens at `positions` [S] speak; a phone without a token gets a second half."""
    skipped = np.append(positions[1:] - positions[:-1], 0) > 1
    return np.stack([phones[positions], phones[positions + skipped]], 1)
