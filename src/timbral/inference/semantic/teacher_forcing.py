"""Logits of stage one under teacher forcing, and how two models agree on them.

The importer measures quantisation by them, and `timbral.evaluation` a model against its parent.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


class Steps(Protocol):
    """Stage one as it decodes; `timbral.inference.semantic.backend.Backend` is such a thing."""

    def prefill(self, slot: int, phones: Ids, features: Floats | None, tokens: Ids, /) -> Floats: ...

    def step(self, slots: Ids, tokens: Ids, /) -> Floats: ...


def teacher_forced(
    runner: Steps, phones: Ids, features: Floats | None, tokens: Ids, prompt: int = 0
) -> Floats:
    """Logits [T - prompt + 1, vocabulary] after the prompt and after each later token.

    phones: [P]; features: [P, d] where the model has them; tokens: [T], the first `prompt` of them at once.
    """
    logits = [runner.prefill(0, phones, features, tokens[:prompt])]
    slot = np.zeros(1, np.int64)
    logits += [runner.step(slot, tokens[at : at + 1])[0].copy() for at in range(prompt, len(tokens))]
    return np.stack(logits)


def argmax_agreement(reference: Floats, other: Floats) -> float:
    """Share of rows of logits [rows, vocabulary] with the same argmax."""
    return float((reference.argmax(-1) == other.argmax(-1)).mean())


def divergence(reference: Floats, other: Floats) -> float:
    """Mean Kullback-Leibler divergence of the distributions of `other` from those of `reference`, in nats.

    Both are logits [rows, vocabulary].
    """
    expected, found = _log_softmax(reference), _log_softmax(other)
    return float((np.exp(expected) * (expected - found)).sum(-1).mean())


def _log_softmax(logits: Floats) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)), np.float64)
