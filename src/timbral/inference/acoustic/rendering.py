"""Spectral envelopes to samples: `SourceFilterVocoder.forward` of `timbral.nets.source_filter` behind its network, in numpy.

A harmonic source at F0 and noise are filtered in the short-time Fourier domain, with filters of minimum phase (Oppenheim and
Schafer, Discrete-Time Signal Processing, ch. 13), and added up where windows overlap. Products are by einsum: those by `@` wake
threads that stay busy after them and take the cores from others.
"""

import numpy as np
from numpy.typing import NDArray

from timbral.audio.mel_axis import mel_points
from timbral.audio.source_filter import ALIASING, KERNEL_WIDTH, LOUDNESS, NEAR, PRIOR_COUNT

Floats = NDArray[np.float32]
Spectra = NDArray[np.complex64]

OVERLAP = 4
"""Hops of a window."""


class FilteredSource:
    """Renders frames of `hop` samples at `rate` Hz. points, bands: of an envelope, and of its aperiodicity."""

    def __init__(self, hop: int, rate: int, points: int, bands: int) -> None:
        self._hop, self._rate, self._size = hop, rate, OVERLAP * hop
        turns = np.arange(self._size) / self._size
        self._window = (0.5 - 0.5 * np.cos(2 * np.pi * turns)).astype(np.float32)
        bins = np.linspace(0, rate / 2, self._size // 2 + 1)
        self._points, self._bands = (_Interpolation(count, bins, rate / 2) for count in (points, bands))
        self._steps = np.arange(hop, dtype=np.float32)

    def render(
        self, envelope: Floats, aperiodicity: Floats, f0: Floats, phase: Floats, noise: Floats
    ) -> Floats:
        """Log magnitudes [F, points], log odds of noise [F, bands], F0 [F] in Hz, phase [F] in cycles at the first sample of each
        frame, noise [F * hop] → samples [F * hop].
        """
        harmonic, rough = self._filters(envelope, aperiodicity)
        angle = self._minimum_phase(harmonic)
        gain = np.exp(harmonic)
        filters = np.empty(gain.shape, np.complex64)
        filters.real, filters.imag = gain * np.cos(angle), gain * np.sin(angle)
        spectra = self._analyse(self._harmonics(f0, phase)) * filters
        spectra += self._analyse(noise) * np.exp(rough)
        return self._synthesise(spectra)

    def _filters(self, envelope: Floats, aperiodicity: Floats) -> tuple[Floats, Floats]:
        """Log magnitudes of the harmonic and of the noise filter, each [F, bins]."""
        odds = self._bands(aperiodicity)
        # log(1 + e^x), without overflow
        soft = np.maximum(odds, 0) + np.log(1 + np.exp(-np.abs(odds)))
        harmonic = self._points(envelope) - 0.5 * soft
        return harmonic.clip(*LOUDNESS), (harmonic + 0.5 * odds).clip(*LOUDNESS)

    def _minimum_phase(self, magnitudes: Floats) -> Floats:
        """Phases of the filters of least delay with these log magnitudes: what their causal cepstra say."""
        cepstra = np.asarray(np.fft.irfft(magnitudes, self._size), np.float32)
        half = self._size // 2
        cepstra[:, 1:half] *= 2
        cepstra[:, half + 1 :] = 0
        return np.asarray(_spectra(cepstra).imag, np.float32)

    def _harmonics(self, f0: Floats, phase: Floats) -> Floats:
        """Sum of all harmonics up to Nyquist with equal amplitudes and unit power: [F * hop]."""
        hop, rate, i = self._hop, self._rate, self._steps
        following = np.append(f0[1:], f0[-1:])
        along = f0[:, None] * i + (following - f0)[:, None] * (i * i / (2 * hop))
        cycles = phase[:, None] + along / np.float32(rate)
        cycles -= np.floor(cycles + np.float32(0.5))
        count = np.floor(ALIASING * rate / f0)[:, None]
        half = np.sin(np.float32(np.pi) * cycles)
        near = np.abs(half) < NEAR
        ratio = np.sin(np.float32(np.pi) * (2 * count + 1) * cycles) / np.where(near, 1, half)
        sums = (np.where(near, 2 * count + 1, ratio) - 1) / np.sqrt(2 * count)
        return np.asarray(sums.ravel(), np.float32)

    def _analyse(self, samples: Floats) -> Spectra:
        """Samples [F * hop] → spectra [F, bins] of windows that are centred on their frames."""
        padded = np.pad(samples, (self._size - self._hop) // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, self._size)[:: self._hop]
        return _spectra(frames * self._window)

    def _synthesise(self, spectra: Spectra) -> Floats:
        """Spectra [F, bins] → samples [F * hop] by overlap-add."""
        # Windows are applied twice; the squares of four of them add up to 1.5.
        frames = np.asarray(np.fft.irfft(spectra, self._size), np.float32) * (self._window / np.float32(1.5))
        count = len(frames)
        added = np.zeros((count + OVERLAP - 1, self._hop), np.float32)
        for part in range(OVERLAP):
            added[part : part + count] += frames[:, part * self._hop : (part + 1) * self._hop]
        edge = (self._size - self._hop) // 2
        return added.ravel()[edge:-edge]


def _spectra(frames: Floats) -> Spectra:
    """Of frames [F, n]: in double precision, which numpy is four times as fast in."""
    return np.asarray(np.fft.rfft(frames.astype(np.float64)), np.complex64)


def apply_residuals(envelope: Floats, residuals: Floats) -> Floats:
    """Envelopes [F, points] plus the residuals of a voice [n, 2, points]: pairs of envelope shape and correction.

    Kernel regression (Nadaraya 1964, Watson 1964): the correction is that of similar shapes, or else the mean one.
    """
    known, corrections = residuals[:, 0], residuals[:, 1]
    shape = envelope - envelope.mean(1, keepdims=True)
    squares = np.square(shape).sum(1)[:, None] + np.square(known).sum(1)
    distance = (squares - 2 * np.einsum("fp,np->fn", shape, known)) / np.float32(shape.shape[1])
    weights = np.exp(distance / np.float32(-2 * KERNEL_WIDTH**2))
    mean = PRIOR_COUNT * corrections.mean(0)
    sums = np.einsum("fn,np->fp", weights, corrections) + mean
    corrected: Floats = envelope + sums / (weights.sum(1, keepdims=True) + PRIOR_COUNT)
    return corrected


class _Interpolation:
    """From `count` frequencies, evenly spaced from 0 to `top` Hz on a mel axis, to others, on a straight line between two."""

    def __init__(self, count: int, wanted: NDArray[np.float64], top: float) -> None:
        known = mel_points(count, top)
        self._below = np.clip(np.searchsorted(known, wanted, "right") - 1, 0, count - 2)
        low, high = known[self._below], known[self._below + 1]
        self._share = ((wanted - low) / (high - low)).clip(0, 1).astype(np.float32)

    def __call__(self, values: Floats) -> Floats:
        """values [F, count] → [F, wanted]."""
        low = values[:, self._below]
        between: Floats = low + (values[:, self._below + 1] - low) * self._share
        return between
