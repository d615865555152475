"""Speech against the parent's of the same text, voice and seed."""

import importlib
import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.audio.measures import active_level, warped_log_mel_distance
from timbral.audio.resampling import resample
from timbral.errors import InstallationError
from timbral.evaluation.metrics.interface import Column, Measured, Spoken

Floats = NDArray[np.float32]

_RATE = 16_000
_LONGEST_LAG = 0.2
"""Seconds by which one of two sounds may begin later."""
_SHORTEST = 0.5
"""Seconds that PESQ and STOI need."""


class Difference:
    """Log-mel distance in dB after time warping, length as a multiple of the parent's, and difference of level."""

    name = "difference"
    needs_parent = True
    columns = (
        Column("log_mel", "log-mel distance", "low", 2, "dB"),
        Column("duration", "length / parent's", "near"),
        Column("level_change", "level - parent's", "near", 1, "dB"),
    )

    def __init__(self, parent: str) -> None:
        """parent: its digest."""
        self.fingerprint = f"difference 1, {parent}"

    def measure(self, spoken: Spoken) -> Measured:
        ours, theirs, rate = _pair(spoken)
        if not min(len(ours), len(theirs)):
            return Measured({})
        return Measured(
            {
                "log_mel": warped_log_mel_distance(theirs, ours, rate),
                "duration": len(ours) / len(theirs),
                "level_change": active_level(ours, rate) - active_level(theirs, rate),
            }
        )


class Pesq:
    """PESQ (ITU-T P.862.2, wideband), 1 to 4.64, with the parent's speech as the reference.

    It compares what stage two makes of the same tokens, where the models share them. Otherwise it compares whole speech,
    and says something about the sound only where both have the same melody and timing.
    """

    name = "pesq"
    needs_parent = True
    columns = (Column("pesq", "PESQ", "high"),)

    def __init__(self, parent: str) -> None:
        """Raises InstallationError."""
        self._library = _library("pesq", "pip install pesq (it is compiled from source)")
        self.fingerprint = f"PESQ wideband, {parent}"

    def measure(self, spoken: Spoken) -> Measured:
        pair = _aligned(spoken)
        if pair is None:
            return Measured({})
        try:
            return Measured({"pesq": float(self._library.pesq(_RATE, *pair, "wb"))})
        except (self._library.PesqError, ValueError):
            return Measured({})  # no speech in it


class Stoi:
    """Short-time objective intelligibility (Taal et al. 2011), 0 to 1, compared as in `Pesq`."""

    name = "stoi"
    needs_parent = True
    columns = (Column("stoi", "STOI", "high"),)

    def __init__(self, parent: str) -> None:
        """Raises InstallationError."""
        self._library = _library("pystoi", "pip install 'timbral[evaluate]'")
        self.fingerprint = f"STOI, {parent}"

    def measure(self, spoken: Spoken) -> Measured:
        pair = _aligned(spoken)
        if pair is None:
            return Measured({})
        return Measured({"stoi": float(self._library.stoi(*pair, _RATE))})


def _library(name: str, command: str) -> Any:
    if importlib.util.find_spec(name) is None:
        raise InstallationError(
            f"the metric needs {name}; install it with: {command}, or leave it out of --metrics"
        )
    return importlib.import_module(name)


def _pair(spoken: Spoken) -> tuple[Floats, Floats, int]:
    """Speech of the model and of its parent, at the rate of the lower one."""
    assert spoken.parent is not None
    rate = min(spoken.speech.rate, spoken.parent.rate)
    return spoken.speech.resample(rate).samples, spoken.parent.resample(rate).samples, rate


def _aligned(spoken: Spoken) -> tuple[Floats, Floats] | None:
    """The parent's speech and the model's at 16 kHz, shifted onto each other and cut to the same length.

    Of the model it is what stage two makes of the parent's tokens, if there is any. None where one of them is
    too short or silent.
    """
    assert spoken.parent is not None
    reference = resample(spoken.parent.samples, spoken.parent.rate, _RATE)
    speech = spoken.same_tokens or spoken.speech
    other = resample(speech.samples, speech.rate, _RATE)
    size = 1 << (len(reference) + len(other)).bit_length()
    spectra = np.fft.rfft(reference, size), np.fft.rfft(other, size)
    correlation = np.fft.irfft(spectra[0].conj() * spectra[1], size)
    most = int(_LONGEST_LAG * _RATE)
    lags = np.arange(-most, most + 1)
    lag = int(lags[np.argmax(correlation[lags])])
    reference, other = reference[max(0, -lag) :], other[max(0, lag) :]
    length = min(len(reference), len(other))
    reference, other = reference[:length], other[:length]
    if length < _SHORTEST * _RATE or not reference.any() or not other.any():
        return None
    return reference, other
