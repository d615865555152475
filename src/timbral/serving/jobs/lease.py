"""The lease of a running job, renewed by a thread beside the work."""

import logging
import threading
import time
from types import TracebackType

from sqlalchemy.exc import SQLAlchemyError

from timbral.serving.jobs.queue import JobQueue, LostJobError

_log = logging.getLogger("timbral.serving")

_RENEWALS = 4
"""Attempts at renewing while a lease lasts."""
_REPORT_S = 1.0
"""Seconds between two reports of progress."""


class JobStoppedError(BaseException):
    """Work on a job has to end at once: cancelled, lost, or the worker stops. No failure, so no `except` takes it for one."""


class Lease:
    """Holds a job while the block runs; `check` raises JobStoppedError when the work has to end.

    stopping: set when the worker is to stop.
    """

    def __init__(
        self, queue: JobQueue, job_id: str, worker: str, seconds: float, stopping: threading.Event
    ) -> None:
        self._queue, self._job_id, self._worker = queue, job_id, worker
        self._seconds, self._stopping = seconds, stopping
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease of {job_id}", daemon=True)
        self._reported, self._stage, self._progress = float("-inf"), "", 0.0
        self._began = time.monotonic(), time.process_time()
        self.cancelled = self.lost = False

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._log_stage()

    def check(self) -> None:
        """Raises JobStoppedError."""
        if self.cancelled or self.lost or self._stopping.is_set():
            raise JobStoppedError

    def report(self, stage: str, step: str, progress: float) -> None:
        """Tells how far the job is, at most once a second and never less than before. Raises JobStoppedError."""
        self.check()
        moment = time.monotonic()
        self._progress = max(self._progress, progress)
        if stage == self._stage and moment - self._reported < _REPORT_S:
            return
        if stage != self._stage:
            self._log_stage()
        self._stage, self._reported = stage, moment
        try:
            self._queue.report(self._job_id, self._worker, stage, step, self._progress)
        except LostJobError:
            self.lost = True
            raise JobStoppedError from None
        except SQLAlchemyError as error:  # the lease tells whether it lasts
            _log.warning("%s: progress could not be written: %s", self._job_id, error)

    def _log_stage(self) -> None:
        seconds, work = time.monotonic() - self._began[0], time.process_time() - self._began[1]
        if self._stage:
            _log.info("%s: %s, %.1f s, %.1f s of CPU", self._job_id, self._stage, seconds, work)
        self._began = time.monotonic(), time.process_time()

    def _renew(self) -> None:
        renewed = time.monotonic()
        while not self._over.wait(self._seconds / _RENEWALS):
            try:
                self.cancelled = self._queue.renew(self._job_id, self._worker) or self.cancelled
                renewed = time.monotonic()
            except LostJobError:
                self.lost = True
            except SQLAlchemyError as error:
                _log.warning("%s: the lease could not be renewed: %s", self._job_id, error)
                self.lost = time.monotonic() - renewed > self._seconds
            if self.lost:
                return
