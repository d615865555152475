"""The beginning of an utterance, decided before its end is sampled, so that it can be heard."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from timbral.inference.alignment.durations import Schedule, fit
from timbral.inference.alignment.hmm_aligner import HmmAligner
from timbral.inference.guard.checks import CandidateChecks

_LATER = 4
"""Tokens at the end of what there is that may still turn out to speak other phones."""
_BETWEEN_LOOKS = 8
"""Tokens. Looks are at fixed numbers of them, so that what is decided does not depend on when somebody looks."""


class Opening:
    """The first `count` tokens of an utterance in the timing of its schedule.

    tokens: int64 [count], None as long as nothing is decided. over: whether it is, or cannot be any more.
    """

    def __init__(
        self,
        aligner: HmmAligner,
        checks: CandidateChecks,
        phones: NDArray[np.int64],
        schedule: Schedule,
        count: int,
    ) -> None:
        """checks: of the candidate; one that is bad already is not begun."""
        self._aligner, self._checks, self._phones, self._schedule = aligner, checks, phones, schedule
        self._last_phone = schedule.positions[count - 1]
        self._checked = 0
        self.count = count
        self.next_look = count + _LATER
        self.tokens: NDArray[np.int64] | None = None
        self.over = False

    def look(self, sampled: Sequence[int]) -> None:
        """Decides from the tokens that have been sampled so far, if they suffice."""
        while not self.over and len(sampled) >= self.next_look:
            looked_at = np.asarray(sampled[: self.next_look], np.int64)
            new = looked_at[self._checked :].tolist()
            if any(self._checks.push(token) is not None for token in new):
                self.over = True
                return
            path = self._aligner.path(self._phones, looked_at, ended=False)
            if path[-_LATER] > self._last_phone:
                self.tokens = fit(looked_at, path, self._schedule.positions)[: self.count]
                self.over = True
            self._checked = self.next_look
            self.next_look += _BETWEEN_LOOKS
