"""A replica that speaks: one engine with its models. Requests are batched inside it, as in a server of one process."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from threading import Event, Lock
from typing import Any, TypeVar

import numpy as np
from ray import serve

from timbral.errors import TimbralError
from timbral.inference.stream import SpeechStream
from timbral.serving import logs
from timbral.serving.config import ServeConfig
from timbral.serving.engine.pool import ModelPool
from timbral.serving.memory import limit_arenas
from timbral.serving.ray.messages import Piece, Refusal, SpeechTask
from timbral.serving.ray.scaling import FIRST_SOUND
from timbral.voices import Consent, Voice

T = TypeVar("T")

_KNOWN = 64
"""Weight sets by which requests find a replica again; what stays in memory is the pool's business."""
_WINDOW_S, _REMEMBERED = 30.0, 200


class Engine:
    """Speaks and clones for the ingress. Knows no keys, no database and no names of voices."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """settings: of ServeConfig. Loads what `pool.preload` names, so that a replica that is ready is warm."""
        config = ServeConfig(**settings)
        limit_arenas()
        logs.configure(config.log_format)
        self._pool = ModelPool(config.pool, config.engine)
        self._threads = ThreadPoolExecutor(config.engine.streams + 4, "speak")
        self._first: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)
        self._preloaded = config.pool.preload
        for name in self._preloaded:
            with self._pool.lease(name):
                continue

    async def check_health(self) -> None:
        """Called by Ray before the replica gets requests, and then every few seconds."""
        for (
            name
        ) in self._preloaded:  # else all requests would go to the one replica that is known to have the model
            await self.weights(name)

    async def speak(self, task: SpeechTask) -> AsyncIterator[Piece | Refusal]:
        """The pieces of a speech; a refusal ends it. Cancelling stops it within a step of stage one."""
        began = time.monotonic()
        speech = _Speech(self._pool, task)
        try:
            await self.weights(serve.get_multiplexed_model_id())
            await self._run(speech.open)
            while (piece := await self._run(speech.step)) is not None:
                if began:
                    self._first.append((time.monotonic(), time.monotonic() - began))
                    began = 0.0
                yield piece
        except TimbralError as error:
            yield Refusal.of(error)
        finally:
            speech.cancel()
            self._threads.submit(speech.close)

    async def clone(
        self, model: str, recordings: list[bytes], text: str | None, language: str, consent: Consent | None
    ) -> Voice | Refusal:
        """A voice from recordings."""

        def cloned() -> Voice:
            with self._pool.lease(model) as synthesizer:
                return synthesizer.clone(*recordings, text=text, language=language, consent=consent)

        try:
            return await self._run(cloned)
        except TimbralError as error:
            return Refusal.of(error)

    @serve.multiplexed(max_num_models_per_replica=_KNOWN)
    async def weights(self, key: str) -> str:
        """Loads the model of a weight set (see `weight_set`); with it the router learns that this replica has it."""

        def load() -> None:
            with self._pool.lease(key.partition("@")[0]):
                pass

        await self._run(load)
        return key

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """The 95th percentile of recent times to first sound, for EngineScaling."""
        since = time.monotonic() - _WINDOW_S
        recent = [seconds for moment, seconds in self._first if moment >= since]
        return {FIRST_SOUND: float(np.percentile(recent, 95)) if recent else 0.0}

    async def status(self) -> dict[str, Any]:
        """What is loaded here, as JSON."""
        return self._pool.status()

    async def _run(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)


class _Speech:
    """One speech in threads; `cancel` may come from another one."""

    def __init__(self, pool: ModelPool, task: SpeechTask) -> None:
        self._pool, self._task = pool, task
        self._lock, self._resources, self._cancelled = Lock(), ExitStack(), Event()
        self._stream: SpeechStream | None = None

    def open(self) -> None:
        """Loads what is missing and reads the text."""
        task = self._task
        with self._lock:
            synthesizer = self._resources.enter_context(self._pool.lease(task.model, task.voice))
            # At the model's rate: a resampler could not go on where another replica has stopped.
            config = task.config.model_copy(update={"rate": None})
            stream = synthesizer.stream(task.text, task.voice, task.language, config, start=task.start)
            self._stream = self._resources.enter_context(stream)

    def step(self) -> Piece | None:
        """The next piece; None at the end."""
        with self._lock:
            if self._stream is None or self._cancelled.is_set():
                return None
            chunk = next(self._stream, None)
            if chunk is None:
                return None
            report = replace(self._stream.report)
            return Piece(chunk.samples, self._stream.finished, report, chunk.spoken)

    def cancel(self) -> None:
        """Stops it."""
        self._cancelled.set()
        if self._stream is not None:
            self._stream.cancel()

    def close(self) -> None:
        """Frees what it holds; waits for a running step."""
        with self._lock:
            self._resources.close()
