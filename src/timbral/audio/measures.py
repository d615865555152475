"""Measures of a waveform against another: relative error, signal to noise, log-mel distance, level.

The importer measures quantisation by them, and `timbral.evaluation` a model against its parent.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from timbral.audio.levels import frame_levels
from timbral.audio.mel_filters import mel_filters

Floats = NDArray[np.float32]

_N_FFT, _BANDS = 2048, 128
_HOP = 0.02
"""Seconds between two frames of a log-mel spectrogram."""
_FLOOR = 1e-5
"""Least mel magnitude, so that digital silence differs from quiet noise by a finite step."""
_BAND = 0.15
"""Share of the longer sound's length by which a warping path may leave the diagonal."""
_ACTIVE = 25.0
"""dB below the loudest frames beyond which a frame is a pause."""


def relative_error(reference: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Length of the difference over the length of the reference."""
    exact = reference.astype(np.float64)
    return float(np.linalg.norm(other - exact) / np.linalg.norm(exact))


def signal_to_noise(reference: Floats, other: Floats) -> float:
    """Power of a waveform over that of what the other one adds to it, in dB."""
    error = relative_error(reference, other)
    return math.inf if error == 0 else -20 * math.log10(error)


def log_mel_distance(reference: Floats, other: Floats, rate: int) -> float:
    """Mean difference of the log-mel spectrograms of two waveforms [n], in dB, frame by frame.

    rate: of both, in Hz; n is at least a fifteenth of a second.
    """
    return float(np.abs(log_mel(reference, rate) - log_mel(other, rate)).mean())


def warped_log_mel_distance(reference: Floats, other: Floats, rate: int) -> float:
    """`log_mel_distance` of two waveforms of any lengths, along the path of dynamic time warping."""
    first, second = log_mel(reference, rate), log_mel(other, rate)
    distances = np.abs(first[:, None] - second[None]).mean(-1)
    return _mean_along_path(distances)


def log_mel(samples: Floats, rate: int) -> Floats:
    """Log-mel spectrogram [frames, 128] of a waveform [n], in dB; frames are 20 ms apart."""
    hop = int(_HOP * rate)
    edge = (_N_FFT - hop) // 2
    padded = np.pad(samples, (edge, max(edge, edge + _N_FFT - len(samples) - 2 * edge)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _N_FFT)[::hop]
    window = np.hanning(_N_FFT + 1)[:-1].astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames * window, axis=-1))).astype(np.float32)
    mel = np.maximum(np.sqrt(power + 1e-8) @ _filters(rate), _FLOOR)
    return np.asarray(20 * np.log10(mel), np.float32)


def active_level(samples: Floats, rate: int) -> float:
    """Level of speech [n] without its pauses, in dB of full scale; -120 for silence and for nothing."""
    levels = frame_levels(samples, rate)
    if not len(levels):
        return -120.0
    loud = levels[levels > np.percentile(levels, 95) - _ACTIVE]
    return float(10 * np.log10(np.mean(10 ** (loud / 10)))) if len(loud) else -120.0


@lru_cache(maxsize=4)
def _filters(rate: int) -> Floats:
    return np.ascontiguousarray(mel_filters(rate, _N_FFT, _BANDS, rate / 2).T)


def _mean_along_path(distances: NDArray[np.float32]) -> float:
    """Mean distance along the cheapest monotonic path through a matrix [rows, columns].

    Costs are found diagonal by diagonal, which numpy does at once; a step along both sides weighs double
    (the symmetric step pattern of Sakoe and Chiba 1978), so that all paths have the same weight.
    """
    rows, columns = distances.shape
    cost = np.full((rows + 1, columns + 1), np.inf)
    cost[0, 0] = 0
    reach = max(_BAND * max(rows, columns), abs(rows - columns) * 0.5 + 2)
    for diagonal in range(rows + columns - 1):
        row = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        row = row[np.abs(row / rows - (diagonal - row) / columns) * max(rows, columns) <= reach]
        column = diagonal - row
        step = distances[row, column].astype(np.float64)
        both, one = cost[row, column] + 2 * step, np.minimum(cost[row, column + 1], cost[row + 1, column])
        cost[row + 1, column + 1] = np.minimum(both, one + step)
    return float(cost[rows, columns] / (rows + columns))
