"""One request of stage one and everything that belongs to it, so that no request can see another's state."""

from collections.abc import Hashable
from enum import Enum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from timbral.inference.seeds import generator
from timbral.inference.semantic.sampling import Chooser, Sampling

FIRST_STEPS = 11
"""Steps at the beginning at which the end token cannot be drawn, as in the official code."""

LONGEST = 1500
"""Tokens after which the official code gives up: one minute."""


class Finish(Enum):
    """Why a sequence ended: its end token, its limit of tokens, nobody who wants it any more, an error."""

    END = "end"
    LIMIT = "limit"
    CANCELLED = "cancelled"
    FAILED = "failed"


class TokenSequence:
    """Phones and a prompt that are to be continued by semantic tokens.

    phones: int64 [n], the prompt's first. features: float32 [n, d] beside them, where the model takes any.
    prompt: int64 [p], the tokens of the reference.
    spoken: tokens that the continuation already has, from an earlier take; they count as its own.
    limit: tokens, the spoken ones included, at which it stops without an end token.
    seed: names the request's own random draws; `take` keeps those of several takes apart.

    tokens: what has been drawn so far, without the end token. finished: why it stopped, None while it runs.
    error: what made it fail. first_logits: float32 [vocabulary], what its prefill gave, once there was one.
    prefill_s, decode_s: seconds that its prefill took, and its share of the steps.
    """

    def __init__(
        self,
        phones: NDArray[np.int64],
        prompt: NDArray[np.int64],
        sampling: Sampling,
        seed: int,
        *,
        features: NDArray[np.float32] | None = None,
        spoken: tuple[int, ...] = (),
        limit: int = LONGEST,
        take: int = 0,
    ) -> None:
        if features is not None and len(features) != len(phones):
            raise ValueError(f"{len(features)} rows of features for {len(phones)} phones")
        self.phones = phones
        self.features = features
        self.prompt = prompt
        self.spoken = spoken
        self.sampling = sampling
        self.limit = limit
        self.tokens = list(spoken)
        self.finished: Finish | None = None
        self.error: Exception | None = None
        self.first_logits: NDArray[np.float32] | None = None
        self.prefill_s = 0.0
        self.decode_s = 0.0
        self._rng = generator(seed, "take", take)
        self._chooser: Chooser | None = None
        self._previous = np.unique(np.concatenate([prompt, np.asarray(spoken, np.int64)]))
        self._seen = set(self._previous.tolist())

    @property
    def context(self) -> NDArray[np.int64]:
        """The tokens that a prefill reads: the prompt and what has been spoken already, int64 [p + s]."""
        return np.concatenate([self.prompt, np.asarray(self.spoken, np.int64)])

    @cached_property
    def beginning(self) -> Hashable:
        """What a prefill depends on: equal for sequences that go on from the same place."""
        features = None if self.features is None else self.features.tobytes()
        return self.phones.tobytes(), features, self.context.tobytes()

    @property
    def positions(self) -> int:
        """Places in the key/value cache that it needs at most."""
        return len(self.phones) + len(self.prompt) + self.limit

    def fail(self, error: Exception) -> None:
        """Ends it by an error, unless it has ended already."""
        if self.finished is None:
            self.error = error
            self.finished = Finish.FAILED

    def accept(self, logits: NDArray[np.float32]) -> None:
        """Draws the next token from logits [vocabulary], of which the last column is the end token's.

        The logits are penalised in place, so that the end token wins the argmax against penalised rivals.
        """
        end = len(logits) - 1
        if self._chooser is None:
            self._chooser = Chooser(self.sampling, len(logits))
        if len(self.tokens) < FIRST_STEPS:
            logits = logits[:end]
        token, likeliest = self._chooser(logits, self._previous, self._rng)
        if end in (token, likeliest):
            self.finished = Finish.END
            return
        self.tokens.append(token)
        if self.sampling.repetition_penalty != 1.0 and token not in self._seen:
            self._seen.add(token)
            self._previous = np.append(self._previous, token)
        if len(self.tokens) >= self.limit:
            self.finished = Finish.LIMIT
