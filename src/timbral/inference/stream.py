"""What comes out of the synthesizer: sound, at once or as a stream, and what it has cost."""

import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, ClassVar

import numpy as np

from timbral.audio import Audio
from timbral.audio.writing import SYNTHETIC
from timbral.errors import SynthesisError
from timbral.inference.engine import EngineStats
from timbral.inference.subtitles import SubtitleFormat, subtitles
from timbral.inference.timestamps import SpokenUtterance


@dataclass(frozen=True)
class Report:
    """The cost of a speech: seconds in each stage, and how often the guard had an utterance sampled again.

    seed: gives the same speech again. first_s: from the call to the first sound. total_s: all work; what the
    listener does in between does not count. audio_s: length of the speech.
    sentences, tokens, retries: how many; faults: of rejected candidates, by name.
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


@dataclass(frozen=True, eq=False, repr=False)
class SpeechChunk(Audio):
    """A piece of a speech. spoken: the utterances that are over with it, and when they were spoken."""

    spoken: tuple[SpokenUtterance, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Speech(Audio):
    """Synthesised sound, with the report of its making, and when each utterance is spoken.

    Its files say in their metadata that it is synthetic.
    """

    report: Report
    spoken: tuple[SpokenUtterance, ...]
    comment: ClassVar[str] = SYNTHETIC

    def subtitles(self, kind: SubtitleFormat = "srt") -> str:
        """The content of a file with subtitles: SubRip, or WebVTT ("vtt"). Raises SettingError for another kind."""
        return subtitles(self.spoken, kind)


@dataclass
class StreamStats:
    """What a stream counts while it runs: seconds of text, the engine's costs, and what is spoken.

    progress: as a share of the text; finished: in utterances. cancelled: set to stop the work from another thread.
    """

    engine: EngineStats
    text_s: float = 0.0
    progress: float = 0.0
    finished: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)


class SpeechStream:
    """An iterator over the chunks of a speech, in order: put together, they are what `say` gives.

    Leaving before the end, call `close`, or use it in a `with`.
    Raises SynthesisError at the end of a speech of which nothing can be heard.
    """

    def __init__(
        self,
        chunks: Generator[SpeechChunk, None, None],
        stats: StreamStats,
        seed: int,
        rate: int,
        began: float,
    ) -> None:
        """began: when the work started, by `time.perf_counter`."""
        self.rate = rate
        self._chunks, self._stats, self._seed = chunks, stats, seed
        self._samples = 0
        self._first_s: float | None = None
        self._total_s = time.perf_counter() - began
        self._closed = False

    def __iter__(self) -> Iterator[SpeechChunk]:
        return self

    def __next__(self) -> SpeechChunk:
        began = time.perf_counter()
        try:
            chunk = next(self._chunks)
        except StopIteration:
            engine = self._stats.engine
            cancelled = self._closed or self._stats.cancelled.is_set()
            if not cancelled and engine.silent and engine.silent == engine.utterances:
                self._closed = True
                raise SynthesisError(
                    "nothing can be heard of this text: write more of it, or try another seed or voice"
                ) from None
            self._closed = True
            raise
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
        self._closed = True
        self._chunks.close()

    def cancel(self) -> None:
        """Stops the synthesis from another thread: the stream ends within a step of stage one or a chunk of stage two."""
        self._stats.cancelled.set()

    def collect(self) -> Speech:
        """The rest of the speech as one sound. Raises SynthesisError where it is closed or at its end."""
        if self._closed:
            raise SynthesisError("this stream is closed: nothing is left to collect")
        chunks = list(self)
        samples = np.concatenate([np.zeros(0, np.float32), *(chunk.samples for chunk in chunks)])
        spoken = tuple(utterance for chunk in chunks for utterance in chunk.spoken)
        return Speech(samples, self.rate, self.report, spoken)

    @property
    def progress(self) -> float:
        """Share of the text that has been spoken, 0 to 1."""
        return self._stats.progress

    @property
    def finished(self) -> int:
        """Utterances of the text whose samples have all been given."""
        return self._stats.finished

    @property
    def report(self) -> Report:
        """What the speech has cost so far."""
        engine = self._stats.engine
        return Report(
            seed=self._seed,
            audio_s=self._samples / self.rate,
            total_s=self._total_s,
            first_s=self._first_s,
            text_s=self._stats.text_s,
            prefill_s=engine.prefill_s,
            decode_s=engine.decode_s,
            acoustic_s=engine.acoustic_s,
            sentences=engine.utterances,
            tokens=engine.tokens,
            retries=engine.retries,
            faults=dict(engine.faults),
        )
