"""Frames of windows without a seam: time-stretching, and the phase of the harmonic source."""

import math

import numpy as np
from numpy.typing import NDArray


class TimeStretch:
    """Changes speed: output frame j is read at (j + 0.5) * speed - 0.5 of the input, between two frames.

    Made for a window of `count` input frames from `start` on. `first` is the first output frame that the
    window can give; beyond the two ends of the utterance (the window's left end at 0, its right end if
    `at_end`) the outermost frame is repeated.
    """

    def __init__(self, start: int, count: int, speed: float, at_end: bool) -> None:
        self._start = start
        self._count = count
        self._speed = speed
        self.first = 0 if start == 0 else math.ceil((start + 0.5) / speed - 0.5)
        end = start + count
        self._last = self.frame(end) if at_end else math.floor((end - 0.5) / speed - 0.5) + 1

    def frame(self, source: int) -> int:
        """The first output frame that belongs to input frame `source` or a later one."""
        return math.ceil(source / self._speed - 0.5)

    def apply(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """values [..., count] at the new speed."""
        if self._speed == 1.0:
            return values
        places = (np.arange(self.first, self._last) + 0.5) * self._speed - 0.5 - self._start
        places = np.clip(places, 0, self._count - 1)
        below = np.floor(places).astype(np.int64)
        above = np.minimum(below + 1, self._count - 1)
        share = (places - below).astype(np.float32)
        stretched: NDArray[np.float32] = values[..., below] * (1 - share) + values[..., above] * share
        return stretched


class HarmonicSource:
    """Phase of the harmonic source, integrated from frame to frame in double precision."""

    def __init__(self, frame_s: float) -> None:
        self._frame_s = frame_s
        self._past = np.zeros(0)
        self._end = 0
        self._last_f0 = 0.0

    def phase(self, f0: NDArray[np.float32], window: int, end: int) -> NDArray[np.float32]:
        """Phase in cycles, [len(f0)], of a window of frames that starts at frame `window`.

        Frames that have been decoded already keep the phase that they had. Those from frame `end` on are
        integrated for what they lend to their left, and not remembered: their f0 may still change.
        """
        known = self._past[len(self._past) - (self._end - window) :]
        steps = f0[len(known) :].astype(np.float64)
        if self._end:
            before = np.concatenate([[self._last_f0], steps[:-1]])
            fresh = self._past[-1] + np.cumsum((before + steps) / 2 * self._frame_s)
        else:
            fresh = np.cumsum(np.concatenate([[0.0], (steps[1:] + steps[:-1]) / 2 * self._frame_s]))
        cycles = np.concatenate([known, fresh % 1.0])
        self._past, self._end = cycles[: end - window], end
        self._last_f0 = float(f0[end - window - 1])
        return cycles.astype(np.float32)
