"""The road from lines to sound: several at once through stage one, heard piece by piece in their order."""

import time
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from timbral.inference.acoustic.interface import AcousticDecoder
from timbral.inference.guard.guard import Guard
from timbral.inference.request import UtteranceRequest
from timbral.inference.semantic.decoder import SemanticDecoder
from timbral.inference.utterance_decoder import Account, UtteranceDecoder


@dataclass(frozen=True)
class AudioChunk:
    """A stretch of sound: samples float32 [n] of line number `index`, its end if `last`, which may be empty."""

    index: int
    samples: NDArray[np.float32]
    last: bool


@dataclass
class Report:
    """What a speech has cost so far.

    tokens: drawn in all takes. retries: of lines whose takes were no good. faults: what was wrong with
    takes, by name. prefill_s, decode_s, acoustic_s: seconds in the stages, of the lines that are over.
    first_s: seconds to the first piece. samples: sound so far, at `sample_rate` Hz.
    """

    sample_rate: int
    lines: int = 0
    tokens: int = 0
    retries: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    prefill_s: float = 0.0
    decode_s: float = 0.0
    acoustic_s: float = 0.0
    first_s: float | None = None
    samples: int = 0


class SpeechEngine:
    """Both stages and the guard. Immutable and shared: all state of a request is in its `Speech`."""

    def __init__(self, semantic: SemanticDecoder, acoustic: AcousticDecoder, guard: Guard) -> None:
        self.semantic = semantic
        self.acoustic = acoustic
        self.guard = guard

    def speak(self, lines: Iterable[UtteranceRequest]) -> "Speech":
        """Speaks lines, which are read only as far as needed to keep the batch full."""
        return Speech(self, lines)


class Speech:
    """An iterator over the pieces of a speech, in order; `report` tells what it has cost up to now.

    Nothing is done before the first piece is asked for. Close it (or use `with`) to leave before the end.
    Raises TextError at a line that is longer than the model can speak.
    """

    def __init__(self, engine: SpeechEngine, lines: Iterable[UtteranceRequest]) -> None:
        self.report = Report(engine.acoustic.sample_rate)
        self._engine = engine
        self._lines = iter(lines)
        self._on_stage: deque[UtteranceDecoder] = deque()
        self._pieces = self._perform()

    def __iter__(self) -> Iterator[AudioChunk]:
        return self

    def __next__(self) -> AudioChunk:
        return next(self._pieces)

    def __enter__(self) -> "Speech":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops what is running."""
        self._pieces.close()

    def _perform(self) -> Generator[AudioChunk, None, None]:
        began = time.perf_counter()
        try:
            while self._fill():
                head = self._on_stage[0]
                head.follow()
                pieces = head.collect()
                for number, samples in enumerate(pieces, 1):
                    if self.report.first_s is None:
                        self.report.first_s = time.perf_counter() - began
                    self.report.samples += len(samples)
                    yield AudioChunk(self.report.lines, samples, last=head.done and number == len(pieces))
                if head.done:
                    self._on_stage.popleft()
                    self._enter(head.account)
                elif not pieces:
                    for other in self._on_stage:
                        other.follow()
                    head.wait()
        finally:
            for performance in self._on_stage:
                performance.cancel()

    def _fill(self) -> bool:
        """Lets lines begin while there is room: one alone until there is sound, so that it comes soon."""
        engine = self._engine
        room = 1 if self.report.first_s is None else engine.semantic.max_batch
        while len(self._on_stage) < room:
            line = next(self._lines, None)
            if line is None:
                break
            self._on_stage.append(
                UtteranceDecoder(line, engine.semantic, engine.acoustic, engine.guard, id(self))
            )
        return bool(self._on_stage)

    def _enter(self, account: Account) -> None:
        report = self.report
        report.lines += 1
        report.tokens += account.tokens
        report.retries += account.attempts - 1
        report.faults.update(fault.value for fault in account.faults.elements())
        report.prefill_s += account.prefill_s
        report.decode_s += account.decode_s
        report.acoustic_s += account.acoustic_s
