"""Measures how a speaker speaks in recordings: pace, pauses, range of F0; and how far a voice follows what was measured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from timbral.audio.levels import frame_levels
from timbral.voices.prosody import Prosody

Floats = NDArray[np.float32]

PACES, PAUSES, RANGES = (0.85, 1.2), (0.7, 1.4), (0.8, 1.3)
"""Bounds of the factors by which a voice differs from the model's own durations, pauses and range of F0."""
USUAL_PAUSE, USUAL_RANGE = 0.42, 0.175
"""Mean pause in seconds and range of F0 in octaves that a model has of its own, measured on sovits-tiny."""
_PAUSE_POWER, _RANGE_POWER = 0.5, 0.7
"""Exponents by which a voice follows both: a recording is too short to be sure of them."""
_FRAME_S = 0.01
_QUIET = 30.0
"""dB below the loud parts of a recording at which nobody speaks."""
_LOUD = 0.95
"""Quantile of the levels that is loud."""
_SHORTEST_PAUSE = 0.12
"""Seconds; shorter silence belongs to a plosive."""
_HEARD = 0.86
"""Time that is measured as speech, over the time that the duration model gives to sounds, in its own speech: a plosive's silence
and what dies away are not measured."""
_PLAUSIBLE_PACES = (0.5, 2.0)
"""Beyond these it is no pace, but a mistake."""
_DOUBTFUL = 0.3
"""Logarithm of a ratio of times, twice as much as what is heard is usually wrong by."""
_FEWEST_FRAMES = 50
"""Voiced frames of which a range can be measured."""


class Followed(NamedTuple):
    """Factors on durations, on those of pauses beside it, and on how far F0 moves."""

    pace: float = 1.0
    pauses: float = 1.0
    pitch_range: float = 1.0


@dataclass(frozen=True)
class Timing:
    """How long somebody speaks in a recording, without silence at its ends, and the pauses in between, in seconds."""

    spoken: float
    pauses: tuple[float, ...]


def timing(samples: Floats, rate: int) -> Timing:
    """The timing of one recording [n]."""
    levels = frame_levels(samples, rate, _FRAME_S)
    if not len(levels):
        return Timing(0.0, ())
    loud = levels > np.quantile(levels, _LOUD) - _QUIET
    places = np.flatnonzero(loud)
    gaps = np.diff(places) - 1
    pauses = gaps[gaps >= round(_SHORTEST_PAUSE / _FRAME_S)] * _FRAME_S
    spoken = (places[-1] + 1 - places[0]) * _FRAME_S - pauses.sum()
    return Timing(float(spoken), tuple(float(pause) for pause in pauses))


def pitch_range(tracks: Sequence[Floats]) -> float | None:
    """Standard deviation in octaves of F0 tracks [F] in Hz, 0 where there is none; None of too little voice.

    It is taken from the middle 80 % of the values, since a tracker is an octave off now and then.
    """
    octaves = [np.log2(track[track > 0]) for track in tracks]
    around = np.concatenate([one - np.median(one) for one in octaves if len(one)] or [np.zeros(0)])
    if len(around) < _FEWEST_FRAMES:
        return None
    low, high = np.quantile(around, (0.1, 0.9))
    # Of a normal distribution, these two lie 2.563 standard deviations apart.
    return float(high - low) / 2.563


def trusted(transcribed: float, heard: float | None) -> float:
    """Usual seconds by the transcript, or those that were heard where it cannot be the transcript of this."""
    if heard is None or heard <= 0:
        return transcribed
    return heard if abs(math.log(max(transcribed, 0.01) / heard)) > _DOUBTFUL else transcribed


def measured(timings: Sequence[Timing], usual: Sequence[float], tracks: Sequence[Floats]) -> Prosody:
    """The prosody of a speaker in recordings.

    usual: seconds that the model would take for what is said in each of the first recordings. tracks: F0 [F] of each.
    """
    spoken = sum(one.spoken for one, _ in zip(timings, usual, strict=False))
    expected = _HEARD * sum(usual)
    pauses = [pause for one in timings for pause in one.pauses]
    return Prosody(
        pace=float(np.clip(spoken / expected, *_PLAUSIBLE_PACES)) if expected > 0 and spoken > 0 else None,
        pause=float(np.mean(pauses)) if pauses else None,
        pitch_range=pitch_range(tracks),
    )


def follow(prosody: Prosody | None) -> Followed:
    """What a voice with this prosody changes, within what sounds natural and is understood."""
    if prosody is None:
        return Followed()
    pause = USUAL_PAUSE if prosody.pause is None else prosody.pause
    pitch_range = USUAL_RANGE if prosody.pitch_range is None else prosody.pitch_range
    return Followed(
        float(np.clip(1.0 if prosody.pace is None else prosody.pace, *PACES)),
        float(np.clip((pause / USUAL_PAUSE) ** _PAUSE_POWER, *PAUSES)),
        float(np.clip((pitch_range / USUAL_RANGE) ** _RANGE_POWER, *RANGES)),
    )
