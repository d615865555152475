"""The mel-spaced frequencies at which spectral envelopes are sampled, and interpolation between them."""

import numpy as np
from numpy.typing import NDArray

MEL_CORNER = 700.0
"""Hz above which points lie further and further apart."""

Floats = NDArray[np.float64]


def mel_points(count: int, top: float) -> Floats:
    """So many frequencies in Hz from 0 to `top`, evenly spaced on the mel scale of O'Shaughnessy (1987)."""
    points: Floats = MEL_CORNER * np.expm1(np.linspace(0, np.log1p(top / MEL_CORNER), count))
    return points


def interpolation(known: Floats, wanted: Floats) -> Floats:
    """The matrix [wanted, known] of linear interpolation, constant beyond the outermost frequencies."""
    return np.stack([np.interp(wanted, known, row) for row in np.eye(len(known))], 1)


def nearest(known: Floats, wanted: Floats) -> Floats:
    """The least-squares inverse [known, wanted] of `interpolation`."""
    return np.asarray(np.linalg.pinv(interpolation(known, wanted)), np.float64)
