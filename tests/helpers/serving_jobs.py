"""Jobs for tests: rows of the queue, small trainings, and requests for them."""

import json
import secrets
import time
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.helpers.serving import RECORDING, STATEMENT, RunningServer
from timbral.serving.jobs.queue import JobQueue
from timbral.serving.storage.tables import JobRow, now

OVER = ("succeeded", "failed", "cancelled")
_WAITS = 900.0


def job_row(name: str, owner: str = "local") -> JobRow:
    """A job that is not in the queue yet."""
    return JobRow(
        id=f"job_{secrets.token_hex(6)}",
        owner=owner,
        key_id="key",
        scopes="train",
        request_id="req",
        name=name,
        voice_id=f"voice_{secrets.token_hex(6)}",
        recordings=[{"object": "jobs/x/000.wav", "sha256": "0" * 64, "name": "me.wav"}],
        options={"model": "sovits-tiny"},
        created=now(),
    )


def add_job(queue: JobQueue, name: str = "ann", owner: str = "local") -> str:
    """A job in the queue; its id."""
    job = job_row(name, owner)
    with queue._database.session() as session:
        queue.add(session, job)
    return job.id


def small_training(folder: Path, **acoustic: Any) -> dict[str, Any]:
    """Settings of a server whose jobs train for a few updates."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"epochs": 3, "least": 4, "batch_size": 2, "save_every": 1, **acoustic}
    (folder / "training.yaml").write_text(yaml.safe_dump({"acoustic": settings}), encoding="utf-8")
    return {"training": str(folder / "training.yaml"), "lease_s": 10, "scratch": str(folder / "scratch")}


def submit(server: RunningServer, name: str, recording: Path = RECORDING, **fields: Any) -> httpx.Response:
    """Asks for a fine-tuned voice."""
    files = [("recordings", (recording.name, recording.read_bytes()))]
    return server.client.post(
        "/v1/voices/jobs", data={"name": name, "consent": STATEMENT, **fields}, files=files
    )


def job(server: RunningServer, job_id: str) -> dict[str, Any]:
    """A job as the API shows it."""
    found: dict[str, Any] = server.client.get(f"/v1/voices/jobs/{job_id}").json()
    return found


def wait_for(server: RunningServer, job_id: str, *states: str, stage: str = "") -> dict[str, Any]:
    """The job, as soon as it has one of these states, and this stage."""
    deadline = time.monotonic() + _WAITS
    while True:
        found = job(server, job_id)
        if found["status"] in states and stage in ("", found["stage"]):
            return found
        assert found["status"] not in OVER, f"{found}\n{server.log}"
        assert time.monotonic() < deadline, f"{found}\n{server.log}"
        time.sleep(0.2)


def events(server: RunningServer, job_id: str) -> list[dict[str, Any]]:
    """All events of a job, until it is over."""
    with server.client.stream("GET", f"/v1/voices/jobs/{job_id}/events", timeout=_WAITS) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
