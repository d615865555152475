"""A worker: takes jobs from the queue one by one, and makes voices of them."""

import contextlib
import logging
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from timbral.errors import InstallationError, TimbralError
from timbral.serving.access.keys import Principal
from timbral.serving.errors import ApiError
from timbral.serving.jobs.checking import RefusedVoiceError, check_voice, read_gate
from timbral.serving.jobs.lease import JobStoppedError, Lease
from timbral.serving.jobs.options import JobOptions, remove_recordings
from timbral.serving.jobs.pipeline import Assignment, make_voice
from timbral.serving.jobs.queue import JobQueue, LostJobError
from timbral.serving.services import Services
from timbral.serving.storage.leftovers import remove_leftovers
from timbral.serving.storage.tables import JobRow, VoiceRow

_log = logging.getLogger("timbral.serving")

_POLL_S = 1.0
_CLEANING_S = 3600.0
_NICE = 10
"""Of worker processes: those who listen go first."""


class Worker:
    """Takes jobs until it is told to stop. `run` belongs to the main thread of a process.

    stopping: set when the worker is to stop, from any thread.
    """

    def __init__(self, services: Services, stopping: threading.Event) -> None:
        self._services, self._stopping = services, stopping
        self._queue: JobQueue = services.jobs
        self._name = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"

    def run(self, idle_s: float | None = None) -> None:
        """Works until it is told to stop, or until there was no job for `idle_s`. Raises SettingError: there is no such gate."""
        lower_priority()
        read_gate(self._services.config.jobs.gate)
        busy_at, cleaned_at = time.monotonic(), float("-inf")
        while not self._stopping.is_set():
            try:
                if time.monotonic() - cleaned_at > _CLEANING_S:
                    self.clean()
                    cleaned_at = time.monotonic()
                if self.work_once():
                    busy_at = time.monotonic()
                    continue
            except SQLAlchemyError as error:
                _log.warning("the database does not answer: %s", str(error).splitlines()[0])
            if idle_s is not None and time.monotonic() - busy_at > idle_s:
                return
            self._stopping.wait(_POLL_S)

    def work_once(self) -> bool:
        """Works on one job, if there is any; whether there was."""
        for ended in self._queue.expire():
            _log.warning("%s: %s, its worker has died", ended.id, ended.state)
            self._remove(ended, self._services.config.jobs.folder / ended.id)
        job = self._queue.claim(self._name)
        if job is None:
            return False
        _log.info("%s: attempt %s", job.id, job.attempts)
        seconds = self._services.config.jobs.lease_s
        with (
            contextlib.suppress(LostJobError),
            Lease(self._queue, job.id, self._name, seconds, self._stopping) as lease,
        ):
            self._work(job, lease)
        return True

    def clean(self) -> None:
        """Removes what killed processes have left: files without a record, folders of jobs that are over."""
        services = self._services
        remove_leftovers(services.database, services.objects)
        folders = services.config.jobs.folder
        for folder in folders.iterdir() if folders.is_dir() else ():
            with services.database.reading() as session:
                job = session.get(JobRow, folder.name)
            if job is not None and job.finished:
                shutil.rmtree(folder, ignore_errors=True)

    def _work(self, job: JobRow, lease: Lease) -> None:
        """Makes the voice, and writes down how that ended. Raises LostJobError."""
        try:
            with self._folder(job, lease) as folder:
                self._make(job, lease, folder)
                self._remove(job, folder)
        except JobStoppedError:
            if lease.cancelled:
                self._queue.end(job.id, self._name, "cancelled")
                self._remove(job, self._services.config.jobs.folder / job.id)
                _log.info("%s: cancelled", job.id)
                return
            self._queue.release(job.id, self._name)
            _log.info("%s: given back", job.id)
        except (SQLAlchemyError, LostJobError):
            raise
        except TimbralError as error:
            self._fail(job, error)
        except Exception as error:
            _log.exception("%s failed", job.id)
            message = f"a failure of the worker ({type(error).__name__}); its log says more under {job.id}"
            self._queue.retry(job.id, self._name, message, "worker_failed")
        except BaseException:  # the process ends; another one goes on at once
            with contextlib.suppress(LostJobError, SQLAlchemyError):
                self._queue.release(job.id, self._name)
            raise

    def _make(self, job: JobRow, lease: Lease, folder: Path) -> None:
        services, options = self._services, JobOptions.model_validate(job.options)
        principal = Principal(job.owner, job.key_id, frozenset(job.scopes.split()))
        digests = [one["sha256"] for one in job.recordings]
        agreement = services.consents.agreement(principal, job.consent_id, job.name, digests)
        consent = agreement.consent if agreement else None

        def note(notes: list[str]) -> None:
            if notes:
                self._queue.note(job.id, self._name, [_public(one, job, folder) for one in notes])

        assignment = Assignment(job.name, options, job.recordings, consent, folder)
        made = make_voice(assignment, services.objects, services.config.jobs, lease.report, note)
        check_voice(made, services.config.jobs.gate, folder, lease.report)
        lease.report("registering", "", 0.99)

        def finish(session: Session, row: VoiceRow) -> None:
            self._queue.succeed(session, job.id, self._name)
            services.audit.add(
                session, "voice.created", principal, job.request_id,
                voice=row.id, name=row.name, consent=row.consent_id, sha256=row.sha256, job=job.id,
            )  # fmt: skip

        services.voices.keep(
            principal,
            job.name,
            made.voice,
            agreement,
            digests,
            voice_id=job.voice_id,
            # Each attempt has a file of its own: what one that was thought dead still writes changes no registered voice.
            file=f"voices/{job.voice_id}-{job.attempts}.voice",
            public=options.public,
            also=finish,
        )
        _log.info("%s: made %s", job.id, job.voice_id)

    @contextmanager
    def _folder(self, job: JobRow, lease: Lease) -> Iterator[Path]:
        """The folder of a job on this machine, which no other process uses. Raises JobStoppedError."""
        folder = self._services.config.jobs.folder / job.id
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        while True:
            lease.check()
            try:
                lock.acquire(timeout=_POLL_S)
                break
            except Timeout:
                continue
        try:
            yield folder
        finally:
            lock.release()

    def _fail(self, job: JobRow, error: TimbralError) -> None:
        folder = self._services.config.jobs.folder / job.id
        code = "voice_refused" if isinstance(error, RefusedVoiceError) else "unusable_recordings"
        if isinstance(error, ApiError):
            code = error.code or code
        message = _public(str(error), job, folder)
        if isinstance(error, InstallationError):  # another worker may have what this one lacks
            _log.error("%s: %s", job.id, error)
            self._queue.retry(job.id, self._name, message, "worker_incomplete")
            return
        _log.info("%s failed: %s", job.id, error)
        self._queue.end(job.id, self._name, "failed", message, code)
        self._remove(job, folder)

    def _remove(self, job: JobRow, folder: Path) -> None:
        """Removes recordings, clips and checkpoints of a job that is over; `clean` does what a kill leaves undone."""
        try:
            remove_recordings(self._services.objects, job.id)
        except Exception as error:
            _log.warning("%s: recordings could not be removed: %s", job.id, error)
        shutil.rmtree(folder, ignore_errors=True)


def lower_priority() -> None:
    """Lets other processes of the machine go first, where that can be said."""
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(_NICE)


def _public(text: str, job: JobRow, folder: Path) -> str:
    """A message for the owner: without folders of this machine, and with the names that recordings had."""
    for place in (folder.resolve(), folder):
        text = text.replace(f"{place}{os.sep}", "").replace(str(place), "the job")
    for recording in job.recordings:
        file = recording["object"].rpartition("/")[2]
        text = text.replace(f"recordings{os.sep}{file}", file).replace(file, recording["name"] or file)
    return text
