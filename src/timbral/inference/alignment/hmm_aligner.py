"""HMM aligner: which token speaks which phone, and how well a candidate says its phones.

Two candidates may both have a likely length and end well while one of them skips a word. The hidden Markov model has a state for
each phone, in order; a state's emission is the log-likelihood ratio of a token given the phone. The best path (Viterbi 1967)
assigns tokens to phones.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from timbral.errors import BundleError

SKIP = 6.0
"""Cost of a phone that no token speaks, in nats."""
UNSPOKEN = -3.0
"""Log-likelihood ratio of such a phone."""

_STEP = 0.1
"""Nats of one step of the 8-bit values in a file."""

Ids = NDArray[np.int64]


class HmmAligner:
    """Immutable, shared by all requests.

    ratios: float32 [n, vocabulary], log p(token | phone) / p(token) of n phones.
    rows: int64 [phonemes], the row of each phone's ratios; -1 for phones of which nothing is known.
    """

    def __init__(self, ratios: NDArray[np.float32], rows: Ids) -> None:
        unknown = np.zeros((1, ratios.shape[1]), np.float32)
        self._ratios = np.concatenate([ratios, unknown])
        self._rows = rows

    @classmethod
    def open(cls, path: Path, phonemes: int, vocabulary: int) -> "HmmAligner":
        """Reads a file that `save` wrote, for a model of these sizes. Raises BundleError if it is none."""
        try:
            tensors = load_file(path)
            steps, rows = tensors["evidence"], tensors["rows"]
        except (OSError, SafetensorError, KeyError) as error:
            raise BundleError(f"{path}: cannot be read ({error}): get the model again") from None
        fits = steps.ndim == 2 and steps.shape[1] >= vocabulary - 1 and rows.shape == (phonemes,)
        if not fits or not np.issubdtype(rows.dtype, np.integer) or rows.max() >= len(steps):
            raise BundleError(f"{path}: does not fit the model: get the model again")
        return cls(steps.astype(np.float32) * np.float32(_STEP), rows.astype(np.int64).clip(-1))

    @property
    def ratios(self) -> NDArray[np.float32]:
        """Log-likelihood ratios float32 [n, vocabulary]."""
        return self._ratios[:-1]

    @property
    def rows(self) -> Ids:
        """The row of each phone's ratios, int64 [phonemes]; -1 for none."""
        return self._rows

    def save(self, path: Path) -> None:
        """Writes the ratios in 8 bits."""
        steps = np.clip(np.rint(self._ratios[:-1] / _STEP), -127, 127).astype(np.int8)
        save_file({"evidence": steps, "rows": self._rows.astype(np.int16)}, path)

    def path(self, phones: Ids, tokens: Ids, *, ended: bool = True) -> Ids:
        """The position among the phones [n] that each of the tokens [T] speaks; ended: whether they speak them all."""
        emissions = self._ratios[self._rows[phones]][:, tokens].T[:, None]
        path: Ids = _best_paths(emissions, np.array([len(tokens)]), ended=ended)[0]
        return path

    def scores(self, phones: Ids, candidates: Sequence[Ids]) -> NDArray[np.float64]:
        """Mean log-likelihood ratio in nats of the phones [n] in each candidate [T], higher is better."""
        lengths = np.array([len(candidate) for candidate in candidates])
        tokens = np.zeros((len(candidates), max(1, lengths.max())), np.int64)
        for row, candidate in zip(tokens, candidates, strict=True):
            row[: len(candidate)] = candidate
        emissions = self._ratios[self._rows[phones]][:, tokens].transpose(2, 1, 0)
        paths = _best_paths(emissions, lengths)
        spoken = paths[..., None] == np.arange(len(phones))
        spoken &= (np.arange(len(emissions)) < lengths[:, None])[..., None]
        counts = spoken.sum(1)
        sums = np.einsum("rtn,trn->rn", spoken, emissions)
        ratios = np.where(counts > 0, sums / np.maximum(counts, 1), UNSPOKEN)
        means: NDArray[np.float64] = ratios.mean(1)
        return means


def _best_paths(emissions: NDArray[np.float32], lengths: Ids, *, ended: bool = True) -> Ids:
    """The phone [R, T] that each token speaks; emissions: evidence [T, R, n] of R candidates that are `lengths` [R] long.

    A path begins at one of the first two phones, goes on by up to two a token, and if it has ended, ends at one of the last two.
    """
    steps, rows, phones = emissions.shape
    every = np.arange(rows)
    best = np.full(
        (rows, phones + 2), -np.inf
    )  # two columns on the left, for steps from before the first phone
    best[:, 2] = emissions[0, :, 0]
    best[:, 3:4] = emissions[0, :, 1:2] - SKIP
    ends = best.copy()
    jumps = np.zeros((steps, rows, phones), np.int8)
    for step in range(1, steps):
        arrivals = np.stack([best[:, 2:], best[:, 1:-1], best[:, :-2] - SKIP])
        jumps[step] = arrivals.argmax(0)
        best[:, 2:] = arrivals.max(0) + emissions[step]
        ends = np.where((step < lengths)[:, None], best, ends)
    last_two = phones - 1 - (ends[:, -2] - SKIP > ends[:, -1])
    at = last_two if ended else ends[:, 2:].argmax(1)
    paths = np.zeros((rows, steps), np.int64)
    for step in range(steps - 1, -1, -1):
        paths[:, step] = at
        at = np.where(step < lengths, at - jumps[step, every, at], at).clip(0)
    return paths
