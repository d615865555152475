"""A real server for tests: `timbral serve` in a process of its own, on a free port, in an empty home."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from tests.helpers.paths import DATA

RECORDING = DATA / "english.flac"
STATEMENT = "I, Ann Speaker, agree that my voice is cloned from this recording."
_STARTS_IN = 120.0


@dataclass
class RunningServer:
    """`timbral serve` while the block runs. settings: of its YAML file; home: TIMBRAL_HOME."""

    home: Path
    settings: dict[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    key: str | None = None

    def __enter__(self) -> "RunningServer":
        self.home.mkdir(parents=True, exist_ok=True)
        settings = {"pool": {"languages": ["en"]}, "jobs": {"workers": 0}, **self.settings}
        (self.home / "serve.yaml").write_text(json.dumps(settings), encoding="utf-8")
        self._errors = (self.home / "server.log").open("wb")
        self._process = subprocess.Popen(
            [*self.command("serve"), "--port", "0", *self.flags],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        assert self._process.stdout is not None
        lines = iter(self._process.stdout.readline, "")
        found = next(filter(None, (re.match(r"(http://\S+)", line) for line in lines)), None)
        assert found, self.log
        self.address = found[1]
        self.client = httpx.Client(base_url=self.address, headers=self.headers, timeout=60)
        deadline = time.monotonic() + _STARTS_IN
        while self.client.get("/ready").status_code != 200:
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait(60)
        self._errors.close()

    @property
    def environment(self) -> dict[str, str]:
        """Of the processes of this server."""
        return {**os.environ, "TIMBRAL_HOME": str(self.home), "OMP_NUM_THREADS": "1"}

    @property
    def headers(self) -> dict[str, str]:
        """The key, where there is one."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    @property
    def log(self) -> str:
        """What the server has logged."""
        return (self.home / "server.log").read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def command(self, *words: str) -> list[str]:
        """A `timbral` command with the settings of this server."""
        return [sys.executable, "-m", "timbral", *words, "--config", str(self.home / "serve.yaml")]

    def run(self, *words: str) -> str:
        """The output of such a command."""
        (self.home / "serve.yaml").exists() or self.write_settings()
        done = subprocess.run(
            self.command(*words), env=self.environment, check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout.strip()

    def write_settings(self) -> None:
        """Writes the YAML file, before the server runs."""
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "serve.yaml").write_text(json.dumps(self.settings), encoding="utf-8")

    def stop(self) -> int:
        """Asks the server to stop; its exit code."""
        self.ask_to_stop()
        return self.wait()

    def ask_to_stop(self) -> None:
        """Sends the signal."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """The exit code of a server that is about to stop."""
        return self._process.wait(60)

    def kill(self) -> None:
        """SIGKILL; what it has started ends by itself."""
        self._process.kill()
        self._process.wait(60)
        self.client.close()
        self._errors.close()

    def speak(self, text: str = "Hello there.", **fields: Any) -> httpx.Response:
        """A request for speech."""
        return self.client.post("/v1/audio/speech", json={"input": text, "response_format": "pcm", **fields})

    def register(self, name: str, recording: Path = RECORDING, **fields: Any) -> httpx.Response:
        """A voice with consent."""
        files = {"audio_sample": (recording.name, recording.read_bytes())}
        return self.client.post(
            "/v1/audio/voices", data={"name": name, "consent": STATEMENT, **fields}, files=files
        )

    def metric(self, name: str) -> float:
        """A figure of /metrics, by its name with labels."""
        lines = self.client.get("/metrics").text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} ")), 0.0)


def as_base64(path: Path) -> str:
    """Content of a file."""
    return base64.b64encode(path.read_bytes()).decode()
