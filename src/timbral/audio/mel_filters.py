"""Slaney's mel filters, as in librosa."""

import math

import numpy as np
from numpy.typing import NDArray


def mel_filters(rate: int, n_fft: int, bands: int, top: float) -> NDArray[np.float32]:
    """Triangular mel filters up to `top` Hz, each of unit area: [bands, n_fft / 2 + 1]."""
    edges = _to_hertz(np.linspace(0, float(_to_mel(np.array(top))), bands + 2))
    bins = np.linspace(0, rate / 2, n_fft // 2 + 1)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return np.asarray(triangles, np.float32)


def _to_mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(
        hertz < 1000, hertz * 3 / 200, 15 + 27 * np.log(np.maximum(hertz, 1e-3) / 1000) / math.log(6.4)
    )


def _to_hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * math.log(6.4) / 27))
