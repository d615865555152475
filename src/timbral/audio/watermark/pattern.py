"""The watermark's pattern: a keyed sign for each cell of a grid in time and frequency.

A cell is CELL seconds long and one band wide. Where its sign is +1 the band is raised in the first half of the
cell and lowered in the second; where it is -1, the other way round. So every cell carries its sign as a
difference of two halves, which the slow changes of speech hardly disturb. After CELLS cells the pattern begins
again.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

CELL = 0.06
"""Seconds."""
CELLS = 64
BIN = 50
"""Hz from one frequency bin to the next, for frames of 20 ms."""
FIRST_BIN, BANDS, BINS_PER_BAND = 4, 50, 3
"""The bands are 150 Hz wide, from 175 to 7,675 Hz."""
STRENGTHS = np.where(np.arange(BANDS) < 6, 0.75, 1.5)
"""dB by which each band is raised or lowered [BANDS]: less up to 1 kHz, where quick changes are heard first."""
PUBLIC_KEY = "timbral"
"""The key that everybody can look for."""


def signs(key: str) -> NDArray[np.int8]:
    """Signs ±1 [CELLS, BANDS] of a key: the first bits of SHAKE-256 of its UTF-8 bytes."""
    digest = hashlib.shake_256(key.encode()).digest(CELLS * BANDS // 8)
    bits = np.unpackbits(np.frombuffer(digest, np.uint8)).reshape(CELLS, BANDS)
    return 2 * bits.astype(np.int8) - 1
