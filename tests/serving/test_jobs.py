"""From uploaded recordings to a voice: a real server, real workers, real training, and kills at any moment."""

import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.serving import RECORDING, STATEMENT, RunningServer
from tests.helpers.serving_jobs import events, job, small_training, submit, wait_for
from timbral.serving.config import StorageConfig
from timbral.serving.storage.database import Database
from timbral.serving.storage.leftovers import remove_leftovers
from timbral.serving.storage.objects import Objects
from timbral.voices import Voice

for needed in ("torch", "accelerate", "filelock"):
    pytest.importorskip(needed, reason=f"jobs need {needed}: pip install 'timbral[train,data]'")


@pytest.fixture(scope="module")
def training_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that starts a worker by itself, with a training of a few updates."""
    home = tmp_path_factory.mktemp("jobs") / "home"
    with RunningServer(home, {"jobs": {**small_training(home), "workers": 1}}) as running:
        yield running


def _files(server: RunningServer, folder: str) -> list[Path]:
    return [path for path in (server.home / "server/files" / folder).rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def undisturbed(training_server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a voice that a job has made, `ann`."""
    server = training_server
    answer = submit(server, "ann")
    assert answer.status_code == 202, answer.text
    made = answer.json()
    assert answer.headers["location"] == f"/v1/voices/jobs/{made['id']}"
    assert submit(server, "ann").status_code == 409  # its name is set aside
    assert server.register("ann").status_code == 409
    told = events(server, made["id"])
    assert told[-1]["type"] == "voice.job.succeeded", f"{told[-1]}\n{server.log}"
    stages = [one["job"]["stage"] for one in told]
    assert [stage for stage in dict.fromkeys(stages) if stage][:2] == ["preparing", "training"]
    progress = [one["job"]["progress"] for one in told]
    assert progress == sorted(progress)
    assert progress[-1] == 1
    path = tmp_path_factory.mktemp("voices") / "ann.voice"
    path.write_bytes(server.client.get("/v1/audio/voices/ann/file").content)
    return path


def _weights(path: Path) -> str:
    adapter = Voice.load(path).adapter
    assert adapter is not None
    return adapter.digest


def test_a_voice_is_made_ready_when_its_job_is_over(
    training_server: RunningServer, undisturbed: Path
) -> None:
    def ready() -> bool:
        loaded = training_server.client.get("/v1/pool").json()["loaded"]
        return any(one["kind"] == "fine-tuned voice" and one["state"] == "ready" for one in loaded)

    _until(ready)


def test_recordings_become_a_voice_that_speaks(training_server: RunningServer, undisturbed: Path) -> None:
    server = training_server
    (done,) = (one for one in server.client.get("/v1/voices/jobs").json()["data"] if one["name"] == "ann")
    assert done["recordings"] == [RECORDING.name]
    assert server.client.get("/v1/audio/voices/ann").json()["id"] == done["voice"]
    server.register("cloned")
    assert server.speak(voice="ann", seed=1).content != server.speak(voice="cloned", seed=1).content
    kept = Voice.load(undisturbed)
    assert kept.adapter is not None
    assert kept.consent is not None
    assert kept.consent.statement == STATEMENT
    assert server.metric('timbral_jobs{state="succeeded"}') >= 1
    _until(lambda: not _files(server, "jobs") and not (server.home / "scratch" / done["id"]).exists())
    assert f'"job": "{done["id"]}"' in server.run("audit", "show").replace("\\", "")
    assert "hold" in server.run("audit", "verify")


def test_a_running_job_is_cancelled_and_leaves_nothing(training_server: RunningServer) -> None:
    server = training_server
    made = submit(server, "cancelled", epochs=100).json()
    wait_for(server, made["id"], "running")
    assert server.client.delete(f"/v1/voices/jobs/{made['id']}").status_code == 200
    assert events(server, made["id"])[-1]["type"] == "voice.job.cancelled"
    assert "cancelled" not in server.client.get("/v1/audio/voices").json()["voices"]
    _until(lambda: not _files(server, "jobs") and not (server.home / "scratch" / made["id"]).exists())


def test_recordings_without_speech_fail_in_words(training_server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "noise.wav").write_bytes(b"RIFF of nothing")
    made = submit(training_server, "nobody", tmp_path / "noise.wav").json()
    failed = wait_for(training_server, made["id"], "failed")
    assert failed["error"]["code"] == "unusable_recordings"
    assert "noise.wav" in failed["error"]["message"]
    assert str(training_server.home) not in str(failed)


def test_what_is_wrong_with_a_request_is_told_at_once(training_server: RunningServer) -> None:
    server = training_server
    assert submit(server, "x", consent="").json()["error"]["code"] == "consent_required"
    assert submit(server, "x", model="nothing").status_code == 404
    assert submit(server, "x", language="tlh").status_code == 400
    assert submit(server, "voice_x").status_code == 400
    assert server.client.get("/v1/voices/jobs/job_unknown").status_code == 404
    assert server.client.get("/v1/voices/jobs/job_unknown/events").status_code == 404


def test_jobs_need_the_scope_train(closed_server: RunningServer) -> None:
    key = closed_server.run("keys", "add", "speaker", "--scope", "speak", "--scope", "voices")
    headers = {"Authorization": f"Bearer {key}"}
    _until(lambda: closed_server.client.get("/v1/models", headers=headers).status_code == 200)
    assert closed_server.client.get("/v1/voices/jobs", headers=headers).status_code == 403


def test_a_killed_worker_and_a_killed_server_lose_nothing(undisturbed: Path, tmp_path: Path) -> None:
    """SIGKILL of both in the middle of a training: another worker goes on, and comes to the weights of an undisturbed one."""
    home = tmp_path / "home"
    settings = {"jobs": {**small_training(home), "workers": 0}}
    server = RunningServer(home, settings)
    server.__enter__()
    made = submit(server, "survivor").json()
    worker = _worker(server)
    try:
        wait_for(server, made["id"], "running", stage="training")
        checkpoint = _until(lambda: next((home / "scratch").rglob("checkpoint.pt"), None))
        first = checkpoint.stat().st_mtime_ns  # of the untrained weights
        _until(lambda: checkpoint.stat().st_mtime_ns > first)
        worker.kill()
        worker.wait()
        server.kill()
        with RunningServer(home, settings) as again:
            assert job(again, made["id"])["status"] == "running"
            worker = _worker(again)
            done = wait_for(again, made["id"], "succeeded")
            assert done["attempt"] >= 2
            assert again.speak(voice="survivor").status_code == 200
            (tmp_path / "survivor.voice").write_bytes(
                again.client.get("/v1/audio/voices/survivor/file").content
            )
            assert _weights(tmp_path / "survivor.voice") == _weights(undisturbed)
            _until(lambda: not (home / "scratch" / made["id"]).exists())
            assert not _files(again, "jobs")
            assert len(_files(again, "voices")) == 1
            worker.terminate()
            worker.wait(60)
    finally:
        worker.kill()
        worker.wait()


def test_files_without_a_record_are_removed(tmp_path: Path) -> None:
    config = StorageConfig(folder=tmp_path)
    database, objects = Database.open(config), Objects.open(config)
    objects.put("voices/lost.voice", b"x")
    (tmp_path / "files/voices/half.voice#1").write_bytes(b"x")
    assert remove_leftovers(database, objects) == 0  # it may be about to get its record
    assert remove_leftovers(database, objects, timedelta(0)) == 2
    assert not [path for path in (tmp_path / "files").rglob("*") if path.is_file()]
    database.close()


def _worker(server: RunningServer) -> "subprocess.Popen[bytes]":
    with (server.home / "worker.log").open("ab") as log:
        return subprocess.Popen(server.command("worker"), env=server.environment, stdout=log, stderr=log)


def _until(condition: Any, seconds: float = 300.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found
