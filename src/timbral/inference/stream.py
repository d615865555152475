"""What comes out of the synthesizer: sound, at once or as a stream, and what it has cost."""

import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any

import numpy as np

from timbral.audio import Audio
from timbral.audio.joining import Joiner
from timbral.audio.levels import limit
from timbral.audio.resampling import ChunkResampler
from timbral.inference.engine import SpeechEngine
from timbral.inference.utterances import Script


@dataclass(frozen=True)
class Report:
    """What a speech has cost: seconds in each stage, and how often the guard had a sentence drawn again.

    seed: gives the same speech again. first_s: from the call to the first sound. total_s: all work; what the
    listener does in between does not count. audio_s: length of the speech.
    sentences, tokens, retries: how many; faults: what the guard found, by name.
    """

    seed: int
    audio_s: float
    total_s: float
    first_s: float | None
    text_s: float
    prefill_s: float
    decode_s: float
    acoustic_s: float
    sentences: int
    tokens: int
    retries: int
    faults: dict[str, int]

    @property
    def rtf(self) -> float:
        """Real-time factor: seconds of work for a second of speech."""
        return self.total_s / self.audio_s if self.audio_s else 0.0

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, seconds rounded to 0.1 ms."""
        values = {**asdict(self), "rtf": self.rtf}
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}


@dataclass(frozen=True, eq=False)
class Speech(Audio):
    """Synthesised sound, with the report of its making."""

    report: Report


class SpeechStream:
    """An iterator over the chunks of a speech, in order: put together, they are what `say` gives.

    Leaving before the end, call `close`, or use it in a `with`.
    """

    def __init__(
        self, engine: SpeechEngine, script: Script, seed: int, rate: int, began: float, start: int = 0
    ) -> None:
        self.rate = rate
        self._script, self._seed = script, seed
        self._speech = engine.speak(script)
        self._native_rate = engine.acoustic.sample_rate
        self._chunks = self._run()
        self._sentence = self._start = start
        self._samples = 0
        self._first_s: float | None = None
        self._total_s = time.perf_counter() - began

    def __iter__(self) -> Iterator[Audio]:
        return self

    def __next__(self) -> Audio:
        began = time.perf_counter()
        try:
            chunk = next(self._chunks)
        finally:
            self._total_s += time.perf_counter() - began
        if self._first_s is None:
            self._first_s = self._total_s
        self._samples += len(chunk.samples)
        return chunk

    def __enter__(self) -> "SpeechStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops the synthesis and frees what it holds."""
        self._chunks.close()
        self._speech.close()

    def collect(self) -> Speech:
        """The rest of the speech as one sound."""
        chunks = [chunk.samples for chunk in self]
        return Speech(np.concatenate([np.zeros(0, np.float32), *chunks]), self.rate, self.report)

    @property
    def progress(self) -> float:
        """Share of the text that has been spoken, 0 to 1."""
        return self._script.spoken[self._sentence - 1] if self._sentence else 0.0

    @property
    def finished(self) -> int:
        """Utterances of the text whose samples have all been given."""
        return self._sentence

    @property
    def report(self) -> Report:
        """What the speech has cost so far."""
        spent = self._speech.report
        return Report(
            seed=self._seed,
            audio_s=self._samples / self.rate,
            total_s=self._total_s,
            first_s=self._first_s,
            text_s=self._script.seconds,
            prefill_s=spent.prefill_s,
            decode_s=spent.decode_s,
            acoustic_s=spent.acoustic_s,
            sentences=self._sentence,
            tokens=spent.tokens,
            retries=spent.retries,
            faults=dict(spent.faults),
        )

    def _run(self) -> Generator[Audio, None, None]:
        joiner = Joiner(self._native_rate)
        resampler = ChunkResampler(self._native_rate, self.rate)
        pauses = self._script.pauses
        if self._start:
            joiner.push(np.zeros(0, np.float32), last=True, pause=pauses[self._start - 1])
        for piece in self._speech:
            index = self._start + piece.index
            joined = joiner.push(piece.samples, last=piece.last, pause=pauses[index])
            self._sentence = index + piece.last
            samples = limit(resampler.push(joined))
            if len(samples):
                yield Audio(samples, self.rate)
        rest = limit(resampler.push(np.zeros(0, np.float32), last=True))
        if len(rest):
            yield Audio(rest, self.rate)
