"""Files of the server: in a folder, and over S3's API against moto, which imitates S3 and is not the real thing."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import httpx
import pytest

from tests.helpers.serving import RunningServer
from timbral.errors import SettingError
from timbral.serving.config import StorageConfig
from timbral.serving.storage.objects import Objects

BUCKET = "timbral"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of moto's server, with an empty bucket, in the environment of this process and of its children."""
    pytest.importorskip("moto.server", reason="moto is not installed: pip install 'moto[s3,server]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("moto") / "log").open("wb")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    settings = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        try:
            _create_bucket(address)
            yield address
        finally:
            process.kill()
            process.wait()
            log.close()


def _create_bucket(address: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            assert httpx.put(f"{address}/{BUCKET}").status_code == 200
            return
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def _check(objects: Objects) -> None:
    objects.put("voices/a.voice", b"one")
    objects.put("voices/a.voice", b"two")
    objects.put("jobs/b/000.wav", b"three")
    assert objects.get("voices/a.voice") == b"two"
    assert objects.keys("voices") == ["voices/a.voice"]
    ((key, moment),) = objects.dated("jobs/b")
    assert key == "jobs/b/000.wav"
    assert abs((datetime.now(timezone.utc) - moment).total_seconds()) < 60
    objects.delete("voices/a.voice")
    objects.delete("voices/a.voice")
    assert objects.keys("voices") == []
    with pytest.raises(FileNotFoundError):
        objects.get("voices/a.voice")


def test_files_in_a_folder(tmp_path: Path) -> None:
    _check(Objects.open(StorageConfig(folder=tmp_path)))
    _check(Objects.open(StorageConfig(objects=f"file://{tmp_path / 'elsewhere'}")))


def test_files_in_s3(s3: str) -> None:
    _check(Objects.open(StorageConfig(objects=f"s3://{BUCKET}/some/prefix")))


def test_an_unknown_kind_of_store_is_refused() -> None:
    with pytest.raises(SettingError, match=r"storage\.objects"):
        Objects.open(StorageConfig(objects="gopher://somewhere"))


def test_a_server_keeps_its_voices_in_s3(s3: str, tmp_path: Path) -> None:
    """A voice of one server speaks at the next one, from the bucket."""
    database = f"sqlite:///{tmp_path / 'timbral.db'}"
    settings = {"storage": {"objects": f"s3://{BUCKET}/server", "database": database}}
    with RunningServer(tmp_path / "first", settings) as first:
        assert first.register("ann").status_code == 200
        said = first.speak(voice="ann", seed=3).content
    with RunningServer(tmp_path / "second", settings) as second:
        assert second.speak(voice="ann", seed=3).content == said
        assert second.client.delete("/v1/audio/voices/ann").status_code == 200
    assert Objects.open(StorageConfig(objects=f"s3://{BUCKET}/server")).keys("voices") == []
