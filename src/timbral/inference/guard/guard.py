"""Tells good takes of a sentence from bad ones, and says how often to try again.

An autoregressive voice now and then drops words, repeats them, babbles on or speaks its prompt. None of this
can be ruled out, but it can be noticed: by the number of tokens for the phones, by loops, by likeness to the
prompt, by a missing end, by silence.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from timbral.inference.acoustic.interface import Spoken
from timbral.inference.alignment.durations import DurationPredictor, Schedule, fitted
from timbral.inference.alignment.hmm_aligner import HmmAligner
from timbral.inference.guard.detectors import LeakDetector, LoopDetector, longest_common_run


@dataclass(frozen=True)
class Rate:
    """Tokens a phone in one language: fewer than `low` or more than `high` is not speech of the text."""

    low: float
    typical: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low < self.typical < self.high:
            raise ValueError(f"rates must ascend from above 0, not {self.low}, {self.typical}, {self.high}")


RATES: Mapping[str, Rate] = MappingProxyType(
    {
        "zh": Rate(1.5, 2.7, 4.5),
        "en": Rate(1.2, 2.2, 4.0),
        "ja": Rate(1.2, 2.0, 3.8),
        "ko": Rate(0.9, 1.9, 3.6),
        "yue": Rate(1.2, 2.7, 4.8),
    }
)
"""Defaults at 25 tokens a second: zh, en and ja read off corpora of synthetic and recorded speech, ko and yue
estimated from their syllable rates."""

ANY = Rate(0.9, 2.2, 4.8)
"""For phones whose language nobody names."""


class Fault(str, Enum):
    """What is wrong with a take."""

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

    takes: of a line at once, where there is a listener to choose between them.
    retries: how often takes are drawn again after bad ones; 0 only reports.
    pause_tokens: what pauses and the silence at both ends may add to a sentence.
    short_tokens: a sentence of which no more are expected is not heard before it has ended well.
    leak_points, leak_window: likeness to the prompt that counts as a leak (see LeakDetector), and the
    number of tokens at the beginning among which it is looked for.
    dead_air_s: silence in one stretch, at normal speed, that counts as lost speech. floor_db: what is below
    is silence.
    """

    takes: int = 4
    retries: int = 2
    pause_tokens: int = 30
    short_tokens: int = 50
    leak_points: int = 10
    leak_window: int = 50
    dead_air_s: float = 2.0
    floor_db: float = -55.0


@dataclass(frozen=True)
class Bounds:
    """Tokens that a sentence may have: from `low` up to `high`, about `typical`."""

    low: int
    typical: float
    high: int


@dataclass(frozen=True)
class Verdict:
    """What the guard thinks of a take.

    fault: what is wrong, None for a good take.
    keep: how many of its tokens are worth hearing if no better take comes.
    score: 0 for a good take, higher for a worse one.
    """

    fault: Fault | None
    keep: int
    score: float


@dataclass(frozen=True)
class Guard:
    """Judges takes; knows rates by language, and keeps nothing of what it judges.

    listener: tells how well a take says its phones; a model may come without one. durations: tells when they are to be
    spoken, where stage two has to know; only together with a listener.
    """

    rates: Mapping[str, Rate] = field(default_factory=lambda: RATES)
    policy: Policy = field(default_factory=Policy)
    listener: HmmAligner | None = None
    durations: DurationPredictor | None = None

    @property
    def takes(self) -> int:
        """Takes of a line at once."""
        return self.policy.takes if self.listener else 1

    def clarity(self, phones: NDArray[np.int64], takes: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
        """How well each take [T] says the phones [n], higher is better; zeros without a listener."""
        return self.listener.scores(phones, takes) if self.listener else np.zeros(len(takes))

    def schedule(self, phones: NDArray[np.int64]) -> Schedule | None:
        """When the phones [n] of a line are to be spoken, where stage two has to know."""
        return self.durations.schedule(phones) if self.durations else None

    def scheduled(
        self, phones: NDArray[np.int64], schedule: Schedule, take: NDArray[np.int64]
    ) -> list[tuple[int, Spoken]]:
        """A take [T] of the phones [n] in the time of their schedule: each token, and what its halves speak."""
        assert self.listener is not None
        if not len(take):
            return []
        tokens = fitted(take, self.listener.path(phones, take), schedule.places)
        return [
            (token, (first, second))
            for token, (first, second) in zip(tokens.tolist(), schedule.spoken.tolist(), strict=True)
        ]

    def bounds(self, phones: int, languages: Mapping[str, int]) -> Bounds:
        """Bounds for a sentence of so many phones; `languages` says how many of them are of each language."""
        parts = [(self.rates.get(language, ANY), count) for language, count in languages.items()]
        parts.append((ANY, max(0, phones - sum(languages.values()))))
        return Bounds(
            low=math.floor(sum(rate.low * count for rate, count in parts)),
            typical=sum(rate.typical * count for rate, count in parts) + self.policy.pause_tokens / 2,
            high=math.ceil(sum(rate.high * count for rate, count in parts)) + self.policy.pause_tokens,
        )

    def watch(
        self,
        bounds: Bounds,
        phones: NDArray[np.int64],
        prompt_phones: NDArray[np.int64],
        prompt: NDArray[np.int64],
    ) -> "Watch":
        """Begins to watch one take of a sentence.

        phones [n] are the sentence's alone. Where they begin with words that the prompt [p] has too,
        their likeness is not a leak, so more of it is allowed.
        """
        shared = longest_common_run(phones[: self.policy.leak_window // 2], prompt_phones)
        points = self.policy.leak_points + 3 * max(0, shared - 4)
        short = bounds.typical <= self.policy.short_tokens
        trusted = 0 if short else math.floor((bounds.typical + bounds.high) / 2)
        return Watch(bounds, trusted, LeakDetector(prompt, points, self.policy.leak_window))


class Watch:
    """Follows one take token by token and judges it; up to `trusted` tokens it may be heard unfinished."""

    def __init__(self, bounds: Bounds, trusted: int, leak: LeakDetector) -> None:
        self._bounds = bounds
        self._trusted = trusted
        self._loop = LoopDetector()
        self._leak = leak
        self._leaked = False
        self._count = 0

    @property
    def doubtful(self) -> bool:
        """Whether it is too early to let the last tokens be heard: a short line, overtime, a suspicion."""
        return self._count > self._trusted or self._loop.suspicious or self._leak.suspicious

    def push(self, token: int) -> Verdict | None:
        """Takes the next token; returns a verdict if the take need not go on, because it is bad already."""
        self._count += 1
        before_loop = self._loop.push(token)
        if before_loop is not None:
            return self._verdict(Fault.LOOP, before_loop)
        if self._leak.push(token):
            self._leaked = True
            return self._verdict(Fault.LEAK, self._count)
        return None

    def end(self, *, by_itself: bool) -> Verdict:
        """The verdict on a take that is over, `by_itself` if with its end token."""
        if self._leaked:
            return self._verdict(Fault.LEAK, self._count)
        if self._count < self._bounds.low:
            return self._verdict(Fault.TOO_FEW, self._count)
        if by_itself and self._count <= self._bounds.high:
            return Verdict(None, self._count, 0.0)
        fault = Fault.TOO_MANY if self._count >= self._bounds.high else Fault.MISSING_END
        return self._verdict(fault, self._count)

    def judge(self, tokens: Iterable[int], *, by_itself: bool) -> Verdict:
        """The verdict on a whole take."""
        verdicts = (self.push(token) for token in tokens)
        early = next((verdict for verdict in verdicts if verdict is not None), None)
        return early or self.end(by_itself=by_itself)

    def silence(self) -> Verdict:
        """The verdict on a take whose sound died away."""
        return self._verdict(Fault.SILENCE, self._count)

    def _verdict(self, fault: Fault, keep: int) -> Verdict:
        off = abs(keep - self._bounds.typical) / max(self._bounds.typical, 1.0)
        return Verdict(fault, keep, _WEIGHTS[fault] + off)
