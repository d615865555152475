"""Finds the watermark in a recording, wherever it begins.

For each offset of the pattern, the statistic is the normalised correlation z = Σ s·r / sqrt(Σ r²) of the
pattern's signs s with what the recording holds in their cells, r. r does not depend on the key. For any
recording, over all keys, z is therefore a Rademacher sum of variance 1, whose tail is at most 3.18 times that
of the normal distribution (Bentkus and Dzindzalieta, A tight Gaussian bound for weighted sums of Rademacher
random variables, Bernoulli 21, 2015). Times the number of offsets and windows tried, that bounds the
probability of a false alarm.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timbral.audio.resampling import resample
from timbral.audio.watermark.pattern import (
    BANDS,
    BIN,
    BINS_PER_BAND,
    CELL,
    CELLS,
    FIRST_BIN,
    PUBLIC_KEY,
    STRENGTHS,
    signs,
)
from timbral.errors import AudioError

FALSE_ALARM = 1e-5
"""Probability of a false alarm up to which the watermark counts as found."""
SHORTEST = 1.0
"""Seconds of sound that are needed."""

_RATE, _HOP = 16_000, 80
_FRAME = _RATE // BIN
_HALF = round(CELL / 2 * _RATE / _HOP)
"""Frames of half a cell."""
_BLOCK = 1000
"""Frames that are transformed at a time."""
_WINDOW, _STEP = 6.0, 3.0
"""Seconds: a recording is searched as a whole and in windows, because only a part of it may be synthetic."""
_FACTORS = tuple(1.01**step for step in range(-22, 23) if step)
"""Changes of speed that are tried; the watermark is found at half a step beside them."""
_SILENCE = 1e-7
"""Share of the mean power of a band below which a band counts as silent."""
_FLOOR, _FLOOR_BIAS = 10, 1.0
"""The noise floor is this percentile of the power of a band, plus this many dB."""
_ADJACENT = {-2: 0.2, -1: 0.3, 1: 0.3, 2: 0.2}
"""Weights of adjacent bands in what a band is expected to do."""
_CLIP = 1.5
"""Standard deviations at which outliers are clipped."""
_TAIL = 3.18
"""Bound of the tail of a Rademacher sum, in tails of the normal distribution."""

Cells = NDArray[np.float64]


@dataclass(frozen=True)
class Detection:
    """Whether a recording carries the watermark.

    statistic: the highest normalised correlation, in standard deviations. false_alarm: upper bound of the
    probability that a recording of this length without the watermark reaches it. spans: from and to in s,
    where windows carry the watermark by themselves; to within a few seconds.
    """

    found: bool
    statistic: float
    false_alarm: float
    spans: tuple[tuple[float, float], ...]


def detect_watermark(
    samples: NDArray[np.float32], rate: int, key: str = PUBLIC_KEY, *, any_speed: bool = False
) -> Detection:
    """Looks for the watermark of `key` in samples [n] at `rate` Hz.

    any_speed: also if speed, tempo or pitch were changed by up to a fifth; takes forty times as long.
    Raises AudioError: shorter than SHORTEST.
    """
    seconds, pattern = len(samples) / rate, signs(key)
    if seconds < SHORTEST:
        raise AudioError(f"{seconds:.1f} s are too short to find a watermark in; give {SHORTEST:g} s or more")
    searched = [
        [
            (start, stop, highest_statistic(residuals[start:stop], pattern))
            for start, stop in _windows(len(residuals))
        ]
        for residuals in (_changes_undone(samples, rate) if any_speed else [cell_residuals(samples, rate)])
    ]
    windows = max(searched, key=lambda windows: max(statistic for *_, statistic in windows))
    statistic, count = max(statistic for *_, statistic in windows), sum(map(len, searched))
    marked = [
        (start / windows[-1][1] * seconds, stop / windows[-1][1] * seconds)
        for start, stop, statistic in windows
        if false_alarm_bound(statistic, count) <= FALSE_ALARM
    ]
    if len(marked) > 1 and marked[-1] == (0, seconds):
        marked.pop()
    return Detection(bool(marked), statistic, false_alarm_bound(statistic, count), _joined(marked))


def _changes_undone(samples: NDArray[np.float32], rate: int) -> Iterator[Cells]:
    """Residuals of a recording as it is, and as it was before its tempo, speed, or pitch was changed."""
    plain = cell_residuals(samples, rate)
    yield plain
    for factor in _FACTORS:
        yield _stretched(plain, factor)
        slowed = cell_residuals(samples, round(rate / factor))
        yield slowed
        yield _stretched(slowed, 1 / factor)


def _stretched(residuals: Cells, factor: float) -> Cells:
    """Residuals as if the sound took `factor` times as long."""
    stretched: Cells = residuals[(np.arange(int(len(residuals) * factor)) / factor).astype(int)]
    return stretched


def cell_residuals(samples: NDArray[np.float32], rate: int) -> Cells:
    """What samples [n] hold in the cells, whatever the key: [frames, BANDS], one frame each 5 ms.

    How far each band falls from the first half of a cell to the second, for a cell that begins at each frame.

    What adjacent bands do is subtracted, because most changes of speech have several bands in common. Cells
    near the noise floor weigh less, for x dB of the speech are x × S / (S + N) dB there, and so do bands that
    the pattern changes less.
    """
    levels = _band_levels(resample(samples, rate, _RATE))
    halves = np.lib.stride_tricks.sliding_window_view(levels, _HALF, axis=0).mean(axis=-1)
    falls = halves[:-_HALF] - halves[_HALF:]
    power = np.lib.stride_tricks.sliding_window_view(10 ** (levels / 10), 2 * _HALF, axis=0).mean(axis=-1)
    weights = np.clip(1 - 10 ** (_FLOOR_BIAS / 10) * np.percentile(power, _FLOOR, axis=0) / power, 0, 1)
    residuals = falls - _adjacent(falls * weights) / (_adjacent(weights) + 1e-6)
    limit = _CLIP * math.sqrt(np.sum(weights * residuals**2) / (np.sum(weights) + 1e-9))
    clipped: Cells = np.clip(residuals, -limit, limit) * weights * STRENGTHS
    return clipped


def _band_levels(samples: NDArray[np.float32]) -> Cells:
    """Level in dB of each band of each frame: [frames, BANDS]."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, _FRAME // 2), _FRAME)[::_HOP]
    window = np.hanning(_FRAME + 1)[:-1].astype(np.float32)
    bins = slice(FIRST_BIN, FIRST_BIN + BANDS * BINS_PER_BAND)
    blocks = [
        np.square(np.abs(np.fft.rfft(frames[start : start + _BLOCK] * window)[:, bins]))
        for start in range(0, len(frames), _BLOCK)
    ]
    power = np.concatenate([block.reshape(-1, BANDS, BINS_PER_BAND).sum(axis=2) for block in blocks])
    levels: Cells = 10 * np.log10(power + _SILENCE * power.mean() + 1e-20)
    return levels


def _adjacent(values: Cells) -> Cells:
    """Weighted sum over the adjacent bands of each band."""
    padded = np.pad(values, ((0, 0), (2, 2)))
    total = np.zeros_like(values)
    for shift, weight in _ADJACENT.items():
        total += weight * padded[:, 2 + shift : 2 + shift + BANDS]
    return total


def _windows(count: int) -> list[tuple[int, int]]:
    """First and last frame of each window, and at the end of the whole recording."""
    size, step = round(_WINDOW * _RATE / _HOP), round(_STEP * _RATE / _HOP)
    starts = range(0, count - size // 2, step) if count > size else ()
    return [*((start, min(start + size, count)) for start in starts), (0, count)]


def highest_statistic(residuals: Cells, pattern: NDArray[np.int8]) -> float:
    """The highest normalised correlation of residuals [frames, BANDS] with a pattern, over all of its offsets."""
    highest, rows = 0.0, np.arange(CELLS)
    for phase in range(2 * _HALF):
        cells = residuals[phase :: 2 * _HALF]
        cells = np.pad(cells, ((0, -len(cells) % CELLS), (0, 0)))
        folded = cells.reshape(-1, CELLS, BANDS).sum(axis=0)
        products = folded @ pattern.T
        sums = products[rows, (rows[:, None] + rows) % CELLS].sum(axis=1)
        highest = max(highest, float(sums.max()) / (float(np.linalg.norm(folded)) + 1e-9))
    return highest


def false_alarm_bound(statistic: float, windows: int = 1) -> float:
    """Upper bound of the probability that a recording without the watermark reaches a statistic in any window."""
    trials = windows * CELLS * 2 * _HALF
    return min(1.0, trials * _TAIL * math.erfc(statistic / math.sqrt(2)) / 2)


def _joined(windows: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Windows in seconds; those that touch are one."""
    joined: list[tuple[float, float]] = []
    for start, end in windows:
        begin = joined.pop()[0] if joined and start <= joined[-1][1] else start
        joined.append((round(begin, 2), round(end, 2)))
    return tuple(joined)
