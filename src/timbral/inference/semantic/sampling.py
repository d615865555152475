"""How a token is sampled from stage one's logits, in the order of operations of the official GPT-SoVITS.

Source: https://github.com/RVC-Boss/GPT-SoVITS (`AR/models/utils.py` and `infer_panel_naive`, MIT).
"""

import numpy as np
from numpy.typing import NDArray

from timbral.config import LOWEST_TEMPERATURE, SamplingConfig
from timbral.errors import SynthesisError
from timbral.native.candidates import MOST, CandidateFinder, finder

_NEAR = 10.0
"""Nats below the likeliest token, within which most of those lie that top-k keeps: only these have to be sorted."""

_SHORTEST = np.finfo(np.float32).tiny
"""Least exponential variate: nothing is divided by zero."""


class TokenSampler:
    """Samples the tokens of one sequence; by compiled code where there is some, with the same result but for rounding.

    vocabulary: logits of each step.
    """

    def __init__(self, config: SamplingConfig, vocabulary: int) -> None:
        self._config = config
        self._vocabulary = vocabulary
        few = 0 < config.top_k <= MOST and config.top_k < vocabulary - 1
        find = finder() if few else None
        self._compiled = CandidateFinder(vocabulary, find) if find else None

    def __call__(
        self, logits: NDArray[np.float32], previous: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[int, int]:
        """A token sampled from logits [vocabulary], or one fewer, and the likeliest one.

        The logits of `previous` tokens [n], each named once, are penalised in place.
        Raises ValueError for logits of another length, SynthesisError where none is finite.
        """
        if logits.ndim != 1 or not self._vocabulary - 1 <= len(logits) <= self._vocabulary:
            raise ValueError(f"logits have the shape {logits.shape}, not ({self._vocabulary},)")
        config = self._config
        if self._compiled:
            tokens, likelihoods, best = self._compiled(
                logits,
                previous,
                config.repetition_penalty,
                config.top_k,
                config.top_p,
                max(config.temperature, LOWEST_TEMPERATURE),
            )
        else:
            penalise(logits, previous, config.repetition_penalty)
            tokens, likelihoods = candidates(logits, config)
            best = int(np.argmax(logits))
        if not len(tokens):
            raise SynthesisError("no logit is finite: the model or the voice is damaged; get it again")
        return draw(tokens, likelihoods, rng), best


def penalise(logits: NDArray[np.float32], previous: NDArray[np.int64], penalty: float) -> None:
    """Makes tokens that stand in `previous` [n] less likely, in `logits` [vocabulary] itself."""
    if penalty != 1.0 and len(previous):
        score = logits[previous]
        factor = np.float32(penalty)
        # Officially scores below zero are multiplied and others divided, which is the lesser of both.
        lesser = np.minimum if penalty > 1.0 else np.maximum
        logits[previous] = lesser(score * factor, score / factor)


def candidates(
    logits: NDArray[np.float32], config: SamplingConfig
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Penalised logits [vocabulary] to tokens [n] that remain and how likely each is, the likeliest 1: top-p, temperature, top-k.

    Top-p and top-k both keep the likeliest, so the few that top-k leaves are all that has to be sorted for top-p.
    """
    highest = logits.max()
    kept = _likeliest(logits, highest, config.top_k)
    below = logits[kept] - highest
    if config.top_p < 1.0:
        order = np.argsort(-below, kind="stable")
        kept, below = kept[order], below[order]
        removed = np.cumsum(np.exp(below)) > config.top_p * np.exp(logits - highest).sum()
        removed[0] = False
        kept, below = kept[~removed], below[~removed]
    powers: NDArray[np.float32] = np.exp(below / np.float32(max(config.temperature, LOWEST_TEMPERATURE)))
    return kept, powers


def _likeliest(logits: NDArray[np.float32], highest: np.float32, count: int) -> NDArray[np.int64]:
    """Indices of the `count` likeliest in order, with others that are as likely as the last of them; 0: of all."""
    if not 0 < count < len(logits):
        return np.arange(len(logits))
    near = np.flatnonzero(logits >= highest - _NEAR)
    if len(near) < count:
        near = np.arange(len(logits))
    some = logits[near]
    found: NDArray[np.int64] = near[some >= np.partition(some, -count)[-count]]
    return found


def draw(tokens: NDArray[np.int64], likelihoods: NDArray[np.float32], rng: np.random.Generator) -> int:
    """One of the tokens [n] by their likelihoods: the argmax of p / e, with e exponentially distributed."""
    waits = rng.standard_exponential(len(tokens), np.float32)
    return int(tokens[np.argmax(likelihoods / np.maximum(waits, _SHORTEST))])
