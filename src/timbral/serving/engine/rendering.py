"""One speech on its way from text to bytes: synthesis, what is done to all samples, encoding; chunk by chunk."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from timbral.config import GenerationConfig
from timbral.inference.stream import Report
from timbral.inference.timestamps import SpokenUtterance
from timbral.serving.encoding import FormatName, open_encoder
from timbral.serving.engine.interface import ChunkStream, Pool
from timbral.voices import Voice

Samples = NDArray[np.float32]


class SampleProcessor(Protocol):
    """Changes all samples of a speech before they are encoded, such as a watermark does."""

    def push(self, samples: Samples) -> Samples:
        """What is ready after these samples float32 [n]; may be shorter or empty."""

    def finish(self) -> Samples:
        """The rest. Nothing may follow."""


OpenProcessor = Callable[[int], SampleProcessor]
"""Makes the processor of one speech, for samples at a rate in Hz."""


@dataclass(frozen=True, eq=False)
class SpeechOrder:
    """What is to be spoken, and as what. voice_id, consent: what records call the voice, and what allows it.

    layout: the text as it is spoken, where line breaks were added to it. timestamps: whether times are told.
    """

    text: str
    model: str
    voice: Voice
    voice_id: str
    consent: str
    language: str
    config: GenerationConfig
    format: FormatName
    layout: str | None = None
    timestamps: bool = False


class Rendering:
    """The chunks of one speech, encoded. `step` runs in any one thread at a time; `cancel` may come from another one.

    processors: applied to the samples in this order, between synthesis and encoder.
    """

    def __init__(self, order: SpeechOrder, pool: Pool, processors: Sequence[OpenProcessor] = ()) -> None:
        self._order, self._pool, self._opened = order, pool, processors
        self._lock = threading.Lock()
        self._resources = ExitStack()
        self._stream: ChunkStream | None = None
        self._cancelled = threading.Event()
        self._ended = False
        self._spoken: deque[SpokenUtterance] = deque()
        self.began = time.perf_counter()
        self.first_s: float | None = None

    def start(self, reading: AbstractContextManager[None]) -> None:
        """Loads what is missing, and reads the text inside `reading`. Raises TimbralError: it cannot be spoken."""
        with self._lock:
            order = self._order
            synthesizer = self._resources.enter_context(self._pool.lease(order.model, order.voice))
            text = order.text if order.layout is None else order.layout
            with reading:
                stream = synthesizer.stream(text, order.voice, order.language, order.config)
            self._stream = self._resources.enter_context(stream)
            self._processors = [opened(stream.rate) for opened in self._opened]
            self._encoder = open_encoder(order.format, stream.rate)

    def step(self) -> bytes | None:
        """The next bytes, never empty; None at the end, or once it is cancelled."""
        with self._lock:
            while not self._ended and not self._cancelled.is_set():
                content = self._next()
                if content:
                    if self.first_s is None:
                        self.first_s = time.perf_counter() - self.began
                    return content
            return None

    def cancel(self) -> None:
        """Stops the synthesis within a step of stage one or a chunk of stage two; does not wait for it."""
        self._cancelled.set()
        if self._stream is not None:
            self._stream.cancel()

    def close(self) -> None:
        """Frees what it holds; waits for a running `step`."""
        self.cancel()
        with self._lock:
            self._resources.close()

    def spoken(self) -> list[SpokenUtterance]:
        """The utterances that have come to their end since the last call, where the order asks for times."""
        return [self._spoken.popleft() for _ in range(len(self._spoken))]

    @property
    def characters(self) -> int:
        """Length of the text."""
        return len(self._order.text)

    @property
    def report(self) -> Report | None:
        """What the speech has cost so far."""
        return None if self._stream is None else self._stream.report

    def _next(self) -> bytes:
        assert self._stream is not None
        chunk = next(self._stream, None)
        if chunk is not None:
            if self._order.timestamps:
                self._spoken.extend(chunk.spoken)
            return self._encoder.push(self._processed(chunk.samples))
        self._ended = True
        rest = self._encoder.push(self._processed(np.zeros(0, np.float32), last=True))
        return rest + self._encoder.finish()

    def _processed(self, samples: Samples, *, last: bool = False) -> Samples:
        for processor in self._processors:
            samples = processor.push(samples)
            if last:
                samples = np.concatenate([samples, processor.finish()])
        return samples
