"""One utterance on its way from phones to samples: candidates are sampled, checked, retried, then synthesised.

Candidates are sampled from stage one; the hallucination checks reject bad ones, and all are sampled again, a bounded number of
times. Then the best candidate that was rejected is used. Nothing is synthesised before its tokens are decided: those of the first
chunk while the others are sampled, where somebody waits and a schedule says what belongs to it, else all of them at once.
"""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from timbral.errors import SynthesisError, TextError
from timbral.inference.acoustic.interface import AcousticDecoder, Samples, TimedTokens
from timbral.inference.alignment.durations import TOKENS_PER_SECOND
from timbral.inference.alignment.rhythm import Rhythm
from timbral.inference.alignment.selection import CandidateSelector
from timbral.inference.guard.checks import Fault, Guard, Verdict
from timbral.inference.guard.detectors import is_silent
from timbral.inference.request import UtteranceRequest
from timbral.inference.semantic.decoder import SemanticDecoder
from timbral.inference.semantic.sequence import MOST_TOKENS, Finish, TokenSequence

TakeTurn = Callable[[], AbstractContextManager[bool]]


def _at_once() -> AbstractContextManager[bool]:
    return nullcontext(True)


@dataclass
class UtteranceStats:
    """The cost of one utterance.

    attempts: how often candidates were sampled. faults: of rejected candidates, counted. tokens: sampled in all.
    silent: whether no candidate could be heard. prefill_s, decode_s, acoustic_s: seconds in the stages; steps shared with
    other sequences count by share.
    """

    attempts: int = 0
    faults: Counter[Fault] = field(default_factory=Counter)
    tokens: int = 0
    silent: bool = False
    prefill_s: float = 0.0
    decode_s: float = 0.0
    acoustic_s: float = 0.0


class UtteranceDecoder:
    """Decodes one utterance; its first candidates are submitted at once.

    over: whether all of its chunks are out. Raises TextError if it is too long for the model.
    """

    def __init__(
        self,
        request: UtteranceRequest,
        semantic: SemanticDecoder,
        acoustic: AcousticDecoder,
        guard: Guard,
        selector: CandidateSelector,
        group: Hashable,
    ) -> None:
        self.request = request
        self.stats = UtteranceStats()
        self._semantic = semantic
        self._acoustic = acoustic
        self._guard = guard
        self._selector = selector
        self._group = group
        self._bounds = guard.bounds(len(request.phones), request.languages)
        self._limit = self._token_limit()
        rhythm = Rhythm(request.voice.pace, request.voice.pauses, request.seed)
        self._schedule = selector.schedule(request.phones, request.pause_within, rhythm)
        self._rejected: list[tuple[Verdict, list[int]]] = []
        self._settled = False
        self.over = False
        self._submit()
        self._begin()

    def _begin(self) -> None:
        """Nothing is decided or heard."""
        self._timed: TimedTokens | None = None
        self._decided = False
        self._chunks: Iterator[Samples] | None = None
        self._held: list[Samples] = []
        self._audible = False
        request = self.request
        count = self._acoustic.opening(request) if request.opens else 0
        checks = self._guard.checks(request, self._bounds)
        self._opening = self._selector.opening(request.phones, self._schedule, count, checks)

    def poll(self) -> bool:
        """Checks the candidates as far as they have come; whether there is a chunk to synthesise. Raises what made one fail."""
        while not self._decided:
            # Read before the tokens: none come after it.
            finished = all(candidate.finished is not None for candidate in self._candidates)
            verdict = self._check_running()
            if verdict is None:
                if not finished:
                    return self._open()
                verdict = self._check_finished()
            self._end_attempt()
            if verdict.fault is None:
                self._decide(self._chosen.tokens)
            else:
                self._reject(verdict)
        return True

    def wait(self, cancelled: Callable[[], bool]) -> None:
        """Returns when `poll` may find something new, or when the caller is `cancelled`."""
        known = self._checked if self._checked_while_running else self._limit
        if self._opening is not None and not self._opening.over:
            known = self._opening.next_look - 1
        urgent = self.request.opens and self._timed is None
        self._semantic.wait(self._candidates, known, cancelled, urgent=urgent)

    def chunks(self, turn: TakeTurn = _at_once) -> Iterator[Samples]:
        """The samples of the tokens decided so far, from the first audible chunk on; none where they are silent and are retried.

        turn: a context in which each chunk is computed, unless it says that nobody wants it any more.

        Raises SynthesisError for samples that are not finite.
        """
        assert self._timed is not None
        policy = self._guard.policy
        patience = policy.leading_silence_s * self._acoustic.sample_rate / self.request.speed
        self._chunks = self._chunks or self._acoustic.synthesize(self.request, self._timed)
        while (chunk := self._synthesize(self._chunks, turn)) is not None:
            self._held.append(chunk)
            self._audible = self._audible or not is_silent(chunk, policy.floor_db)
            if self._audible or self._settled:
                yield from self._held
                self._held.clear()
            elif sum(map(len, self._held)) >= patience and not self._last_attempt:
                break
            if not self._decided:
                return
        self.over = self._audible or self._settled
        self.stats.silent = not self._audible
        if not self.over:
            self._begin()
            self._reject(self._checks.silence())

    @property
    def borders(self) -> NDArray[np.float64] | None:
        """When the n phones begin and end, [n + 1] in seconds of the utterance, where a duration model decides that."""
        if self._schedule is None:
            return None
        return self._schedule.borders / (TOKENS_PER_SECOND * self.request.speed)

    def cancel(self) -> None:
        """Stops the candidates that still run."""
        for candidate in self._candidates:
            self._semantic.cancel(candidate)

    @property
    def _last_attempt(self) -> bool:
        return self.stats.attempts > self._guard.policy.retries or self.request.sampling.greedy

    @property
    def _checked_while_running(self) -> bool:
        """Whether tokens are checked as they come: of a single candidate whose timing is its own."""
        return len(self._candidates) == 1 and self._schedule is None

    def _open(self) -> bool:
        """Whether the first chunk can be synthesised now that more tokens have come."""
        opening = self._opening
        if self._timed is not None or opening is None:
            return False
        opening.look(self._chosen.tokens)
        if opening.tokens is None:
            return False
        assert self._schedule is not None
        tokens = np.zeros(len(self._schedule.positions), np.int64)
        tokens[: opening.count] = opening.tokens
        self._timed = TimedTokens(tokens, self._schedule.phones)
        return True

    def _token_limit(self) -> int:
        request = self.request
        room = self._semantic.capacity - len(request.all_phones) - len(request.voice.prompt_tokens)
        if room < min(self._bounds.typical, MOST_TOKENS):
            raise TextError("a sentence is too long for the model: split the text into shorter ones")
        return min(self._bounds.high, MOST_TOKENS, room)

    def _submit(self) -> None:
        request, count = self.request, self._selector.count(self.request)
        self._candidates = [
            TokenSequence(
                request.all_phones,
                request.voice.prompt_tokens,
                request.sampling,
                request.seed,
                features=request.all_features,
                limit=self._limit,
                candidate=self.stats.attempts * count + number,
            )
            for number in range(count)
        ]
        self.stats.attempts += 1
        self._chosen = self._candidates[0]
        self._checks = self._guard.checks(request, self._bounds)
        self._checked = 0
        for candidate in self._candidates:
            self._semantic.submit(candidate, self._group, urgent=request.opens)

    def _check_running(self) -> Verdict | None:
        """The verdict on a single candidate that is already known to be bad."""
        if not self._checked_while_running:
            return None
        tokens = self._chosen.tokens
        while self._checked < len(tokens):
            verdict = self._checks.push(tokens[self._checked])
            self._checked += 1
            # A leak of the last attempt may be all there is: it is sampled to its end.
            if verdict is not None and not (self._last_attempt and verdict.fault is Fault.LEAK):
                return verdict
        return None

    def _check_finished(self) -> Verdict:
        """The verdict on the best of the candidates, all of which are over."""
        for candidate in self._candidates:
            if candidate.error is not None:
                raise candidate.error
        complete = [candidate.finished is Finish.END for candidate in self._candidates]
        if self._checked_while_running:
            return self._checks.end(complete=complete[0])
        checks = [self._guard.checks(self.request, self._bounds) for _ in self._candidates]
        verdicts = [
            check.judge(candidate.tokens, complete=ended)
            for check, candidate, ended in zip(checks, self._candidates, complete, strict=True)
        ]
        tokens = [np.asarray(candidate.tokens, np.int64) for candidate in self._candidates]
        scores = self._selector.scores(self.request.phones, tokens)
        best = int(np.lexsort((-scores, np.array([verdict.score for verdict in verdicts])))[0])
        self._chosen, self._checks = self._candidates[best], checks[best]
        return verdicts[best]

    def _reject(self, verdict: Verdict) -> None:
        """Samples new candidates, or uses the best rejected one after the last attempt."""
        assert verdict.fault is not None
        # A schedule leaves tokens out by itself; without one, what follows a fault is not spoken.
        tokens = self._chosen.tokens if self._schedule else self._chosen.tokens[: verdict.keep]
        self.stats.faults[verdict.fault] += 1
        self._rejected.append((verdict, tokens))
        if self._last_attempt:
            self._settled = True
            _, _, tokens = min((verdict.score, verdict.keep, tokens) for verdict, tokens in self._rejected)
            self._decide(tokens)
        else:
            self._submit()

    def _end_attempt(self) -> None:
        self.cancel()
        if self._opening is not None:
            # Kept through further attempts, since it may have been heard.
            self._opening.look(self._chosen.tokens)
            self._opening.over = True
        for candidate in self._candidates:
            self.stats.tokens += len(candidate.tokens)
            self.stats.prefill_s += candidate.prefill_s
            self.stats.decode_s += candidate.decode_s

    def _decide(self, tokens: list[int]) -> None:
        """What was opened already stays as it is, whether or not it has been heard."""
        timed = self._selector.timed(self.request.phones, np.asarray(tokens, np.int64), self._schedule)
        opening = self._opening
        if opening is not None and opening.tokens is not None and len(timed.tokens):
            timed.tokens[: opening.count] = opening.tokens
            if self._timed is not None:
                self._timed.tokens[:] = timed.tokens
        self._timed = self._timed or timed
        self._decided = True

    def _synthesize(self, chunks: Iterator[Samples], turn: TakeTurn) -> Samples | None:
        """The next chunk; None after the last one, or where nobody wants it."""
        with turn() as wanted:
            if not wanted:
                return None
            began = time.perf_counter()
            chunk = next(chunks, None)
            self.stats.acoustic_s += time.perf_counter() - began
        if chunk is not None and not np.isfinite(chunk).all():
            raise SynthesisError(
                "the samples are not finite: the model or the voice is damaged; get it again"
            )
        return chunk
