"""Spectral corrections of a voice: how the envelopes of its recording differ from those that stage two predicts for it.

A small network does not get every voice right. Cloning measures, sound by sound, how its envelopes differ from the recording's;
when the voice speaks, the vocoder graph moves each envelope by the corrections of similar sounds. So likeness needs no training.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from timbral.audio.mel_axis import Floats, mel_points, nearest
from timbral.inference.acoustic.envelope import SIZE, spectral_envelope
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models import Bundle, SourceFilter, files

TOP = 7000.0
"""Hz above which recordings often hold nothing, so that predictions stay as they are."""
_FADE_POINTS = 6
"""Points above TOP over which a residual fades to zero."""
_LARGEST_RESIDUAL = 1.0
"""Nepers; larger differences are errors of the analysis and not the voice."""
_LOUD, _BELOW, _STEEP = 0.9, 2.0, 3.0
"""Weights of frames, since pauses hold the room and not the voice: the quantile of levels that is loud, the nepers below it
at which a frame counts by half, and the steepness there."""
_FRAME = 0.01
"""Seconds from one frame to the next."""


@dataclass(frozen=True)
class EnvelopePredictor:
    """The graph that predicts the envelopes which stage two gives a recording, and the comparison with measured ones.

    graph: tokens int64 [1, T], timbre float32 [1, D], f0 float32 [1, F] in Hz or 0 → envelope float32 [1, F, points], log
    magnitudes up to `top` Hz. group: frames of one sound.
    """

    graph: Graph
    top: float
    group: int

    @classmethod
    def open(cls, bundle: Bundle, shape: SourceFilter, options: SessionOptions) -> "EnvelopePredictor":
        """Opens `envelope.onnx`."""
        graph = Graph(bundle.path(files.ENVELOPE), ("tokens", "timbre", "f0"), ("envelope",), options)
        return cls(graph, bundle.manifest.sample_rate / 2, shape.frames_per_token)

    def residuals(
        self,
        samples: NDArray[np.float32],
        rate: int,
        tokens: NDArray[np.int64],
        f0: NDArray[np.float32],
        timbre: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Of each sound in samples [n] with tokens [T], F0 [F] and timbre [D]: float32 [sounds, 2, points].

        The shape of the predicted envelope, and what to add to it.
        """
        (predicted,) = self.graph({"tokens": tokens[None], "timbre": timbre[None], "f0": f0[None]})
        measured = spectral_envelope(samples, f0, rate, round(_FRAME * rate))
        return residuals(measured, predicted[0], rate, self.top, self.group)


def residuals(
    measured: Floats, predicted: NDArray[np.float32], rate: int, top: float, group: int
) -> NDArray[np.float32]:
    """Of envelopes measured [F, bins up to rate / 2] and predicted [F, points up to top]; F is a multiple of `group`."""
    measured = measured @ _to_points(predicted.shape[1], top, rate).T
    known = measured.shape[1]
    level = measured.mean(1)
    loud = 1 / (1 + np.exp(-_STEEP * (level - np.quantile(level, _LOUD) + _BELOW)))
    missing = measured - predicted[:, :known]
    missing = np.clip(missing - missing.mean(1, keepdims=True), -_LARGEST_RESIDUAL, _LARGEST_RESIDUAL)
    above = np.interp(np.arange(predicted.shape[1] - known), [0, _FADE_POINTS], [1, 0])
    both = np.stack(
        [predicted - predicted.mean(1, keepdims=True), np.concatenate([missing, missing[:, -1:] * above], 1)],
        1,
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
