"""How one token is drawn from stage one's logits, in the order of operations of the official GPT-SoVITS.

Source: https://github.com/RVC-Boss/GPT-SoVITS (`AR/models/utils.py` and `infer_panel_naive`, MIT).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timbral.errors import SettingError
from timbral.native.candidates import MOST, CandidateFinder, finder

LOWEST_TEMPERATURE = 1e-5
_NEAR = 10.0
"""Nats below the likeliest token, within which the few that remain mostly are: these alone have to be sorted out."""

_SHORTEST = np.finfo(np.float32).tiny
"""Wait of a draw: nothing is divided by zero."""


@dataclass(frozen=True)
class Sampling:
    """Settings of the draw; the defaults are the official ones.

    top_k: how many of the likeliest tokens remain (0: all; 1: greedy).
    top_p: the likeliest tokens remain whose probabilities, before the temperature, add up to this much.
    temperature: below 1 prefers the likely, above 1 levels; 0 is greedy.
    repetition_penalty: how much less likely a token gets by standing in the prompt or the output.
    """

    top_k: int = 15
    top_p: float = 1.0
    temperature: float = 1.0
    repetition_penalty: float = 1.35

    def __post_init__(self) -> None:
        if self.top_k < 0:
            raise SettingError(f"top-k is {self.top_k}: give a count of tokens from 1, or 0 for all")
        if not 0 < self.top_p <= 1:
            raise SettingError(f"top-p is {self.top_p}: give a share above 0, up to 1")
        if not 0 <= self.temperature <= 10:
            raise SettingError(f"temperature is {self.temperature}: give a value from 0 to 10")
        if not 0.1 <= self.repetition_penalty <= 10:
            raise SettingError(
                f"repetition penalty is {self.repetition_penalty}: give a value from 0.1 to 10"
            )

    @property
    def greedy(self) -> bool:
        """Whether every draw gives the same token, so that drawing again is of no use."""
        return self.top_k == 1 or self.temperature <= LOWEST_TEMPERATURE


class Chooser:
    """Draws the tokens of one sequence; compiled where that can be, with the same result but for rounding.

    vocabulary: logits of each draw.
    """

    def __init__(self, settings: Sampling, vocabulary: int) -> None:
        self._settings = settings
        few = 0 < settings.top_k <= MOST and settings.top_k < vocabulary - 1
        find = finder() if few else None
        self._compiled = CandidateFinder(vocabulary, find) if find else None

    def __call__(
        self, logits: NDArray[np.float32], previous: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[int, int]:
        """A token drawn by logits [vocabulary], or one fewer, and the likeliest one.

        The logits of `previous` tokens [n], each named once, are penalised in place.
        """
        settings = self._settings
        if self._compiled:
            tokens, likely, best = self._compiled(
                logits,
                previous,
                settings.repetition_penalty,
                settings.top_k,
                settings.top_p,
                max(settings.temperature, LOWEST_TEMPERATURE),
            )
        else:
            penalise(logits, previous, settings.repetition_penalty)
            tokens, likely = candidates(logits, settings)
            best = int(np.argmax(logits))
        return draw(tokens, likely, rng), best


def penalise(logits: NDArray[np.float32], previous: NDArray[np.int64], penalty: float) -> None:
    """Makes tokens that stand in `previous` [n] less likely, in `logits` [vocabulary] itself."""
    if penalty != 1.0 and len(previous):
        score = logits[previous]
        factor = np.float32(penalty)
        # Officially scores below zero are multiplied and others divided, which is the lesser of both.
        lesser = np.minimum if penalty > 1.0 else np.maximum
        logits[previous] = lesser(score * factor, score / factor)


def candidates(
    logits: NDArray[np.float32], settings: Sampling
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Penalised logits [vocabulary] to tokens [n] that remain and how likely each is, the likeliest 1: top-p, temperature, top-k.

    Top-p and top-k both keep the likeliest, so the few that top-k leaves are all that has to be sorted for top-p.
    """
    highest = logits.max()
    kept = _likeliest(logits, highest, settings.top_k)
    below = logits[kept] - highest
    if settings.top_p < 1.0:
        order = np.argsort(-below, kind="stable")
        kept, below = kept[order], below[order]
        removed = np.cumsum(np.exp(below)) > settings.top_p * np.exp(logits - highest).sum()
        removed[0] = False
        kept, below = kept[~removed], below[~removed]
    powers: NDArray[np.float32] = np.exp(below / np.float32(max(settings.temperature, LOWEST_TEMPERATURE)))
    return kept, powers


def _likeliest(logits: NDArray[np.float32], highest: np.float32, count: int) -> NDArray[np.int64]:
    """Places of the `count` likeliest in order, with others that are as likely as the last of them; 0: of all."""
    if not 0 < count < len(logits):
        return np.arange(len(logits))
    near = np.flatnonzero(logits >= highest - _NEAR)
    if len(near) < count:
        near = np.arange(len(logits))
    some = logits[near]
    found: NDArray[np.int64] = near[some >= np.partition(some, -count)[-count]]
    return found


def draw(tokens: NDArray[np.int64], likely: NDArray[np.float32], rng: np.random.Generator) -> int:
    """One of the tokens [n] by how likely each is: the argmax of p / e, with e exponentially distributed."""
    waits = rng.standard_exponential(len(tokens), np.float32)
    return int(tokens[np.argmax(likely / np.maximum(waits, _SHORTEST))])
