"""What the envelopes of a recording have that stage two would not say of them.

A small network that has heard a few hundred voices gets another one nearly right. How its envelopes of the reference recording
differ from those that are measured in it is known when a voice is cloned, sound by sound; what it says later is moved by what was
lacking at sounds alike. So a voice is remembered where a larger network would have learned it. What is alike is found in the
vocoder's graph.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from timbral.audio.mel_axis import Floats, mel_points, nearest
from timbral.inference.acoustic.envelope import SIZE, spectral_envelope
from timbral.inference.sessions import Graph

TOP = 7000.0
"""Hz above which recordings often end, and the network knows better."""
_FADED = 6
"""Points above, over which a residual goes to zero."""
_LARGEST = 1.0
"""Nepers; what differs by more is something else than the voice."""
_LOUD, _BELOW, _STEEP = 0.9, 2.0, 3.0
"""Pauses tell of the room: which quantile of the levels of a recording is loud, so many nepers below it a frame counts by half,
and how steeply that falls."""
_FRAME = 0.01
"""Seconds from one frame to the next."""


@dataclass(frozen=True)
class EnvelopePredictor:
    """Compares a recording with what stage two would make of it.

    graph: tokens int64 [1, T], timbre float32 [1, D], f0 float32 [1, F] in Hz or 0 → envelope float32 [1, F, points],
    log magnitudes up to `top` Hz. group: frames of one sound.
    """

    graph: Graph
    top: float
    group: int

    def residuals(
        self,
        samples: NDArray[np.float32],
        rate: int,
        tokens: NDArray[np.int64],
        f0: NDArray[np.float32],
        timbre: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Of each sound in samples [n], of which tokens [T], F0 [F] and timbre [D] were heard: float32 [sounds, 2, points].

        The shape of the envelope that stage two says, and what it lacks.
        """
        (said,) = self.graph({"tokens": tokens[None], "timbre": timbre[None], "f0": f0[None]})
        return residuals(
            spectral_envelope(samples, f0, rate, round(_FRAME * rate)), said[0], rate, self.top, self.group
        )


def residuals(
    measured: Floats, said: NDArray[np.float32], rate: int, top: float, group: int
) -> NDArray[np.float32]:
    """Of envelopes measured [F, bins up to rate / 2] and said [F, points up to top]; F is a multiple of `group`."""
    measured = measured @ _to_points(said.shape[1], top, rate).T
    known = measured.shape[1]
    level = measured.mean(1)
    loud = 1 / (1 + np.exp(-_STEEP * (level - np.quantile(level, _LOUD) + _BELOW)))
    lacking = measured - said[:, :known]
    lacking = np.clip(lacking - lacking.mean(1, keepdims=True), -_LARGEST, _LARGEST)
    above = np.interp(np.arange(said.shape[1] - known), [0, _FADED], [1, 0])
    both = np.stack(
        [said - said.mean(1, keepdims=True), np.concatenate([lacking, lacking[:, -1:] * above], 1)], 1
    )
    weights = loud.reshape(-1, group, 1, 1)
    sounds = (both.reshape(-1, group, *both.shape[1:]) * weights).sum(1) / weights.sum(1)
    counted = weights.mean(1)[:, 0, 0] > 0.5
    kept: NDArray[np.float32] = (sounds[counted] if counted.any() else sounds).astype(np.float32)
    return kept


@cache
def _to_points(count: int, top: float, rate: int) -> Floats:
    """The matrix [known, bins] from spectra to those points that lie below TOP."""
    points, bins = mel_points(count, top), np.linspace(0, rate / 2, SIZE // 2 + 1)
    return nearest(points[points <= rate / 2], bins)[: int((points <= TOP).sum())]
