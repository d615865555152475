"""Speeches beside each other: admission, threads, deadlines, and an end as soon as nobody listens."""

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from timbral.serving.access.keys import Principal
from timbral.serving.config import EngineConfig
from timbral.serving.engine.admission import Admission, Arrival
from timbral.serving.engine.interface import Pool
from timbral.serving.engine.rendering import OpenProcessor, Rendering, SpeechOrder
from timbral.serving.errors import ApiError
from timbral.serving.metrics import Metrics

T = TypeVar("T")

_NICENESS = 10
"""Of the threads that speak."""
_READING, _PATIENCE = 2, 0.1
"""Texts that are read at once, since the interpreter runs one thread at a time and more of them would all be late; and seconds
after which one is read all the same.
"""


def _give_way() -> None:
    """Lets the thread that answers requests run first, where a system has priorities of threads."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


class Speaker:
    """Makes speeches in threads, one for each slot, because a caller of the engine waits in its own.

    Stage one batches the callers; stage two runs beside itself as far as there are cores.
    """

    def __init__(
        self,
        config: EngineConfig,
        pool: Pool,
        metrics: Metrics,
        processors: Sequence[OpenProcessor] = (),
    ) -> None:
        self.admission = Admission(config)
        self._config, self._pool, self._metrics, self._processors = config, pool, metrics, processors
        self._reading = threading.Semaphore(_READING)
        # Beside those that speak, some that close what was given up.
        self._threads = ThreadPoolExecutor(config.streams + 4, "speak", _give_way)

    @asynccontextmanager
    async def speech(
        self,
        order: SpeechOrder,
        principal: Principal,
        accepted: Callable[[], None],
        arrival: Arrival | None = None,
        *,
        patient: bool = False,
    ) -> AsyncIterator["ActiveSpeech"]:
        """A speech whose first bytes are there; leaving the block stops it.

        accepted: called, in a thread, when the speech has a slot, before the work begins; it may refuse. arrival,
        patient: see `Admission.slot`. Raises BusyError; ApiError (503): it was not begun in time; TimbralError.
        """
        began = time.perf_counter()
        async with self.admission.slot(principal.key_id, arrival, patient=patient):
            rendering = Rendering(order, self._pool, self._processors)
            active = ActiveSpeech(rendering, self._run, time.monotonic() + self._config.request_timeout_s)

            def begin() -> None:
                accepted()
                rendering.start(self._turn_to_read())

            try:
                await active.start(begin)
                self._metrics.first_sound.observe(time.perf_counter() - began)
                yield active
            finally:
                rendering.cancel()
                # Shielded: it frees threads and memory, also where the client has gone.
                await asyncio.shield(self._run(rendering.close))
                self._metrics.count_speech(rendering.report)

    @contextmanager
    def _turn_to_read(self) -> Iterator[None]:
        mine = self._reading.acquire(timeout=_PATIENCE)
        try:
            yield
        finally:
            if mine:
                self._reading.release()

    async def _run(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    def close(self) -> None:
        """Waits for what runs."""
        self._threads.shutdown()


class ActiveSpeech:
    """An asynchronous iterator over the bytes of a speech."""

    def __init__(
        self,
        rendering: Rendering,
        run: Callable[[Callable[[], bytes | None]], Awaitable[bytes | None]],
        deadline: float,
    ) -> None:
        """deadline: by `time.monotonic`."""
        self.rendering = rendering
        self._run, self._deadline = run, deadline
        self._first: bytes | None = None

    async def start(self, begin: Callable[[], None]) -> None:
        """Makes the first bytes."""

        def first() -> bytes | None:
            begin()
            return self.rendering.step()

        self._first = await self._in_time(first)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content, self._first = self._first, None
        while content is not None:
            yield content
            content = await self._in_time(self.rendering.step)

    async def _in_time(self, function: Callable[[], bytes | None]) -> bytes | None:
        task = asyncio.ensure_future(self._run(function))
        try:
            return await asyncio.wait_for(asyncio.shield(task), self._deadline - time.monotonic())
        except asyncio.TimeoutError:
            raise ApiError(
                503, "the speech took too long; send a shorter text", code="deadline_exceeded"
            ) from None
        finally:
            if not task.done():  # timed out, or the client has gone
                self.rendering.cancel()
                with contextlib.suppress(Exception):
                    task.add_done_callback(lambda done: done.cancelled() or done.exception())
