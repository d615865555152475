"""Log-mel spectrograms by numpy, to compare the sound of two models."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from timbral.audio.mel_axis import mel_points

Samples = NDArray[np.float32]

_BANDS, _SIZE, _HOP = 80, 0.043, 0.011
"""Bands; seconds of a window and between windows."""
_FLOOR = 60.0
"""dB below the loudest place of a sound, under which differences do not count."""


def mean_square_difference(expected: Samples, found: Samples, rate: int) -> float:
    """Mean square of the difference of two sounds' [n] log-mel spectrograms, in dB^2."""
    count = min(len(expected), len(found))
    first, second = (_log_mel(each[:count], rate) for each in (expected, found))
    floor = first.max() - _FLOOR
    return float(np.square(np.maximum(first, floor) - np.maximum(second, floor)).mean())


def _log_mel(samples: Samples, rate: int) -> NDArray[np.float64]:
    """Spectrogram [windows, bands] in dB."""
    size, hop = 2 * round(rate * _SIZE / 2), round(rate * _HOP)
    padded = np.pad(samples.astype(np.float64), size // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    power = np.square(np.abs(np.fft.rfft(windows * np.hanning(size))))
    result: NDArray[np.float64] = 10 * np.log10(power @ _filters(size, rate) + 1e-10)
    return result


@cache
def _filters(size: int, rate: int) -> NDArray[np.float64]:
    """Triangles [bins, bands] between mel points."""
    points = mel_points(_BANDS + 2, rate / 2)
    bins = np.fft.rfftfreq(size, 1 / rate)[:, None]
    lower, centre, upper = points[:-2], points[1:-1], points[2:]
    rising, falling = (bins - lower) / (centre - lower), (upper - bins) / (upper - centre)
    return np.maximum(0.0, np.minimum(rising, falling))
