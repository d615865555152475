"""Records in a real PostgreSQL: migrations, locks, the audit log and limits under load, jobs, search by pgvector."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from tests.helpers import postgres
from tests.helpers.serving import RunningServer
from tests.helpers.serving_jobs import add_job
from timbral.serving.access.audit import AuditLog
from timbral.serving.access.keys import ANONYMOUS, Keys, Principal
from timbral.serving.access.limits import Limits
from timbral.serving.config import JobsConfig, LimitsConfig, StorageConfig
from timbral.serving.errors import ApiError
from timbral.serving.jobs.queue import JobQueue
from timbral.serving.storage.database import Database
from timbral.serving.storage.tables import VoiceRow
from timbral.serving.voices.search import ExactSearch
from timbral.serving.voices.vector_search import VectorSearch, search_in

pytest.importorskip("psycopg", reason="no driver: pip install 'timbral[postgres]'")
if reason := postgres.missing():
    pytest.skip(reason, allow_module_level=True)

THREADS = 8


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with postgres.running_postgres() as address:
        yield address


@pytest.fixture(scope="module")
def database(url: str) -> Iterator[Database]:
    """Opened by several at once, as servers that start together do."""
    config = StorageConfig(database=url)
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: Database.open(config), range(4)))
    for one in opened[1:]:
        one.close()
    yield opened[0]
    opened[0].close()


def test_the_audit_chain_holds_under_concurrent_appends(database: Database) -> None:
    log = AuditLog(database)

    def append(number: int) -> None:
        for index in range(12):
            log.append("speech", ANONYMOUS, f"req-{number}-{index}", voice="ann")

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(append, range(THREADS)))
    assert log.verify() == (THREADS * 12, None)
    with database.session() as session:
        session.execute(text("UPDATE audit SET owner = 'mallory' WHERE number = 5"))
    assert log.verify() == (4, "entry 5 was changed")


def test_characters_of_a_day_are_counted_once_each(database: Database) -> None:
    limits = Limits(LimitsConfig(characters_per_day=100), database)
    someone = Principal("ann", "key_limits", frozenset(("speak",)))
    taken, lock = [], threading.Lock()

    def take(_: int) -> None:
        try:
            limits.count_characters(someone, 10)
        except ApiError:
            return
        with lock:
            taken.append(10)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(take, range(30)))
    assert sum(taken) == 100


def test_each_job_goes_to_one_worker(database: Database) -> None:
    queue = JobQueue(database, JobsConfig(waiting=100, lease_s=60))
    jobs = {add_job(queue, str(number)) for number in range(16)}

    def work(number: int) -> list[str]:
        found = []
        while (job := queue.claim(f"w{number}")) is not None:
            found.append(job.id)
        return found

    with ThreadPoolExecutor(THREADS) as pool:
        taken = [one for found in pool.map(work, range(THREADS)) for one in found]
    # A worker may see nothing while another one claims; it looks again a second later.
    while (job := queue.claim("last")) is not None:
        taken.append(job.id)
    assert len(taken) == len(jobs)
    assert set(taken) == jobs


def test_a_server_keeps_its_records_there(url: str, database: Database, tmp_path: Path) -> None:
    """Two servers with one database: a voice of one speaks at the other, and both survive SIGKILL."""
    settings = {"storage": {"database": url, "objects": f"file://{tmp_path / 'files'}"}}
    first = RunningServer(tmp_path / "first", settings)
    first.__enter__()
    assert first.register("ann").status_code == 200
    said = first.speak(voice="ann", seed=3).content
    first.kill()
    with RunningServer(tmp_path / "second", settings) as second:
        assert second.speak(voice="ann", seed=3).content == said
        assert second.client.delete("/v1/audio/voices/ann").status_code == 200


def test_keys_are_known_to_every_process(database: Database) -> None:
    made, key = Keys(database).add("ann", "ann", ["speak"])
    assert Keys(database).authenticate(key).owner == "ann"
    Keys(database).revoke(made.id)
    with pytest.raises(ApiError):
        Keys(database).authenticate(key)


def test_vectors_find_what_the_exact_search_finds(database: Database) -> None:
    """The nearest of 5,000 among owners; a removed voice is found no more. Recall of the approximate index ≥ 0.95."""
    found = search_in(database)
    if not isinstance(found, VectorSearch):
        pytest.skip("this PostgreSQL has no pgvector: https://github.com/pgvector/pgvector")
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(5000, 256)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    _add_voices(database, vectors)
    exact, mine = ExactSearch(database), Principal("a", "key", frozenset(("speak",)))
    space, hits = ("f", "1"), 0
    for number in range(20):
        asked = vectors[number] + 0.3 * vectors[number + 1]
        asked /= np.linalg.norm(asked)
        wanted = exact.nearest(mine, space, asked, 10)
        got = found.nearest(mine, space, asked, 10)
        assert len(got) == 10
        assert all(int(match.voice_id[6:]) % 2 for match in got)
        hits += len({one.voice_id for one in wanted} & {one.voice_id for one in got})
        nearest = {one.voice_id: one.similarity for one in wanted}
        assert all(abs(nearest.get(m.voice_id, m.similarity) - m.similarity) < 1e-4 for m in got)
    assert hits >= 0.95 * 200
    assert found.nearest(ANONYMOUS, space, vectors[4], 1)[0].voice_id == "voice_00004"
    with database.session() as session:
        session.execute(text("DELETE FROM voices WHERE id = 'voice_00004'"))
    assert found.nearest(ANONYMOUS, space, vectors[4], 1)[0].voice_id != "voice_00004"
    assert found.nearest(mine, ("g", "1"), vectors[0], 3) == []


def _add_voices(database: Database, vectors: "np.ndarray[tuple[int, int], np.dtype[np.float32]]") -> None:
    with database.session() as session:
        session.add_all(
            VoiceRow(
                id=f"voice_{i:05}", owner="a" if i % 2 else "b", name=str(i), model="m", family="f",
                version="1", object="", sha256="", size=0, embedding=vector.tobytes(),
            )
            for i, vector in enumerate(vectors)
        )  # fmt: skip
