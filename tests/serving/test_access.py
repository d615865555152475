"""Keys, scopes, limits, the audit log, and who is let in without a key."""

import json
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import OperationalError

from tests.helpers.serving import RunningServer
from timbral.errors import SettingError
from timbral.serving.access.audit import AuditLog
from timbral.serving.access.keys import ANONYMOUS, Keys, Principal
from timbral.serving.access.limits import Limits
from timbral.serving.config import LimitsConfig, StorageConfig
from timbral.serving.errors import ApiError, BusyError
from timbral.serving.storage.database import Database
from timbral.serving.storage.tables import AuditRow


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.open(StorageConfig(folder=tmp_path))


def test_a_server_with_keys_wants_one(closed_server: RunningServer) -> None:
    client, body = closed_server.client, {"input": "Hi.", "response_format": "pcm"}
    for headers in (
        {"Authorization": ""},
        {"Authorization": "Bearer tk-wrong"},
        {"Authorization": "Basic eDp5"},
    ):
        answer = client.post("/v1/audio/speech", json=body, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "authentication_error"
        assert answer.headers["www-authenticate"] == "Bearer"
    assert client.get("/metrics", headers={"Authorization": ""}).status_code == 401
    assert client.get("/health", headers={"Authorization": ""}).status_code == 200
    assert client.post("/v1/audio/speech", json=body).status_code == 200


def test_a_key_does_what_its_scopes_say_until_it_is_revoked(closed_server: RunningServer) -> None:
    made = json.loads(closed_server.run("keys", "add", "reader", "--scope", "speak", "--json"))
    headers = {"Authorization": f"Bearer {made['key']}"}
    time.sleep(2.1)  # a running server reads keys every two seconds
    assert closed_server.client.get("/v1/audio/voices", headers=headers).status_code == 200
    refused = closed_server.client.get("/v1/audio/voice_consents", headers=headers)
    assert refused.json()["error"]["code"] == "insufficient_scope"
    assert closed_server.client.get("/v1/pool", headers=headers).status_code == 403
    closed_server.run("keys", "revoke", made["id"])
    time.sleep(2.1)
    assert closed_server.client.get("/v1/audio/voices", headers=headers).status_code == 401
    listed = json.loads(closed_server.run("keys", "list", "--json"))["keys"]
    assert next(key for key in listed if key["id"] == made["id"])["revoked"]


def test_keys_are_stored_as_hashes(database: Database, tmp_path: Path) -> None:
    keys = Keys(database)
    row, key = keys.add("x", "x", ["speak"])
    assert keys.authenticate(key).scopes == {"speak"}
    assert len(row.digest) == 64
    content = b"".join(path.read_bytes() for path in tmp_path.glob("timbral.db*"))
    assert key.encode() not in content
    keys.revoke(row.id)
    with pytest.raises(ApiError, match="unknown or revoked"):
        keys.authenticate(key)
    with pytest.raises(ApiError, match="no API key"):  # a server whose keys are all revoked stays closed
        keys.authenticate(None)
    with pytest.raises(SettingError, match="scope 'fly'"):
        keys.add("x", "x", ["fly"])


def test_limits_of_a_key(database: Database) -> None:
    current = [0.0]
    limits = Limits(LimitsConfig(requests_per_minute=60), database, lambda: current[0])
    key = Principal("o", "k", frozenset(), requests_per_minute=2, characters_per_day=10, concurrent=1)
    limits.count_request(key)
    limits.count_request(key)
    with pytest.raises(BusyError) as caught:
        limits.count_request(key)
    assert caught.value.headers == {"Retry-After": "30"}
    current[0] = 30.0
    limits.count_request(key)
    for _ in range(60):
        limits.count_request(ANONYMOUS)
    with limits.stream(key):
        with pytest.raises(BusyError, match="1 streams"), limits.stream(key):
            pass
        with limits.stream(ANONYMOUS):
            pass
    with limits.stream(key):
        limits.count_characters(key, 7)
    with pytest.raises(ApiError, match="3 are left"):
        limits.count_characters(key, 4)
    limits.count_characters(key, 3)


def test_the_audit_log_notices_every_change(database: Database) -> None:
    log = AuditLog(database)
    for number in range(5):
        log.append("speech", ANONYMOUS, f"r{number}", characters=number)
    assert log.verify() == (5, None)

    def after(**values: object) -> str | None:
        with database.session() as session:
            before = session.get(AuditRow, 3)
            assert before is not None
            kept = {name: getattr(before, name) for name in values}
            session.execute(update(AuditRow).where(AuditRow.number == 3).values(**values))
        problem = log.verify()[1]
        with database.session() as session:
            number = values.get("number", 3)
            session.execute(update(AuditRow).where(AuditRow.number == number).values(**kept))
        return problem

    assert after(details='{"characters": 7}') == "entry 3 was changed"
    assert after(owner="somebody") == "entry 3 was changed"
    assert after(hash="0" * 64) == "entry 3 was changed"
    assert after(number=9) == "entry 3 is missing"
    assert log.verify() == (5, None)


def test_entries_of_many_threads_are_one_chain(database: Database) -> None:
    log = AuditLog(database)
    together = threading.Barrier(16)

    def write(number: int) -> int:
        together.wait()
        return log.append("speech", ANONYMOUS, f"r{number}").number

    with ThreadPoolExecutor(16) as threads:
        numbers = sorted(threads.map(write, range(16)))
    assert numbers == list(range(1, 17))
    assert log.verify() == (16, None)
    assert {row.request_id for row in log.entries()} == {f"r{number}" for number in range(16)}


def test_who_writes_for_others_tells_them_of_a_failure(database: Database) -> None:
    log = AuditLog(database)
    with database.session() as session:
        session.execute(text("ALTER TABLE audit RENAME TO gone"))
    with ThreadPoolExecutor(8) as threads:
        written = [threads.submit(log.append, "speech", ANONYMOUS, f"r{number}") for number in range(8)]
        assert all(isinstance(one.exception(30), OperationalError) for one in written)
    with database.session() as session:
        session.execute(text("ALTER TABLE gone RENAME TO audit"))
    assert log.append("speech", ANONYMOUS, "after").number == 1


def test_speech_is_recorded_without_its_text(closed_server: RunningServer) -> None:
    secret = "Nobody keeps this sentence."
    closed_server.client.post(
        "/v1/audio/speech", json={"input": secret, "seed": 1}, headers={"X-Request-Id": "abc"}
    )
    entries = [json.loads(line) for line in closed_server.run("audit", "show").splitlines()]
    entry = next(entry for entry in entries if entry["request_id"] == "abc")
    assert entry["action"] == "speech"
    assert entry["owner"] == "operator"
    assert entry["details"]["voice"] == "default"
    assert entry["details"]["characters"] == len(secret)
    assert secret not in json.dumps(entries)
    assert "entries hold" in closed_server.run("audit", "verify")


def test_other_machines_are_served_with_keys_alone(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "home")
    server.write_settings()
    done = subprocess.run(
        [*server.command("serve"), "--host", "0.0.0.0", "--port", "0"],
        env=server.environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "timbral keys add" in done.stderr


def test_pages_of_other_origins_cannot_use_an_open_server(server: RunningServer) -> None:
    def status(**headers: str) -> int:
        return server.client.get("/v1/models", headers=headers).status_code

    assert status(Origin="https://evil.example") == 403
    assert status(Origin="null") == 403
    assert status(Host="evil.example") == 403
    assert status(Origin=server.address) == 200
    assert status(Host="localhost:80") == 200
