"""Confidence intervals by the bootstrap (Efron 1979): percentiles of means over cases that are drawn again."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

RESAMPLES = 2000
COVERAGE = 0.95
_SEED = 20_240
"""Fixed, so that the same cases give the same interval."""


class Interval(BaseModel):
    """A mean with its 95 % intervals.

    low, high: cases are drawn. voice_low, voice_high: whole voices are drawn with all their cases, since those of
    one voice are alike; None where there is one voice. The latter is the honest one for other voices, and wide where
    a suite has few.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean: float
    low: float
    high: float
    voice_low: float | None = None
    voice_high: float | None = None
    cases: int


def interval(values: Sequence[float], weights: Sequence[float], voices: Sequence[str]) -> Interval:
    """The weighted mean of values [n], each of a case, and its intervals; voices: whose case each is."""
    value, weight = np.asarray(values, np.float64), np.asarray(weights, np.float64)
    low, high = _percentiles(value * weight, weight)
    names, group = np.unique(np.asarray(voices), return_inverse=True)
    by_voice: tuple[float, float] | tuple[None, None] = (None, None)
    if len(names) > 1:
        by_voice = _percentiles(_sums(group, value * weight), _sums(group, weight))
    return Interval(
        mean=float((value * weight).sum() / weight.sum()),
        low=low,
        high=high,
        voice_low=by_voice[0],
        voice_high=by_voice[1],
        cases=len(value),
    )


def _sums(group: NDArray[np.intp], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.bincount(group, values).astype(np.float64)


def _percentiles(sums: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    drawn = np.random.default_rng(_SEED).integers(0, len(sums), (RESAMPLES, len(sums)))
    means = sums[drawn].sum(1) / weights[drawn].sum(1)
    low, high = np.quantile(means, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)
