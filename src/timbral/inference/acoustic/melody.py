"""The melody of a speaker and of one utterance: changes of the F0 that stage two predicts.

Stage two knows the mean F0 of a speaker; how far the voice moves around it is measured in the recording. Beyond that, no sentence
is said twice with the same melody: F0 wanders smoothly about the predicted one, a little differently for each seed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timbral.inference.seeds import deviations, generator

Frames = NDArray[np.float32]

LOWEST, HIGHEST = 45.0, 720.0
"""F0 in Hz."""
_MEANS = (6.0, 9.0)
"""Of speakers, in log2 Hz; a timbre may be anybody's."""
LEVEL, WANDER, RANGE = 0.015, 0.03, 0.06
"""Standard deviations from one time that somebody says a sentence to the next: of its mean F0 and of its course, both in octaves,
and of the logarithm of its range."""
KNOT_S = 0.5
"""Seconds between the places at which the course is drawn."""


@dataclass(frozen=True)
class Melody:
    """How the F0 of an utterance differs from what stage two predicts.

    range: factor on how far F0, in octaves, is from the speaker's mean. seed: of this utterance's deviations; None for none.
    """

    range: float = 1.0
    seed: int | None = None

    def applied(self, f0: Frames, mean: float, first: int, frame_s: float) -> Frames:
        """F0 in Hz [1, F], of frames from the `first` of the utterance on, about a speaker's mean in log2 Hz.

        A frame's F0 depends on its own place alone, so windows fit.
        """
        factor, offset = self.range, np.zeros(f0.shape[1])
        if self.seed is not None:
            rng = generator(self.seed, "melody")
            level, spread = deviations(rng, 2)
            factor *= float(np.exp(RANGE * spread))
            places = (first + np.arange(f0.shape[1])) * frame_s / KNOT_S
            knots = deviations(rng, int(places[-1]) + 2)
            below = places.astype(np.int64)
            # Between two knots along half a cosine, which is level at both.
            share = 0.5 - 0.5 * np.cos(np.pi * (places - below))
            offset = LEVEL * level + WANDER * (knots[below] * (1 - share) + knots[below + 1] * share)
        mean = float(np.clip(mean, *_MEANS))
        octaves = np.log2(np.maximum(f0, LOWEST)) - mean
        return np.exp2(mean + factor * octaves + offset).clip(LOWEST, HIGHEST).astype(np.float32)
