"""What a server does for its jobs: starts worker processes while there are any, and makes finished voices ready to speak."""

import contextlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from timbral.serving.config import ServeConfig
from timbral.serving.jobs.queue import JobQueue
from timbral.serving.storage.tables import JobRow, now

_log = logging.getLogger("timbral.serving")

_BUSY_S, _IDLE_S = 1.0, 10.0
"""Seconds between two looks at the queue, with and without jobs."""
_STOPS_IN = 10.0
_LONGEST_DELAY = 60.0
_WARMED = 8


class RunningWorker(Protocol):
    """A worker that a server has started, here or elsewhere."""

    def poll(self) -> int | None:
        """None while it runs, then 0, or another number after a failure."""

    def release(self) -> None:
        """Asks it to give its job back and to end."""

    def end(self, within_s: float) -> None:
        """Waits until it has ended, and kills it after so many seconds."""


StartWorker = Callable[[ServeConfig], RunningWorker]


class JobMonitor:
    """A thread beside the server. warm: makes the voice of a job ready. start: starts a worker; None for a process here."""

    def __init__(
        self,
        config: ServeConfig,
        queue: JobQueue,
        warm: Callable[[JobRow], None],
        start: StartWorker | None = None,
    ) -> None:
        self._config, self._queue, self._warm = config, queue, warm
        self._start: StartWorker = start or _AttachedProcess
        wanted = config.jobs.workers
        self._count = int(can_train()) if wanted is None else wanted
        self._workers: list[RunningWorker] = []
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._seen = now()
        self._delay, self._not_before = 1.0, 0.0

    def start(self) -> None:
        """Begins to watch."""
        self._thread.start()

    def wake(self) -> None:
        """Looks at the queue at once: there is a new job."""
        self._wake.set()

    def close(self) -> None:
        """Ends the workers, which give their jobs back first."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        for worker in self._workers:
            worker.release()
        for worker in self._workers:
            worker.end(_STOPS_IN)

    def _run(self) -> None:
        while True:
            self._wake.clear()
            if self._closing.is_set():  # looked up after the clearing, which may have swallowed its wake
                return
            busy = False
            try:
                busy = self._look()
            except SQLAlchemyError as error:
                _log.warning("the queue of jobs cannot be read: %s", str(error).splitlines()[0])
            self._wake.wait(_BUSY_S if busy else _IDLE_S)

    def _look(self) -> bool:
        """Starts workers and warms voices; whether there are jobs."""
        active = self._queue.active()
        self._workers = [one for one in self._workers if self._is_running(one)]
        while (
            active and len(self._workers) < min(self._count, active) and time.monotonic() > self._not_before
        ):
            self._workers.append(self._start(self._config))
        for job in self._queue.succeeded(self._seen, _WARMED):
            assert job.finished is not None
            self._seen = job.finished
            try:
                self._warm(job)
            except Exception as error:  # the first request that speaks with it tells more
                _log.warning("%s: the voice could not be made ready: %s", job.id, error)
        return active > 0

    def _is_running(self, worker: RunningWorker) -> bool:
        code = worker.poll()
        if code is None:
            return True
        if code:
            _log.warning("a worker ended with exit code %s; the next one starts in %.0f s", code, self._delay)
            self._not_before = time.monotonic() + self._delay
            self._delay = min(_LONGEST_DELAY, self._delay * 2)
        else:
            self._delay = 1.0
        return False


class _AttachedProcess:
    """A process that gets the settings on its standard input, and ends when that is closed: also when this process dies."""

    def __init__(self, config: ServeConfig) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "timbral.serving.jobs.attached"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(config.model_dump_json().encode() + b"\n")
            self._process.stdin.flush()

    def poll(self) -> int | None:
        return self._process.poll()

    def release(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def end(self, within_s: float) -> None:
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its job is taken up again when its lease runs out
            self._process.wait()


def can_train() -> bool:
    """Whether what jobs need is installed here."""
    return all(find_spec(name) is not None for name in ("torch", "accelerate", "filelock", "onnx"))
