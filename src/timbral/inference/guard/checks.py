"""Hallucination checks: tell good candidates of an utterance from bad ones.

An autoregressive model now and then drops words, repeats them, babbles on or speaks its prompt. The number of tokens for the
phones, loops, likeness to the prompt, a missing end and silence give that away.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from timbral.inference.guard.detectors import LeakDetector, LoopDetector, longest_common_run
from timbral.inference.request import UtteranceRequest
from timbral.models import TokenRate

RATES: Mapping[str, TokenRate] = MappingProxyType(
    {
        "zh": TokenRate(low=1.5, typical=2.7, high=4.5),
        "en": TokenRate(low=1.2, typical=2.2, high=4.0),
        "ja": TokenRate(low=1.2, typical=2.0, high=3.8),
        "ko": TokenRate(low=0.9, typical=1.9, high=3.6),
        "yue": TokenRate(low=1.2, typical=2.7, high=4.8),
    }
)
"""Tokens a phone, 25 tokens a second: zh, en and ja measured on corpora of synthetic and recorded speech, ko and yue
estimated from their syllable rates."""

ANY_RATE = TokenRate(low=0.9, typical=2.2, high=4.8)
"""For phones of an unknown language."""


class Fault(str, Enum):
    """What is wrong with a candidate."""

    TOO_FEW = "too_few"
    TOO_MANY = "too_many"
    LOOP = "loop"
    LEAK = "leak"
    MISSING_END = "missing_end"
    SILENCE = "silence"


_WEIGHTS: Mapping[Fault, float] = MappingProxyType(
    {
        Fault.TOO_FEW: 2.0,
        Fault.TOO_MANY: 2.0,
        Fault.LOOP: 2.5,
        Fault.LEAK: 3.0,
        Fault.MISSING_END: 2.0,
        Fault.SILENCE: 5.0,
    }
)


@dataclass(frozen=True)
class Policy:
    """How strict the guard is.

    retries: how often rejected candidates are sampled again; 0 only reports.
    pause_tokens: what pauses and the silence at both ends may add to an utterance.
    leak_points, leak_window: likeness to the prompt that counts as a leak (see LeakDetector), and the number of
    tokens at the beginning among which it is looked for.
    leading_silence_s: silence before any sound, at normal speed, that counts as lost speech.
    floor_db: level below which it is silent.
    """

    retries: int = 2
    pause_tokens: int = 30
    leak_points: int = 10
    leak_window: int = 50
    leading_silence_s: float = 2.0
    floor_db: float = -55.0


@dataclass(frozen=True)
class Bounds:
    """Tokens that an utterance may have: from `low` up to `high`, about `typical`."""

    low: int
    typical: float
    high: int


@dataclass(frozen=True)
class Verdict:
    """The result of the checks of one candidate.

    fault: what is wrong, None for a good candidate. keep: how many of its tokens are worth speaking if no better
    candidate comes. score: 0 for a good candidate, higher for a worse one.
    """

    fault: Fault | None
    keep: int
    score: float


@dataclass(frozen=True)
class Guard:
    """The checks, with the token rates of a model. Immutable, shared by all requests."""

    rates: Mapping[str, TokenRate] = field(default_factory=lambda: RATES)
    policy: Policy = field(default_factory=Policy)

    def bounds(self, phones: int, languages: Mapping[str, int]) -> Bounds:
        """Bounds for an utterance of so many phones; `languages` says how many of them are of each language."""
        parts = [(self.rates.get(language, ANY_RATE), count) for language, count in languages.items()]
        parts.append((ANY_RATE, max(0, phones - sum(languages.values()))))
        return Bounds(
            low=math.floor(sum(rate.low * count for rate, count in parts)),
            typical=sum(rate.typical * count for rate, count in parts) + self.policy.pause_tokens / 2,
            high=math.ceil(sum(rate.high * count for rate, count in parts)) + self.policy.pause_tokens,
        )

    def checks(self, request: UtteranceRequest, bounds: Bounds) -> "CandidateChecks":
        """New checks for one candidate of an utterance.

        Where the utterance begins with words that the prompt has too, more likeness to the prompt is allowed.
        """
        voice, policy = request.voice, self.policy
        shared = longest_common_run(request.phones[: policy.leak_window // 2], voice.prompt_phones)
        points = policy.leak_points + 3 * max(0, shared - 4)
        return CandidateChecks(bounds, LeakDetector(voice.prompt_tokens, points, policy.leak_window))


class CandidateChecks:
    """Checks one candidate, token by token or as a whole."""

    def __init__(self, bounds: Bounds, leak: LeakDetector) -> None:
        self._bounds = bounds
        self._loop = LoopDetector()
        self._leak = leak
        self._leaked = False
        self._count = 0

    def push(self, token: int) -> Verdict | None:
        """Takes the next token; returns a verdict as soon as the candidate is known to be bad."""
        self._count += 1
        before_loop = self._loop.push(token)
        if before_loop is not None:
            return self._verdict(Fault.LOOP, before_loop)
        if self._leak.push(token):
            self._leaked = True
            return self._verdict(Fault.LEAK, self._count)
        return None

    def end(self, *, complete: bool) -> Verdict:
        """The verdict on a candidate that is over; complete: whether it ended with its end token."""
        if self._leaked:
            return self._verdict(Fault.LEAK, self._count)
        if self._count < self._bounds.low:
            return self._verdict(Fault.TOO_FEW, self._count)
        if complete and self._count <= self._bounds.high:
            return Verdict(None, self._count, 0.0)
        fault = Fault.TOO_MANY if self._count >= self._bounds.high else Fault.MISSING_END
        return self._verdict(fault, self._count)

    def judge(self, tokens: Iterable[int], *, complete: bool) -> Verdict:
        """The verdict on a whole candidate."""
        verdicts = (self.push(token) for token in tokens)
        early = next((verdict for verdict in verdicts if verdict is not None), None)
        return early or self.end(complete=complete)

    def silence(self) -> Verdict:
        """The verdict on a candidate whose samples are silent."""
        return self._verdict(Fault.SILENCE, self._count)

    def _verdict(self, fault: Fault, keep: int) -> Verdict:
        off = abs(keep - self._bounds.typical) / max(self._bounds.typical, 1.0)
        return Verdict(fault, keep, _WEIGHTS[fault] + off)
