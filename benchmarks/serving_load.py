"""Load for benchmarks/serving.py: a server in a process of its own, its clients, and what its process uses."""

import asyncio
import hashlib
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

RATE = 24_000
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Answer:
    """One request. status 0: the connection failed. first_s, total_s: seconds since it was sent. stalled_s: of silence in the
    middle, for who plays the sound as it comes. cpu_s: of the server until its first sound.
    """

    status: int
    sent: float
    first_s: float = 0.0
    total_s: float = 0.0
    audio_s: float = 0.0
    stalled_s: float = 0.0
    digest: str = ""
    cpu_s: float = 0.0


@dataclass
class Server:
    """`timbral serve` while the block runs, in an empty home. arguments: more of the command's."""

    home: Path
    settings: dict[str, Any] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()

    def __enter__(self) -> "Server":
        self.home.mkdir(parents=True)
        config = self.home / "serve.yaml"
        config.write_text(json.dumps({"pool": {"languages": ["en"]}, **self.settings}), encoding="utf-8")
        self._log = (self.home / "server.log").open("wb")
        command = [sys.executable, "-m", "timbral", "serve", "--port", "0", "--config", str(config)]
        self._process = subprocess.Popen(
            [*command, *self.arguments],
            env={**os.environ, "TIMBRAL_HOME": str(self.home)},
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self._process.stdout is not None
        found = re.match(r"(http://\S+)", self._process.stdout.readline())
        if not found:
            raise SystemExit((self.home / "server.log").read_text(encoding="utf-8"))
        self.address = found[1]
        while httpx.get(f"{self.address}/ready").status_code != 200:
            time.sleep(0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        self._log.close()

    def cpu_s(self) -> float:
        """CPU seconds that the process has used."""
        values = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(values[11]) + int(values[12])) / TICKS

    def resident_mb(self) -> float:
        """Memory that the process holds."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)

    @property
    def alive(self) -> bool:
        """Whether it has not crashed."""
        return self._process.poll() is None


class Clients:
    """Clients of one server, each request on a connection of its own where all are taken."""

    def __init__(self, server: Server) -> None:
        self._server = server
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=32)
        self._client = httpx.AsyncClient(base_url=server.address, timeout=600, limits=limits)

    async def speak(self, text: str, **fields: Any) -> Answer:
        """One request, whose sound is read to its end and not kept."""
        body = {"input": text, "response_format": "pcm", **fields}
        sent, before = time.perf_counter(), self._server.cpu_s()
        answer, digest, size, played = Answer(0, sent), hashlib.sha256(), 0, 0.0
        try:
            async with self._client.stream("POST", "/v1/audio/speech", json=body) as response:
                answer.status = response.status_code
                async for chunk in response.aiter_raw():
                    now = time.perf_counter() - sent
                    if not size:
                        answer.first_s = played = now
                        answer.cpu_s = self._server.cpu_s() - before
                    answer.stalled_s += max(0.0, now - played)
                    played = max(now, played) + len(chunk) / (2 * RATE)
                    size += len(chunk)
                    digest.update(chunk)
        except httpx.HTTPError:
            answer.status = 0
        answer.total_s = time.perf_counter() - sent
        if answer.status == 200:
            answer.audio_s, answer.digest = size / (2 * RATE), digest.hexdigest()
        return answer

    async def ping(self) -> float:
        """Seconds of GET /health."""
        began = time.perf_counter()
        await self._client.get("/health")
        return time.perf_counter() - began

    async def upload(self, name: str, voice: bytes) -> None:
        """Registers a voice file, which brings its consent."""
        answer = await self._client.post(
            "/v1/audio/voices", data={"name": name}, files={"voice_file": ("it.voice", voice)}
        )
        answer.raise_for_status()

    async def burst(self, count: int, texts: list[str], **fields: Any) -> list[Answer]:
        """As many requests at the same moment."""
        requests = (self.speak(texts[i % len(texts)], seed=i, **fields) for i in range(count))
        return list(await asyncio.gather(*requests))

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of all do not exceed; nan of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def throng(address: str, bodies: list[dict[str, Any]]) -> list[Answer]:
    """As many requests at the same moment, from bare sockets: 200 clients of a library would wait for each other.

    Answers without `total_s`, `digest` and `cpu_s`; `first_s` of one that is refused is the time to its status.
    """
    host, _, port = address.removeprefix("http://").rpartition(":")
    waiting = selectors.DefaultSelector()
    answers = []
    for fields in bodies:
        body = json.dumps({"response_format": "pcm", **fields}).encode()
        head = f"POST /v1/audio/speech HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nConnection: close\r\n"
        connection = socket.create_connection((host, int(port)))
        answers.append(Answer(0, time.perf_counter()))
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        connection.setblocking(False)
        waiting.register(connection, selectors.EVENT_READ, (answers[-1], bytearray()))
    while waiting.get_map():
        for key, _ in waiting.select():
            answer, content = key.data
            received = key.fileobj.recv(1 << 16)
            content += received
            if not answer.status and b"\r\n\r\n" in content:
                status = int(content.split(b" ", 2)[1])
                if status != 200 or not content.endswith(b"\r\n\r\n"):
                    answer.status, answer.first_s = status, time.perf_counter() - answer.sent
            if not received:
                waiting.unregister(key.fileobj)
                key.fileobj.close()
    return answers
