"""Sampling candidates of logits: `timbral.inference.semantic.sampling.candidates`, compiled."""

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.native.binding import Choice, library, usable_variants

MOST = 256
"""Candidates asked for, beyond which sorting them takes longer than it does in numpy."""


class CandidateFinder:
    """Finds candidates among so many logits, in buffers of its own. Not safe for threads.

    vocabulary: the most logits that there will be. find: the compiled function, as `finder` gives it.
    """

    def __init__(self, vocabulary: int, find: Any) -> None:
        self._find = find
        self._tokens = np.zeros(vocabulary, np.int64)
        self._likely = np.zeros(vocabulary, np.float32)
        self._best = np.zeros(1, np.int64)
        self._choice = Choice(
            tokens=self._tokens.ctypes.data, likely=self._likely.ctypes.data, best=self._best.ctypes.data
        )

    def __call__(
        self,
        logits: NDArray[np.float32],
        previous: NDArray[np.int64],
        penalty: float,
        top_k: int,
        top_p: float,
        temperature: float,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], int]:
        """Candidates [n] among logits [vocabulary], how likely each is, the likeliest 1, and the likeliest token.

        The logits of `previous` tokens [m], each named once, are penalised in place. top_k: from 1 to `MOST`, and no more than
        there are logits. What is returned holds until the next call. Raises IndexError: a previous token has no logit.
        """
        if logits.dtype != np.float32 or not logits.flags.c_contiguous or len(logits) > len(self._tokens):
            raise ValueError(f"logits are {logits.dtype} [{len(logits)}], not float32 [{len(self._tokens)}]")
        choice = self._choice
        choice.logits, choice.count = logits.ctypes.data, len(logits)
        choice.previous, choice.previous_count = previous.ctypes.data, len(previous)
        choice.penalty, choice.top_k, choice.top_p, choice.temperature = penalty, top_k, top_p, temperature
        count = self._find(ctypes.byref(choice))
        if count < 0:
            raise IndexError(f"a previous token lies beyond the {len(logits)} logits")
        return self._tokens[:count], self._likely[:count], int(self._best[0])


@cache
def finder(variant: str | None = None) -> Any:
    """The compiled function of a variant, by default of the fastest one; None where there is none."""
    functions, variants = library(), usable_variants()
    if functions is None or not variants:
        return None
    # It takes microseconds: others may wait that long.
    return ctypes.PYFUNCTYPE(ctypes.c_int32, ctypes.POINTER(Choice))(
        functions.timbral_finder((variant or variants[0]).encode())
    )
