"""The queue of jobs: leases, workers that die, cancelling, limits, many workers at once."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, select

from tests.helpers.serving_jobs import add_job, job_row
from timbral.errors import TrainingError
from timbral.serving import storage
from timbral.serving.access.keys import ANONYMOUS, Principal
from timbral.serving.config import JobsConfig, StorageConfig
from timbral.serving.errors import ApiError, BusyError
from timbral.serving.jobs.lease import JobStoppedError, Lease
from timbral.serving.jobs.pipeline import _resumed
from timbral.serving.jobs.queue import JobQueue, LostJobError
from timbral.serving.storage.database import Database
from timbral.serving.storage.tables import Base, KeyRow

LEASE_S = 1.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(StorageConfig(folder=tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def queue(database: Database) -> JobQueue:
    return JobQueue(database, JobsConfig(lease_s=LEASE_S, attempts=2, waiting=3))


def test_jobs_are_done_in_order_and_by_one_worker_each(queue: JobQueue) -> None:
    first, second = add_job(queue, "a"), add_job(queue, "b")
    assert [queue.claim("w1").id, queue.claim("w2").id] == [first, second]  # type: ignore[union-attr]
    assert queue.claim("w3") is None
    assert queue.counts()["running"] == 2


def test_a_job_whose_worker_has_died_is_taken_up_again_and_the_dead_can_write_nothing(
    queue: JobQueue,
) -> None:
    job = add_job(queue)
    assert queue.claim("dead") is not None
    queue.report(job, "dead", "training", "epoch 1", 0.4)
    time.sleep(LEASE_S * 1.1)
    taken = queue.claim("alive")
    assert taken is not None
    assert (taken.id, taken.attempts, taken.progress) == (job, 2, 0.4)
    for write in (
        lambda: queue.report(job, "dead", "training", "epoch 2", 0.5),
        lambda: queue.renew(job, "dead"),
        lambda: queue.end(job, "dead", "failed"),
        lambda: queue.release(job, "dead"),
    ):
        with pytest.raises(LostJobError):
            write()
    queue.end(job, "alive", "succeeded")
    assert queue.get(ANONYMOUS, job).state == "succeeded"


def test_a_renewed_lease_lasts(queue: JobQueue) -> None:
    job = add_job(queue)
    assert queue.claim("w") is not None
    with Lease(queue, job, "w", LEASE_S, threading.Event()) as lease:
        time.sleep(LEASE_S * 1.6)
        assert queue.claim("other") is None
        lease.check()
    assert queue.renew(job, "w") is False


def test_a_job_that_kills_its_workers_fails_in_the_end(queue: JobQueue) -> None:
    job = add_job(queue)
    for worker in ("first", "second"):
        assert queue.claim(worker) is not None
        time.sleep(LEASE_S * 1.1)
    assert queue.claim("third") is None
    assert [one.id for one in queue.expire()] == [job]
    found = queue.get(ANONYMOUS, job)
    assert (found.state, found.error_code) == ("failed", "worker_died")


def test_a_job_that_was_given_back_counts_no_attempt(queue: JobQueue) -> None:
    job = add_job(queue)
    for _ in range(4):
        assert queue.claim("w") is not None
        queue.release(job, "w")
    assert queue.get(ANONYMOUS, job).attempts == 0


def test_a_failure_that_may_pass_is_tried_again_later(queue: JobQueue) -> None:
    job = add_job(queue)
    assert queue.claim("w") is not None
    queue.retry(job, "w", "the disk is full", "worker_failed")
    assert queue.claim("w") is None  # not at once
    found = queue.get(ANONYMOUS, job)
    assert (found.state, found.error) == ("queued", "the disk is full")


def test_waiting_jobs_are_cancelled_at_once_and_running_ones_by_their_worker(queue: JobQueue) -> None:
    running, waiting = add_job(queue, "a"), add_job(queue, "b")
    assert queue.claim("w") is not None
    assert queue.cancel(ANONYMOUS, waiting).state == "cancelled"
    with Lease(queue, running, "w", LEASE_S, threading.Event()) as lease:
        lease.report("training", "epoch 1", 0.2)
        assert queue.cancel(ANONYMOUS, running).state == "running"
        _until(lambda: lease.cancelled)
        with pytest.raises(JobStoppedError):
            lease.check()
    queue.end(running, "w", "cancelled")
    assert queue.cancel(ANONYMOUS, running).state == "cancelled"
    assert queue.claim("w") is None


def test_a_job_cancelled_while_its_worker_was_dead_is_not_taken_up(queue: JobQueue) -> None:
    job = add_job(queue)
    assert queue.claim("dead") is not None
    queue.cancel(ANONYMOUS, job)
    time.sleep(LEASE_S * 1.1)
    assert queue.claim("w") is None
    assert [one.id for one in queue.expire()] == [job]
    assert queue.get(ANONYMOUS, job).state == "cancelled"


def test_owners_see_their_own_jobs_and_have_so_many(queue: JobQueue) -> None:
    for name in "abc":
        add_job(queue, name)
    with pytest.raises(BusyError):
        add_job(queue, "d")
    with pytest.raises(ApiError) as taken:
        add_job(queue, "a", owner="local")
    assert taken.value.status == 409
    other = add_job(queue, "a", owner="ben")
    ben = Principal("ben", "key", frozenset(("train",)))
    assert [job.id for job in queue.visible(ben, 10)] == [other]
    with pytest.raises(ApiError) as unknown:
        queue.get(ben, queue.visible(ANONYMOUS, 10)[-1].id)
    assert unknown.value.status == 404
    assert len(queue.visible(ANONYMOUS, 10)) == 4


def test_many_workers_at_once_take_each_job_once(database: Database) -> None:
    queue = JobQueue(database, JobsConfig(waiting=100))
    jobs = {add_job(queue, str(number)) for number in range(24)}

    def work(number: int) -> list[str]:
        taken = []
        while (job := queue.claim(f"w{number}")) is not None:
            taken.append(job.id)
        return taken

    with ThreadPoolExecutor(6) as pool:
        taken = [one for found in pool.map(work, range(6)) for one in found]
    assert len(taken) == len(jobs)
    assert set(taken) == jobs


def test_a_job_stays_in_the_database(tmp_path: Path) -> None:
    database = Database.open(StorageConfig(folder=tmp_path))
    config = JobsConfig()
    job = add_job(JobQueue(database, config))
    database.close()
    reopened = Database.open(StorageConfig(folder=tmp_path))
    found = JobQueue(reopened, config).get(ANONYMOUS, job)
    assert found.recordings == job_row("x").recordings
    reopened.close()


def test_a_database_of_an_earlier_version_gets_the_queue(tmp_path: Path) -> None:
    """Migrations keep what is there, and end at the tables of the code."""
    config = StorageConfig(folder=tmp_path)
    older = Database.open(config)
    with older.session() as session:
        session.add(KeyRow(id="key_1", name="n", owner="o", digest="d", scopes="speak"))
    with older.engine.begin() as connection:
        settings = Config()
        settings.set_main_option("script_location", str(files(storage).joinpath("migrations")))
        settings.attributes["connection"] = connection
        command.downgrade(settings, "0001")
    assert "jobs" not in inspect(older.engine).get_table_names()
    older.close()
    database = Database.open(config)
    with database.reading() as session:
        assert [row.id for row in session.scalars(select(KeyRow))] == ["key_1"]
    inspector = inspect(database.engine)
    for name, table in Base.metadata.tables.items():
        assert {one["name"] for one in inspector.get_columns(name)} == set(table.columns.keys())
    add_job(JobQueue(database, JobsConfig()))
    database.close()


def test_a_training_that_cannot_go_on_begins_anew(tmp_path: Path) -> None:
    """As after an update of the package, whose networks do not fit the checkpoint."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"of another version")

    def adapt(*, resume: bool = False) -> str:
        if resume:
            raise TrainingError("the run was made for another network")
        assert not (tmp_path / "run").exists()
        return "trained"

    assert _resumed(adapt, tmp_path / "run") == "trained"


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
