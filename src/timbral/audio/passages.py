"""Which passage of a long recording a voice is best cloned from."""

import numpy as np
from numpy.typing import NDArray

_PAUSE = 8
"""Frames without speech at whose middle a passage may begin or end."""
_CLEAR = 30.0
"""dB of loud frames above quiet ones beyond which more does not help."""
_WORTH = 0.04
"""What a dB is worth, as a share of the longest passage; so 15 dB outweigh 6 of 10 s."""


def best_passage(
    speech: NDArray[np.bool_], levels: NDArray[np.float64], shortest: int, longest: int
) -> tuple[int, int]:
    """First and last frame of the passage with the most speech and the least noise.

    shortest, longest: its length in frames.

    speech: which frames [n] carry speech; levels: of the frames, in dB. The passage lies between two pauses
    where it can. Of passages that are as good, the first.
    """
    cuts = _cuts(speech)
    spoken = np.concatenate([[0], np.cumsum(speech)])

    def score(start: int, end: int) -> float:
        quiet, loud = np.percentile(levels[start:end], (20, 90))
        return float((spoken[end] - spoken[start]) / longest + _WORTH * min(_CLEAR, loud - quiet))

    candidates = []
    for start in cuts:
        ends = cuts[(cuts >= start + shortest) & (cuts <= start + longest)].tolist()
        last = min(int(start) + longest, len(speech))
        candidates += [(int(start), end) for end in ends or [last] if end - start >= shortest]
    return max(candidates, key=lambda passage: score(*passage))


def _cuts(speech: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The beginning, the middles of pauses, and the end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], ~speech, [0]]).astype(np.int8))).reshape(-1, 2)
    pauses = edges[edges[:, 1] - edges[:, 0] >= _PAUSE]
    return np.unique(np.concatenate([[0], pauses.mean(axis=1).astype(np.int64), [len(speech)]]))
