"""Best-of-N sampling: which of several candidates says its phones best, and when each of its tokens is spoken."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timbral.inference.acoustic.interface import TimedTokens
from timbral.inference.alignment.durations import DurationPredictor, Schedule, fit
from timbral.inference.alignment.hmm_aligner import HmmAligner
from timbral.inference.alignment.opening import Opening
from timbral.inference.alignment.rhythm import PREDICTED, Rhythm
from timbral.inference.guard.checks import CandidateChecks
from timbral.inference.request import UtteranceRequest

CANDIDATES = 4
"""Candidates of an utterance where an aligner ranks them and the tokens decide what is said."""


@dataclass(frozen=True)
class CandidateSelector:
    """Ranks candidates by alignment score and sets their timing. Immutable, shared by all requests.

    aligner: None for models without one, whose utterances have a single candidate.
    durations: the duration model of a stage two that reads phones beside tokens; only together with an aligner.
    """

    aligner: HmmAligner | None = None
    durations: DurationPredictor | None = None
    candidates: int = CANDIDATES

    def count(self, request: UtteranceRequest) -> int:
        """How many candidates to sample: one where phones decide what is said, and where all would be the same."""
        alone = self.aligner is None or self.durations is not None or request.sampling.greedy
        return 1 if alone else self.candidates

    def scores(
        self, phones: NDArray[np.int64], candidates: Sequence[NDArray[np.int64]]
    ) -> NDArray[np.float64]:
        """Alignment score of each candidate [T] with the phones [n], higher is better; zeros without an aligner."""
        return self.aligner.scores(phones, candidates) if self.aligner else np.zeros(len(candidates))

    def schedule(
        self, phones: NDArray[np.int64], pause_within: float = 0.0, rhythm: Rhythm = PREDICTED
    ) -> Schedule | None:
        """When the phones [n] of an utterance are spoken, where a duration model decides that; see its `schedule`."""
        return self.durations.schedule(phones, pause_within, rhythm) if self.durations else None

    def opening(
        self, phones: NDArray[np.int64], schedule: Schedule | None, count: int, checks: CandidateChecks
    ) -> Opening | None:
        """The first `count` tokens of the phones [n], to be decided early; None where that brings nothing."""
        if schedule is None or self.aligner is None or not 0 < count < len(schedule.positions):
            return None
        return Opening(self.aligner, checks, phones, schedule, count)

    def timed(
        self, phones: NDArray[np.int64], tokens: NDArray[np.int64], schedule: Schedule | None
    ) -> TimedTokens:
        """The tokens [T] of the phones [n], repeated or left out until they fit the schedule."""
        if schedule is None or not len(tokens):
            return TimedTokens(tokens)
        assert self.aligner is not None
        return TimedTokens(
            fit(tokens, self.aligner.path(phones, tokens), schedule.positions), schedule.phones
        )
