"""The rhythm of a speaker and of one utterance: factors on the durations that the duration model predicts.

The duration model speaks every sentence the same way, at the pace of its training data. A person has a pace of their own, and
says no sentence twice alike: utterances, phrases and sounds come out a little longer or shorter each time.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timbral.inference.seeds import deviations, generator

Durations = NDArray[np.float64]

UTTERANCE, PHRASE, SOUND, PAUSE = 0.025, 0.035, 0.06, 0.12
"""Standard deviations of the logarithms of durations, from one time that somebody says a sentence to the next: of all of it, of
the words between two pauses, of a sound, of a pause."""


@dataclass(frozen=True)
class Rhythm:
    """How an utterance is timed.

    pace: factor on all durations, above 1 for a slow speaker. pauses: factor on those of pauses, beside it. seed: of this
    utterance's deviations; None for durations exactly as predicted.
    """

    pace: float = 1.0
    pauses: float = 1.0
    seed: int | None = None

    def applied(self, durations: Durations, silent: NDArray[np.bool_]) -> Durations:
        """Durations [n] of phones, of which some are silent [n], in this rhythm."""
        factors = np.full(len(durations), self.pace)
        factors[silent] *= self.pauses
        if self.seed is not None:
            factors *= np.exp(_log_factors(silent, self.seed))
        timed: Durations = durations * factors
        return timed


PREDICTED = Rhythm()
"""Durations as they are predicted."""


def _log_factors(silent: NDArray[np.bool_], seed: int) -> Durations:
    """Logarithms of factors of phones [n]."""
    rng = generator(seed, "rhythm")

    def draw(deviation: float, count: int) -> Durations:
        drawn: Durations = deviation * deviations(rng, count)
        return drawn

    phrase = np.cumsum(np.diff(silent.astype(np.int64), prepend=0) > 0)
    whole, phrases = draw(UTTERANCE, 1), draw(PHRASE, len(silent) + 1)
    sounds, pauses = draw(SOUND, len(silent)), draw(PAUSE, len(silent))
    spoken: Durations = whole + np.where(silent, pauses, phrases[phrase] + sounds)
    return spoken
