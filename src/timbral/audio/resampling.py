"""Resampling by soxr, at once or in chunks."""

import numpy as np
import soxr
from numpy.typing import NDArray


def resample(samples: NDArray[np.float32], rate: int, target: int) -> NDArray[np.float32]:
    """Samples [n] at `rate` Hz as samples [n × target / rate] at `target` Hz."""
    if rate == target:
        return samples
    converted: NDArray[np.float32] = soxr.resample(samples, rate, target, quality="HQ")
    return converted


class ChunkResampler:
    """Resamples a sound that comes in chunks, without a seam between them."""

    def __init__(self, rate: int, target: int) -> None:
        self._stream = None if rate == target else soxr.ResampleStream(rate, target, 1, dtype="float32")

    def push(self, samples: NDArray[np.float32], *, last: bool = False) -> NDArray[np.float32]:
        """What is ready after these samples [n]; with `last`, all that is left. Nothing may follow `last`."""
        if self._stream is None:
            return samples
        ready: NDArray[np.float32] = self._stream.resample_chunk(samples, last=last)
        return ready
