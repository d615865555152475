"""Loudness (ITU-R BS.1770, which EBU R 128 uses): measuring, and setting it."""

import math

import numpy as np
from numpy.typing import NDArray

from timbral.errors import InstallationError

SHORTEST = 0.4
"""Seconds; the standard measures blocks of this length."""

_PEAK = 0.97


def loudness(samples: NDArray[np.float32], rate: int) -> float:
    """Loudness in LUFS of samples [n]; -inf for silence and for less than SHORTEST. Raises InstallationError."""
    if len(samples) < SHORTEST * rate or not samples.any():
        return -math.inf
    try:
        import pyloudnorm
    except ImportError:
        raise InstallationError(
            "measuring loudness needs pyloudnorm; install it with: pip install 'timbral[data]'"
        ) from None
    return float(pyloudnorm.Meter(rate).integrated_loudness(samples.astype(np.float64)))


def set_loudness(samples: NDArray[np.float32], measured: float, target: float) -> NDArray[np.float32]:
    """Samples [n] of the loudness `measured` brought to `target` LUFS, or as near as their peak allows."""
    peak = float(np.abs(samples).max(initial=0.0))
    if peak == 0 or math.isinf(measured):
        return samples
    levelled: NDArray[np.float32] = samples * np.float32(min(10 ** ((target - measured) / 20), _PEAK / peak))
    return levelled
