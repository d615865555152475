"""Tells how well semantic tokens say the phones that they are meant to say.

Two takes of a sentence may both have a likely length and end well, and one of them skips a word. A hidden Markov
model hears the difference: a state for each phone, in their order, and for each phone how much likelier than usual
a token is while it is spoken. The best path through a take (Viterbi 1967) says which tokens speak which phone.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from timbral.errors import BundleError

SKIP = 6.0
"""What a path pays for a phone that no token speaks, in nats."""
UNSPOKEN = -3.0
"""Evidence for such a phone."""

_STEP = 0.1
"""Nats of one step of the 8-bit evidence in a file."""

Ids = NDArray[np.int64]


class HmmAligner:
    """Immutable, and shared by all requests.

    evidence: float32 [n, vocabulary], the logarithm of p(token | phone) / p(token) for n phones.
    rows: int64 [phonemes], which of them is a phone's; -1 for phones of which nothing is known.
    """

    def __init__(self, evidence: NDArray[np.float32], rows: Ids) -> None:
        unknown = np.zeros((1, evidence.shape[1]), np.float32)
        self._evidence = np.concatenate([evidence, unknown])
        self._rows = rows

    @classmethod
    def open(cls, path: Path) -> "HmmAligner":
        """Reads a file that `save` wrote. Raises BundleError if it is none."""
        try:
            tensors = load_file(path)
            evidence, rows = tensors["evidence"], tensors["rows"]
        except (OSError, SafetensorError, KeyError) as error:
            raise BundleError(f"{path}: cannot be read ({error}): get the model again") from None
        return cls(evidence.astype(np.float32) * np.float32(_STEP), rows.astype(np.int64))

    def save(self, path: Path) -> None:
        """Writes the evidence in 8 bits."""
        steps = np.clip(np.rint(self._evidence[:-1] / _STEP), -127, 127).astype(np.int8)
        save_file({"evidence": steps, "rows": self._rows.astype(np.int16)}, path)

    def path(self, phones: Ids, tokens: Ids) -> Ids:
        """Which place among the phones [n] each of the tokens [T] speaks."""
        heard = self._evidence[self._rows[phones]][:, tokens].T[:, None]
        path: Ids = _best_paths(heard, np.array([len(tokens)]))[0]
        return path

    def scores(self, phones: Ids, takes: Sequence[Ids]) -> NDArray[np.float64]:
        """How well each take [T] says the phones [n]: the mean of their evidence in nats, higher is better."""
        lengths = np.array([len(take) for take in takes])
        tokens = np.zeros((len(takes), max(1, lengths.max())), np.int64)
        for row, take in zip(tokens, takes, strict=True):
            row[: len(take)] = take
        heard = self._evidence[self._rows[phones]][:, tokens].transpose(2, 1, 0)
        paths = _best_paths(heard, lengths)
        spoken = paths[..., None] == np.arange(len(phones))
        spoken &= (np.arange(len(heard)) < lengths[:, None])[..., None]
        counts = spoken.sum(1)
        sums = np.einsum("rtn,trn->rn", spoken, heard)
        evidence = np.where(counts > 0, sums / np.maximum(counts, 1), UNSPOKEN)
        means: NDArray[np.float64] = evidence.mean(1)
        return means


def _best_paths(heard: NDArray[np.float32], lengths: Ids) -> Ids:
    """The phone [R, T] that each token speaks; heard: evidence [T, R, n] of R takes that are `lengths` [R] long.

    A path begins at one of the first two phones, ends at one of the last two, and goes on by up to two a token.
    """
    steps, rows, phones = heard.shape
    every = np.arange(rows)
    best = np.full(
        (rows, phones + 2), -np.inf
    )  # two columns on the left, for steps from before the first phone
    best[:, 2] = heard[0, :, 0]
    best[:, 3:4] = heard[0, :, 1:2] - SKIP
    ends = best.copy()
    jumps = np.zeros((steps, rows, phones), np.int8)
    for step in range(1, steps):
        arrivals = np.stack([best[:, 2:], best[:, 1:-1], best[:, :-2] - SKIP])
        jumps[step] = arrivals.argmax(0)
        best[:, 2:] = arrivals.max(0) + heard[step]
        ends = np.where((step < lengths)[:, None], best, ends)
    at = phones - 1 - (ends[:, -2] - SKIP > ends[:, -1])
    paths = np.zeros((rows, steps), np.int64)
    for step in range(steps - 1, -1, -1):
        paths[:, step] = at
        at = np.where(step < lengths, at - jumps[step, every, at], at).clip(0)
    return paths
