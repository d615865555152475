"""Joins the chunks of sentences, with pauses between sentences and short fades at their edges."""

import numpy as np
from numpy.typing import NDArray

FADE = 0.005
"""Seconds over which a sentence's first and last samples rise and fall."""


class Joiner:
    """Takes the chunks of one sentence after the other and returns final samples.

    It keeps back FADE seconds of the running sentence, because its end has to fall. The samples are the same
    however a sentence was cut into pieces.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._rise = np.linspace(0, 1, int(FADE * rate), dtype=np.float32)
        self._begun = 0
        self._held = np.zeros(0, np.float32)
        self._pause = 0.0

    def pause(self, seconds: float) -> None:
        """Replaces the pause before the next sentence."""
        self._pause = seconds

    def push(self, samples: NDArray[np.float32], *, last: bool, pause: float) -> NDArray[np.float32]:
        """Takes the next samples [n] of a sentence, `last` if it ends here, and the pause after it in s.

        Returns samples [m] that are final.
        """
        before = np.zeros(round(self._pause * self._rate), np.float32)
        self._pause = 0.0
        rising = self._rise[self._begun : self._begun + len(samples)]
        samples = samples.copy()
        samples[: len(rising)] *= rising
        self._begun += len(samples)
        known = np.concatenate([self._held, samples])
        if not last:
            final = max(0, len(known) - len(self._rise))
            self._held = known[final:]
            return np.concatenate([before, known[:final]])
        falling = self._rise[::-1][-len(known) :] if len(known) else self._rise[:0]
        known[len(known) - len(falling) :] *= falling
        self._begun, self._held, self._pause = 0, self._held[:0], pause
        return np.concatenate([before, known])
