"""The queue of jobs, a table of the database.

A worker holds a job by a lease that it renews. When a worker dies, its lease runs out and another one takes the job up.
Whatever a worker writes is written under its lease: one that was thought dead can change nothing any more.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from timbral.serving.access.keys import Principal
from timbral.serving.config import JobsConfig
from timbral.serving.errors import ApiError, BusyError
from timbral.serving.storage.database import Database
from timbral.serving.storage.tables import JobRow

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
ACTIVE: tuple[State, ...] = ("queued", "running")
PREFIX = "job_"

_RETRY_S = 30.0
_BACKOFF_S = 15.0
"""Seconds before a job is tried again after a failure of the machine, times the attempts so far."""
_MOST_NOTES, _LONGEST_NOTE = 20, 300


class LostJobError(Exception):
    """A job that this worker does not hold any more."""


class JobQueue:
    """The jobs of all owners. May be shared by threads and processes."""

    def __init__(self, database: Database, config: JobsConfig) -> None:
        self._database, self._config = database, config

    def add(self, session: Session, job: JobRow) -> None:
        """Adds a job in a transaction. Raises BusyError: too many of this owner wait; ApiError (409): one has the name."""
        self._database.alone(session, f"jobs of {job.owner}")
        own = session.scalars(select(JobRow).where(JobRow.owner == job.owner, JobRow.state.in_(ACTIVE))).all()
        if any(one.name == job.name for one in own):
            message = f"a job makes a voice named {job.name[:80]!r} already"
            raise ApiError(409, message, code="name_taken", param="name")
        if len(own) >= self._config.waiting:
            raise BusyError(f"at most {self._config.waiting} jobs may wait", _RETRY_S, "too_many_jobs")
        job.state, job.due = "queued", self._database.moment(session)
        session.add(job)

    def visible(self, principal: Principal, limit: int) -> list[JobRow]:
        """Jobs of an owner, the newest first; an admin sees all."""
        query = select(JobRow).order_by(JobRow.created.desc(), JobRow.id).limit(limit)
        if not principal.is_admin:
            query = query.where(JobRow.owner == principal.owner)
        with self._database.reading() as session:
            return list(session.scalars(query))

    def get(self, principal: Principal, job_id: str) -> JobRow:
        """A job by id. Raises ApiError (404)."""
        with self._database.reading() as session:
            return _own(session, principal, job_id)

    def cancel(self, principal: Principal, job_id: str) -> JobRow:
        """Cancels a job: at once while it waits, else as soon as its worker notices. One that is over stays as it is.

        Raises ApiError (404).
        """
        with self._database.session() as session:
            job = _own(session, principal, job_id, changing=True)
            if job.state == "queued":
                self._end(session, job, "cancelled")
            elif job.state == "running" and not job.cancelling:
                job.cancelling = True
                job.version += 1
        return job

    def claim(self, worker: str) -> JobRow | None:
        """The oldest job that waits or whose worker has died, now held by this worker; None where there is none."""
        if not self._is_due():
            return None
        with self._database.session() as session:
            moment = self._database.moment(session)
            hopeful = select(JobRow).where(~JobRow.cancelling, JobRow.attempts < self._config.attempts)
            job: JobRow | None = session.scalars(_due(hopeful, moment).limit(1)).first()
            if job is not None:
                job.state, job.worker, job.due = "running", worker, moment + self._lease
                job.attempts += 1
                job.started = job.started or moment
                job.version += 1
        return job

    def expire(self) -> list[JobRow]:
        """Ends jobs whose worker has died, and that were cancelled or were begun too often; those that it has ended."""
        if not self._is_due():
            return []
        with self._database.session() as session:
            ended = select(JobRow).where(or_(JobRow.cancelling, JobRow.attempts >= self._config.attempts))
            jobs: list[JobRow] = list(session.scalars(_due(ended, self._database.moment(session))))
            for job in jobs:
                if job.cancelling:
                    self._end(session, job, "cancelled")
                else:
                    message = f"its worker died {job.attempts} times; the log of the worker may say why"
                    self._end(session, job, "failed", message, "worker_died")
        return jobs

    @contextmanager
    def held(self, job_id: str, worker: str) -> Iterator[tuple[Session, JobRow]]:
        """A transaction on a job that the worker holds, and the job. Raises LostJobError."""
        with self._database.session() as session:
            job = _held(session, job_id, worker)
            yield session, job
            job.version += 1

    def renew(self, job_id: str, worker: str) -> bool:
        """Renews the lease; whether the job is to be cancelled. Raises LostJobError."""
        with self._database.session() as session:
            job = _held(session, job_id, worker)
            job.due = self._database.moment(session) + self._lease
            return job.cancelling

    def report(self, job_id: str, worker: str, stage: str, step: str, progress: float) -> None:
        """Writes down how far a job is. Raises LostJobError."""
        with self.held(job_id, worker) as (_, job):
            job.stage, job.step, job.progress = stage, step[:200], round(min(1.0, progress), 3)

    def note(self, job_id: str, worker: str, notes: list[str]) -> None:
        """Adds what the owner should know about the recordings. Raises LostJobError."""
        with self.held(job_id, worker) as (_, job):
            lines = [one[:_LONGEST_NOTE] for one in notes]
            job.notes = list(dict.fromkeys([*job.notes, *lines]))[:_MOST_NOTES]

    def release(self, job_id: str, worker: str) -> None:
        """Gives a job back that the worker has not failed at: it stops. Raises LostJobError."""
        with self.held(job_id, worker) as (session, job):
            job.state, job.worker, job.due = "queued", "", self._database.moment(session)
            job.attempts -= 1

    def retry(self, job_id: str, worker: str, error: str, code: str) -> None:
        """Gives a job back after a failure that may pass; fails it after the last attempt. Raises LostJobError."""
        with self.held(job_id, worker) as (session, job):
            if job.attempts >= self._config.attempts:
                self._end(session, job, "failed", error, code)
                return
            delay = timedelta(seconds=_BACKOFF_S * job.attempts)
            job.state, job.worker, job.due = "queued", "", self._database.moment(session) + delay
            job.error, job.error_code = error[:2000], code

    def end(self, job_id: str, worker: str, state: State, error: str = "", code: str = "") -> None:
        """Ends a job. Raises LostJobError."""
        with self.held(job_id, worker) as (session, job):
            self._end(session, job, state, error, code)

    def succeed(self, session: Session, job_id: str, worker: str) -> JobRow:
        """Ends a job in the transaction that registers its voice. Raises LostJobError."""
        job = _held(session, job_id, worker)
        self._end(session, job, "succeeded")
        return job

    def active(self) -> int:
        """How many jobs wait or run."""
        with self._database.reading() as session:
            query = select(func.count()).select_from(JobRow).where(JobRow.state.in_(ACTIVE))
            return session.execute(query).scalar_one()

    def succeeded(self, since: datetime, limit: int) -> list[JobRow]:
        """Jobs that have succeeded after a moment, the oldest first."""
        query = select(JobRow).where(JobRow.state == "succeeded", JobRow.finished > since)
        with self._database.reading() as session:
            return list(session.scalars(query.order_by(JobRow.finished).limit(limit)))

    def counts(self) -> dict[str, int]:
        """How many jobs there are by state."""
        query = select(JobRow.state, func.count()).group_by(JobRow.state)
        with self._database.reading() as session:
            return dict.fromkeys(STATES, 0) | {row[0]: row[1] for row in session.execute(query)}

    def _is_due(self) -> bool:
        """Whether there may be work: looked up without a lock, since workers ask all the time."""
        with self._database.reading() as session:
            query = select(JobRow.id).where(
                JobRow.state.in_(ACTIVE), JobRow.due <= self._database.moment(session)
            )
            return session.scalars(query.limit(1)).first() is not None

    @property
    def _lease(self) -> timedelta:
        return timedelta(seconds=self._config.lease_s)

    def _end(self, session: Session, job: JobRow, state: State, error: str = "", code: str = "") -> None:
        job.state, job.worker, job.stage, job.step = state, "", "", ""
        job.progress = 1.0 if state == "succeeded" else job.progress
        job.error, job.error_code = error[:2000], code
        job.finished = self._database.moment(session)
        job.version += 1


def _due(query: Any, moment: datetime) -> Any:  # how a Select is typed depends on SQLAlchemy's version
    """Of these jobs those that nobody works on, the oldest first, locked; what others have locked is left out."""
    query = query.where(JobRow.state.in_(ACTIVE), JobRow.due <= moment)
    return query.order_by(JobRow.created, JobRow.id).with_for_update(skip_locked=True)


def _held(session: Session, job_id: str, worker: str) -> JobRow:
    """A job that the worker holds, locked. Raises LostJobError."""
    job = session.get(JobRow, job_id, with_for_update=True)
    if job is None or job.state != "running" or job.worker != worker:
        raise LostJobError
    return job


def _own(session: Session, principal: Principal, job_id: str, *, changing: bool = False) -> JobRow:
    job = session.get(JobRow, job_id, with_for_update=changing)
    if job is None or (job.owner != principal.owner and not principal.is_admin):
        raise ApiError(404, f"there is no job {job_id[:60]!r}", code="job_not_found", param="job")
    return job
