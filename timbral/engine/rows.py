"""One utterance as several rows of a batch: windows that overlap as far as a vocoder sees.

onnxruntime shares out a convolution over rows and blocks of channels, and not over time: the last stages of a vocoder, with few
channels, run on one core unless there are several rows. The overlap costs a few frames a row.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def vocode_in_rows(
    vocoder: Callable[[Mapping[str, Floats]], list[Floats]],
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
