"""Phones to samples for many utterances at once: both stages, the guard, and the order of the chunks."""

import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from timbral.inference.acoustic.interface import AcousticDecoder
from timbral.inference.alignment.selection import CandidateSelector
from timbral.inference.guard.checks import Guard
from timbral.inference.request import UtteranceRequest
from timbral.inference.semantic.decoder import SemanticDecoder
from timbral.inference.sessions import usable_cores
from timbral.inference.turns import Turns
from timbral.inference.utterance_decoder import UtteranceDecoder, UtteranceStats

AHEAD = 8
"""Utterances of one caller that are decoded together, at most: others wait for the slots of stage one as well."""


@dataclass(frozen=True, eq=False)
class AudioChunk:
    """Samples float32 [n] of the utterance that `request` asked for; `last` is its end and may be empty.

    borders: of the phones, in seconds of the utterance, at its end; see `UtteranceDecoder.borders`.
    """

    request: UtteranceRequest
    samples: NDArray[np.float32]
    last: bool
    borders: NDArray[np.float64] | None = None


@dataclass
class EngineStats:
    """The cost so far of what one caller has asked for.

    utterances: that are over. tokens: sampled in all candidates. retries: of utterances whose candidates were rejected.
    faults: of rejected candidates, by name. silent: utterances of which nothing can be heard.
    prefill_s, decode_s, acoustic_s: seconds in the stages, of utterances that are over. first_s: seconds to the first chunk.
    """

    utterances: int = 0
    tokens: int = 0
    retries: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    silent: int = 0
    prefill_s: float = 0.0
    decode_s: float = 0.0
    acoustic_s: float = 0.0
    first_s: float | None = None

    def add(self, stats: UtteranceStats) -> None:
        """Counts an utterance that is over."""
        self.utterances += 1
        self.tokens += stats.tokens
        self.retries += stats.attempts - 1
        self.faults.update(fault.value for fault in stats.faults.elements())
        self.silent += stats.silent
        self.prefill_s += stats.prefill_s
        self.decode_s += stats.decode_s
        self.acoustic_s += stats.acoustic_s


@dataclass(frozen=True)
class SpeechEngine:
    """Both stages and the guard. Immutable and shared: all state of a caller is in its generator."""

    semantic: SemanticDecoder
    acoustic: AcousticDecoder
    guard: Guard
    selector: CandidateSelector = field(default_factory=CandidateSelector)
    turns: Turns = field(default_factory=lambda: Turns(usable_cores()))

    def speak(
        self,
        requests: Iterable[UtteranceRequest],
        stats: EngineStats,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Generator[AudioChunk, None, None]:
        """The chunks of all utterances, in order. Closing the generator stops what runs, and so does another thread by way
        of `cancelled`, within a step of stage one or a chunk of stage two.

        Requests are read only as far as needed to keep the batch full: one alone until there is sound, so that it comes
        soon. Raises TextError at an utterance that is longer than the model can speak.
        """
        began, upcoming = time.perf_counter(), iter(requests)
        heard = began  # until when the listener has samples
        self.turns.begin()

        def turn() -> AbstractContextManager[bool]:
            return self.turns.turn(heard, cancelled)

        running: deque[UtteranceDecoder] = deque()
        try:
            while not cancelled() and self._fill(
                running, upcoming, 1 if stats.first_s is None else min(AHEAD, self.semantic.max_batch)
            ):
                head = running[0]
                if not head.poll():
                    for other in running:
                        other.poll()
                    self.turns.rest(heard, cancelled)
                    head.wait(cancelled)
                    continue
                for samples in head.chunks(turn):
                    if stats.first_s is None:
                        self.turns.heard()
                        heard = time.perf_counter()
                        stats.first_s = heard - began
                    heard += len(samples) / self.acoustic.sample_rate
                    yield AudioChunk(head.request, samples, last=False)
                    if cancelled():
                        return
                if head.over:
                    yield AudioChunk(head.request, np.zeros(0, np.float32), last=True, borders=head.borders)
                    stats.add(head.stats)
                    running.popleft()
                self.turns.rest(heard, cancelled)
        finally:
            if stats.first_s is None:
                self.turns.heard()
            for decoder in running:
                decoder.cancel()

    def _fill(
        self, running: deque[UtteranceDecoder], upcoming: Iterable[UtteranceRequest], room: int
    ) -> bool:
        """Starts utterances while there is room; whether any run."""
        for request in upcoming if len(running) < room else ():
            running.append(
                UtteranceDecoder(
                    request, self.semantic, self.acoustic, self.guard, self.selector, id(running)
                )
            )
            if len(running) >= room:
                break
        return bool(running)
