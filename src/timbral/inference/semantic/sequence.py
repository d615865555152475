"""One sequence of stage one and everything that belongs to it, so that no request can see another's state."""

from collections.abc import Hashable
from enum import Enum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from timbral.config import SamplingConfig
from timbral.inference.seeds import generator
from timbral.inference.semantic.sampling import TokenSampler

FIRST_STEPS = 11
"""Steps at the beginning at which the end token cannot be sampled, as in the official code."""

MOST_TOKENS = 1500
"""Tokens after which the official code gives up: one minute."""


class Finish(Enum):
    """Why a sequence ended: its end token, its limit of tokens, cancellation, an error."""

    END = "end"
    LIMIT = "limit"
    CANCELLED = "cancelled"
    FAILED = "failed"


class TokenSequence:
    """Semantic tokens that continue phones and a prompt.

    phones: int64 [n], the prompt's first. features: float32 [n, d] beside them, where the model reads any.
    prompt: int64 [p], the tokens of the reference.
    limit: tokens at which it stops without an end token.
    seed: names its random numbers; `candidate` keeps those of several candidates apart.

    tokens: what has been sampled so far, without the end token. finished: why it stopped, None while it runs.
    error: what made it fail. first_logits: float32 [vocabulary], the result of its prefill, once there is one.
    prefill_s, decode_s: seconds of its prefill, and its share of the steps.
    """

    def __init__(
        self,
        phones: NDArray[np.int64],
        prompt: NDArray[np.int64],
        sampling: SamplingConfig,
        seed: int,
        *,
        features: NDArray[np.float32] | None = None,
        limit: int = MOST_TOKENS,
        candidate: int = 0,
    ) -> None:
        if features is not None and len(features) != len(phones):
            raise ValueError(f"{len(features)} rows of features for {len(phones)} phones")
        self.phones = phones
        self.features = features
        self.prompt = prompt
        self.sampling = sampling
        self.limit = limit
        self.tokens: list[int] = []
        self.finished: Finish | None = None
        self.error: Exception | None = None
        self.first_logits: NDArray[np.float32] | None = None
        self.prefill_s = 0.0
        self.decode_s = 0.0
        self._rng = generator(seed, "take", candidate)
        self._sampler: TokenSampler | None = None
        self._penalized = np.unique(prompt)
        self._seen = set(self._penalized.tolist())

    @cached_property
    def prefix(self) -> Hashable:
        """What a prefill depends on: equal for sequences that continue the same phones and prompt."""
        features = None if self.features is None else self.features.tobytes()
        return self.phones.tobytes(), features, self.prompt.tobytes()

    @property
    def positions(self) -> int:
        """Positions in the KV cache that it needs at most."""
        return len(self.phones) + len(self.prompt) + self.limit

    def fail(self, error: Exception) -> None:
        """Ends it by an error, unless it has ended already."""
        if self.finished is None:
            self.error = error
            self.finished = Finish.FAILED

    def accept(self, logits: NDArray[np.float32]) -> None:
        """Samples the next token from logits [vocabulary], whose last column is the end token.

        The logits are penalised in place, so that the end token wins the argmax against penalised rivals.
        """
        end = len(logits) - 1
        if self._sampler is None:
            self._sampler = TokenSampler(self.sampling, len(logits))
        if len(self.tokens) < FIRST_STEPS:
            logits = logits[:end]
        token, likeliest = self._sampler(logits, self._penalized, self._rng)
        if end in (token, likeliest):
            self.finished = Finish.END
            return
        self.tokens.append(token)
        if self.sampling.repetition_penalty != 1.0 and token not in self._seen:
            self._seen.add(token)
            self._penalized = np.append(self._penalized, token)
        if len(self.tokens) >= self.limit:
            self.finished = Finish.LIMIT
