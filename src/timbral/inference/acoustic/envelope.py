"""Spectral envelopes of speech: the spectrum without the harmonics of F0.

CheapTrick (Morise 2015, "CheapTrick, a spectral envelope estimator for high-quality speech synthesis"): a window of three periods
makes the power independent of where in a period it lies, smoothing over two thirds of F0 and a lifter take the harmonics out.
"""

import numpy as np
from numpy.typing import NDArray

from timbral.audio.mel_axis import Floats

SIZE = 1024
"""Of the Fourier transforms."""
UNVOICED = 500.0
"""Hz that decide the window and the smoothing where there is no F0."""
_LOWER = -0.15
"""How much the lifter sharpens what smoothing made blunt (q1 in the paper)."""
_QUIET = 1e-12
"""Power below which all is silence."""
_TOGETHER = 256
"""Frames at once: a long recording takes no more memory."""


def spectral_envelope(samples: NDArray[np.float32], f0: NDArray[np.float32], rate: int, hop: int) -> Floats:
    """Log magnitudes [frames, SIZE / 2 + 1] of samples [n], of frames that lie in the middle of each hop.

    f0: in Hz, of each frame [frames], 0 where there is none. Below 3 rate / SIZE no F0 can be told from the window.
    """
    lowest = 3 * rate / (SIZE - 3)
    pitch = np.where(f0 > lowest, f0, UNVOICED).astype(np.float64)
    padded = np.pad(samples.astype(np.float64), SIZE)
    # F0 comes from a graph: frames beyond the end see the silence there.
    centres = np.minimum(SIZE + hop // 2 + hop * np.arange(len(pitch)), len(samples) + SIZE)
    parts = [slice(i, i + _TOGETHER) for i in range(0, len(pitch), _TOGETHER)]
    return np.concatenate([_of_frames(padded, centres[part], pitch[part], rate) for part in parts])


def _of_frames(samples: Floats, centres: NDArray[np.int64], f0: Floats, rate: int) -> Floats:
    power = _smoothed(_power(samples, centres, f0, rate), f0, rate)
    quefrency = np.arange(SIZE // 2 + 1) / rate * f0[:, None]
    lifter = np.sinc(quefrency) * (1 - 2 * _LOWER + 2 * _LOWER * np.cos(2 * np.pi * quefrency))
    cepstrum = np.fft.irfft(np.log(power + _QUIET), axis=1)[:, : SIZE // 2 + 1]
    envelope: Floats = 0.5 * np.fft.hfft(cepstrum * lifter, SIZE, axis=1)[:, : SIZE // 2 + 1]
    return envelope


def _power(samples: Floats, centres: NDArray[np.int64], f0: Floats, rate: int) -> Floats:
    """Power [frames, bins] seen through Hann windows of three periods, with that below F0 restored."""
    place = np.arange(SIZE) - SIZE // 2
    periods = place * f0[:, None] / rate
    window = np.where(np.abs(periods) <= 1.5, 0.5 + 0.5 * np.cos(np.pi * periods / 1.5), 0.0)
    window /= np.sqrt(np.square(window).sum(1, keepdims=True))
    seen = samples[centres[:, None] + place] * window
    seen -= window * (seen.sum(1, keepdims=True) / window.sum(1, keepdims=True))
    power: Floats = np.square(np.abs(np.fft.rfft(seen, axis=1)))
    # Without its mean the window sees nothing at 0 Hz; what is missing there is as much as lies as far on the other side of F0/2.
    hertz = np.fft.rfftfreq(SIZE, 1 / rate)
    mirrored = _at(power, (f0[:, None] - hertz) / hertz[1])
    return power + np.where(hertz < f0[:, None], mirrored, 0.0)


def _smoothed(power: Floats, f0: Floats, rate: int) -> Floats:
    """The mean of the power over two thirds of F0 around each bin."""
    reach = SIZE // 4
    mirrored = np.pad(power, ((0, 0), (reach, reach)), mode="reflect")
    total = np.pad(np.cumsum(mirrored, 1), ((0, 0), (1, 0)))
    half = f0[:, None] / 3 * SIZE / rate
    # A bin reaches half a bin to either side.
    bins = np.arange(power.shape[1]) + reach + 0.5
    return (_at(total, bins + half) - _at(total, bins - half)) / (2 * half)


def _at(rows: Floats, places: Floats) -> Floats:
    """Rows [n, m] between their entries, at places [n, k]; beyond the outermost, these."""
    places = np.clip(places, 0, rows.shape[1] - 1)
    below = np.minimum(places.astype(np.int64), rows.shape[1] - 2)
    share = places - below
    before, after = (np.take_along_axis(rows, below + i, 1) for i in (0, 1))
    between: Floats = before + share * (after - before)
    return between
