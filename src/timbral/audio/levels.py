"""Levels over time, and a soft limiter."""

import numpy as np
from numpy.typing import NDArray

KNEE = 0.85
"""Amplitude above which `limit` bends."""


def frame_levels(samples: NDArray[np.float32], rate: int, step: float = 0.01) -> NDArray[np.float64]:
    """Level in dB of full scale of each frame of `step` seconds of samples [n]: [n // (step × rate)]."""
    size = int(step * rate)
    frames = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    levels: NDArray[np.float64] = 10 * np.log10(np.square(frames).mean(axis=1) + 1e-12)
    return levels


def limit(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Samples [n] bent into ±1: unchanged up to ±KNEE, flatter above. Has no memory, so fits chunks."""
    size = np.abs(samples)
    if not size.size or size.max() <= KNEE:
        return samples
    room = 1 - KNEE
    bent = np.sign(samples) * (KNEE + room * np.tanh((size - KNEE) / room))
    limited: NDArray[np.float32] = np.where(size > KNEE, bent, samples).astype(np.float32)
    return limited
