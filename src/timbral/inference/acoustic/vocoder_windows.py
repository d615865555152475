"""A vocoder in overlapping windows: one after another, or as rows of a batch.

One after another lets the beginning be heard before the end is computed. Rows use all cores: onnxruntime parallelises a
convolution over rows and channels, not over time, so that the last stages of a vocoder, with few channels, run on one core
unless there are several rows. The overlap costs a few frames a window.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from timbral.inference.acoustic.interface import Network

Floats = NDArray[np.float32]

GROWTH = 3
"""Factor from one window to the next: each is computed while the one before is heard, and longer ones overlap less."""


class RowByRow:
    """A network whose batch rows run at the same time, each on one thread, so that threads do not wait for each other.

    together: the network on all threads, for a single row. alone: the same network on one thread; several may call it
    at once.
    """

    engine = "onnxruntime"

    def __init__(self, together: Network, alone: Network, threads: int) -> None:
        self._together = together
        self._alone = alone
        self._pool = ThreadPoolExecutor(threads, "timbral-row")

    def __call__(self, inputs: Mapping[str, Floats]) -> list[Floats]:
        rows = len(next(iter(inputs.values())))
        if rows == 1:
            return self._together(inputs)
        found = self._pool.map(
            lambda row: self._alone({name: value[row : row + 1] for name, value in inputs.items()}),
            range(rows),
        )
        return [np.concatenate(outputs) for outputs in zip(*found, strict=True)]


def vocode_in_windows(
    vocoder: Network,
    latent: Floats,
    timbre: Floats,
    first: int,
    rows: int,
    reach: int,
    hop: int,
) -> Iterator[Floats]:
    """Samples [n * hop] of the first n = `first` frames of a latent [1, C, F], then of more and more of the following ones.

    The cuts depend on the count of frames alone; a rest shorter than the window before it joins that one. rows, reach: see
    `vocode_in_rows`, which computes each window.
    """
    frames, start, size = latent.shape[2], 0, first
    while start < frames:
        end = start + size if frames - start >= 2 * size else frames
        left, right = max(0, start - reach), min(frames, end + reach)
        window = vocode_in_rows(vocoder, latent[:, :, left:right], timbre, rows, reach, hop)
        yield window[0, (start - left) * hop : (end - left) * hop]
        start, size = end, size * GROWTH


def vocode_in_rows(
    vocoder: Network,
    latent: Floats,
    timbre: Floats,
    rows: int,
    reach: int,
    hop: int,
) -> Floats:
    """Samples [1, F * hop] of a latent [1, C, F] and a timbre [1, D], the same but for rounding as in one row.

    rows: at most so many, as many as there are cores; fewer where windows would overlap by more than half.
    reach: frames on each side that a sample depends on (`timbral.nets.hifigan.Generator.reach`).
    """
    frames = latent.shape[2]
    rows = max(1, min(rows, frames // max(1, 4 * reach)))
    span = -(-(frames + 2 * reach * (rows - 1)) // rows)
    starts = [row * (frames - span) // max(1, rows - 1) for row in range(rows)]
    cuts = [0, *((before + start + span) // 2 for before, start in pairwise(starts)), frames]
    windows = np.concatenate([latent[:, :, start : start + span] for start in starts])
    (audio,) = vocoder({"latent": windows, "timbre": np.repeat(timbre, rows, axis=0)})
    pieces = [
        audio[row, (cut - start) * hop : (end - start) * hop]
        for row, (start, (cut, end)) in enumerate(zip(starts, pairwise(cuts), strict=True))
    ]
    return np.concatenate(pieces)[None]
