#!/usr/bin/env python3
"""Kills a server and its worker with SIGKILL at random moments, and counts what is lost.

    python benchmarks/kills.py RECORDING [--kills 20] [--longest 20] [--seed 0] [--folder DIR]

A client registers voices and submits jobs with a training of a few updates all the time, and writes down what the server has
acknowledged. Each of server and worker is killed so many times, after up to so many seconds, and started again. At the end
every acknowledged voice must be there and speak, every job must have succeeded, no file may be half written or left over, and the
audit log must hold. Prints one line of JSON; exit code 1 where anything is lost.
"""

import argparse
import contextlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from timbral.voices import Voice

STATEMENT = "I agree that my voice is cloned from this recording."
TRAINING = "acoustic: {epochs: 4, least: 6, batch_size: 2, save_every: 1}\n"
ENDS_IN = 1800.0


class Processes:
    """A server and a worker with one home, which can be killed and started again."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        (home / "training.yaml").write_text(TRAINING, encoding="utf-8")
        jobs = {"workers": 0, "lease_s": 5, "attempts": 100, "training": str(home / "training.yaml")}
        settings = {"pool": {"languages": ["en"]}, "jobs": jobs | {"scratch": str(home / "scratch")}}
        self.home, self.config = home, home / "serve.yaml"
        self.config.write_text(json.dumps(settings), encoding="utf-8")
        self.address = ""
        self.running: dict[str, subprocess.Popen[str]] = {}

    def start(self, what: str) -> None:
        command = [sys.executable, "-m", "timbral", what, "--config", str(self.config)]
        command += ["--port", "0"] if what == "serve" else []
        environment = {**os.environ, "TIMBRAL_HOME": str(self.home)}
        with (self.home / f"{what}.log").open("ab") as log:
            process = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.running[what] = process
        if what == "serve":
            assert process.stdout is not None
            found = re.match(r"http://\S+", process.stdout.readline())
            assert found, (self.home / "serve.log").read_text()
            self.address = found[0]

    def kill(self, what: str) -> None:
        self.running[what].kill()
        self.running[what].wait()


class Client(threading.Thread):
    """Registers voices and submits jobs. voices, jobs: what the server has acknowledged."""

    def __init__(self, processes: Processes, recording: Path) -> None:
        super().__init__(daemon=True)
        self.processes, self.content = processes, recording.read_bytes()
        self.voices: dict[str, str] = {}
        self.jobs: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.over.is_set():
            number += 1
            with contextlib.suppress(httpx.HTTPError):
                self._register(f"voice {number}")
                self._submit(f"job {number}")
            self.over.wait(0.2)

    def _register(self, name: str) -> None:
        files = {"audio_sample": self.content}
        answer = self._post("/v1/audio/voices", name, files)
        if answer.status_code == 200:
            self.voices[name] = answer.json()["id"]

    def _submit(self, name: str) -> None:
        listed = httpx.get(f"{self.processes.address}/v1/voices/jobs", timeout=60).json()["data"]
        if sum(one["status"] in ("queued", "running") for one in listed) < 2:
            answer = self._post("/v1/voices/jobs", name, {"recordings": self.content})
            if answer.status_code == 202:
                self.jobs.append(answer.json()["id"])

    def _post(self, path: str, name: str, files: dict[str, bytes]) -> httpx.Response:
        data = {"name": name, "consent": STATEMENT}
        return httpx.post(f"{self.processes.address}{path}", data=data, files=files, timeout=60)


def kill_all(processes: Processes, kills: int, longest: float, seed: int) -> None:
    """Kills both in a random order, after random times, and starts them again."""
    rng = random.Random(seed)
    order = ["serve", "worker"] * kills
    rng.shuffle(order)
    for number, what in enumerate(order, 1):
        time.sleep(rng.uniform(0, longest))
        processes.kill(what)
        processes.start(what)
        print(f"{number} of {len(order)}: {what} killed", file=sys.stderr)


def wait_for_jobs(address: str) -> list[dict[str, Any]]:
    """All jobs, when they are over."""
    deadline = time.monotonic() + ENDS_IN
    while True:
        jobs: list[dict[str, Any]] = httpx.get(f"{address}/v1/voices/jobs?limit=1000", timeout=60).json()[
            "data"
        ]
        if not any(one["status"] in ("queued", "running") for one in jobs):
            return jobs
        assert time.monotonic() < deadline, "jobs do not come to an end"
        time.sleep(1)


def check(processes: Processes, client: Client) -> dict[str, Any]:
    """What was lost."""
    jobs = {one["id"]: one for one in wait_for_jobs(processes.address)}
    failed = [one for one in jobs.values() if one["status"] != "succeeded"]
    made = {one["name"]: one["voice"] for one in jobs.values() if one["voice"]}
    lost, unreadable = [], []
    with (
        httpx.Client(base_url=processes.address, timeout=120) as http,
        tempfile.TemporaryDirectory() as folder,
    ):
        for name, voice in (client.voices | made).items():
            answer = http.get(f"/v1/audio/voices/{voice}/file")
            if answer.status_code != 200:
                lost.append(name)
                continue
            path = Path(folder) / "one.voice"
            path.write_bytes(answer.content)
            try:
                Voice.load(path)
            except Exception as error:
                unreadable.append(f"{name}: {error}")
        mute = [
            name
            for name, voice in made.items()
            if http.post("/v1/audio/speech", json={"input": "Hello.", "voice": {"id": voice}}).status_code
            != 200
        ]
        known = {one["id"] for one in http.get("/v1/audio/voices").json()["data"]}
    files = [path for path in (processes.home / "server/files").rglob("*") if path.is_file()]
    stored = [path for path in files if path.parent.name == "voices"]
    verified = subprocess.run(
        [sys.executable, "-m", "timbral", "audit", "verify", "--config", str(processes.config)],
        env={**os.environ, "TIMBRAL_HOME": str(processes.home)},
        capture_output=True,
        check=False,
    )
    return {
        "voices_acknowledged": len(client.voices),
        "jobs_acknowledged": len(client.jobs),
        "lost_voices": len(lost),
        "lost_jobs": len([one for one in client.jobs if one not in jobs]),
        "jobs_without_success": [(one["name"], one["status"], one["error"]) for one in failed],
        "voices_of_jobs_that_do_not_speak": mute,
        "half_files": len(unreadable) + sum("#" in path.name for path in files),
        "files_without_a_record": sum(path.stem.partition("-")[0] not in known for path in stored),
        "attempts_of_jobs": sum(one["attempt"] for one in jobs.values()),
        "audit_log_holds": verified.returncode == 0,
    }


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recording", type=Path)
    parser.add_argument("--kills", type=int, default=20, help="of each process")
    parser.add_argument("--longest", type=float, default=20.0, help="seconds before a kill")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="for records and logs; a temporary one by default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        processes = Processes(given.folder or Path(temporary))
        try:
            processes.start("serve")
            processes.start("worker")
            client = Client(processes, given.recording)
            client.start()
            kill_all(processes, given.kills, given.longest, given.seed)
            client.over.set()
            client.join()
            found = check(processes, client)
        finally:
            for process in processes.running.values():
                process.kill()
                process.wait()
    print(json.dumps({"kills": 2 * given.kills, **found}))
    lost = (
        "lost_voices",
        "lost_jobs",
        "jobs_without_success",
        "voices_of_jobs_that_do_not_speak",
        "half_files",
    )
    return 1 if any(found[name] for name in lost) or not found["audit_log_holds"] else 0


if __name__ == "__main__":
    sys.exit(main())
