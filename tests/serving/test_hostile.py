"""Nothing that a client sends opens a path or an address, runs anything, or hangs the server."""

import contextlib
import io
import pickle
import socket
import struct
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.serving import RECORDING, STATEMENT, RunningServer

CANARY = "canary"


class _Payload:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (CANARY, "w"))


def zipped() -> bytes:
    """An archive with a path that climbs, and a bomb."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../canary", b"x")
        archive.writestr("data.pkl", pickle.dumps(_Payload()))
        archive.writestr("bomb", bytes(10_000_000))
    return buffer.getvalue()


def lying_wav() -> bytes:
    """A header that promises four gigabytes."""
    return RECORDING.read_bytes()[:0] + struct.pack(
        "<4sI8sIHHIIHH4sI",
        b"RIFF",
        0xFFFFFFF0,
        b"WAVEfmt ",
        16,
        1,
        32,
        384_000,
        24_576_000,
        64,
        16,
        b"data",
        0xFFFFFFF0,
    )


PATHS = [
    "/etc/passwd", "../../../etc/passwd", "..\\..\\windows\\win.ini", "file:///etc/passwd", "http://127.0.0.1:1/x.wav",
    "https://example.com/a.wav", "ftp://example.com/a", "gopher://x", "data:audio/wav,plain", "data:text/plain;base64,",
    "//server/share/a.wav", "C:\\a.wav", "/dev/zero", "/proc/self/environ", "concat:/etc/passwd", "pipe:0",
    "subfile,,start,0,end,100,,:/etc/passwd", "~/.ssh/id_rsa", "$(id)", "`id`", "a\x00b", "%2e%2e%2f", "default.voice",
    "s3://bucket/key", "jar:file:///x", "hls+http://x/y.m3u8",
]  # fmt: skip
BODIES = {
    "pickle": pickle.dumps(_Payload()),
    "zip": zipped(),
    "playlist": b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1.0,\nfile:///etc/passwd\n",
    "concat": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "lying wav": lying_wav(),
    "nothing": b"\0",
    "text": b"hello" * 100,
    "safetensors": struct.pack("<Q", 1 << 62) + b"{}",
}
NAMES = ["../x", "a/b", "", " ", "voice_x", "x" * 101, "a\nb", "a\x00b", "con\x1b[31m"]


def is_refused(answer: Any) -> bool:
    """Whether it is an error of the client, in the usual shape."""
    return 400 <= answer.status_code < 500 and bool(answer.json()["error"]["message"])


@pytest.mark.parametrize("path", PATHS)
def test_no_path_and_no_address_is_opened(server: RunningServer, path: str) -> None:
    clean = path.replace("\0", "%00")
    assert is_refused(server.speak(ref_audio=path, consent=STATEMENT))
    assert is_refused(server.speak(voice=path)) or path == "default.voice"
    assert is_refused(server.speak(voice={"id": path}))
    assert is_refused(server.speak(model=path))
    assert is_refused(server.client.get("/v1/audio/voices/" + clean.replace("/", "%2F").replace("\\", "%5C")))


@pytest.mark.parametrize("kind", BODIES)
def test_no_upload_is_run_or_unpacked(server: RunningServer, kind: str) -> None:
    began = time.monotonic()
    content = BODIES[kind]
    for field, name in (("audio_sample", "../../a.wav"), ("voice_file", "/etc/x.voice")):
        answer = server.client.post(
            "/v1/audio/voices", data={"name": "h", "consent": STATEMENT}, files={field: (name, content)}
        )
        assert is_refused(answer)
        assert "/tmp" not in answer.text
    assert is_refused(server.client.post("/v1/audio/voices/search", files={"audio_sample": content}))
    assert time.monotonic() - began < 10
    assert not list(server.home.parent.rglob(CANARY))
    assert not Path(CANARY).exists()


@pytest.mark.parametrize("name", NAMES)
def test_names_of_voices_are_no_paths(server: RunningServer, name: str) -> None:
    assert is_refused(server.register(name)) or name in ("../x", "a/b")
    outside = [path for path in server.home.parent.rglob("*") if path.name in ("x.voice", "b.voice")]
    assert not outside


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{", b"[" * 100_000, b'{"input":' * 50_000, b'{"input": "\\ud800"}', b"\xff\xfe",
        b'{"input": "x", "speed": 1e999}', b'{"input": "x", "seed": ' + b"9" * 5000 + b"}",
        b'{"input": {"a": 1}}', b'{"input": "x", "voice": {"id": {"id": "x"}}}', b'{"input": "x", "top_p": -1}',
    ],
)  # fmt: skip
def test_malformed_bodies(server: RunningServer, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = server.client.post("/v1/audio/speech", content=body, headers=headers)
    assert is_refused(answer)
    answer = server.client.post("/v1/audio/speech/batch", content=body, headers=headers)
    assert is_refused(answer)


def raw(server: RunningServer, content: bytes, seconds: float = 10) -> bytes:
    """What comes back over a bare connection until it is closed."""
    host, port = server.address.removeprefix("http://").split(":")
    received = b""
    with (
        contextlib.suppress(ConnectionError),  # closed before all was sent
        socket.create_connection((host, int(port)), timeout=seconds) as connection,
    ):
        connection.sendall(content)
        while part := connection.recv(65_536):
            received += part
    return received


def test_oversized_bodies_are_refused_before_they_are_read(server: RunningServer) -> None:
    head = b"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\n"
    declared = raw(server, head + b"Content-Length: 99999999999\r\n\r\n")
    assert declared.startswith(b"HTTP/1.1 413")
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    chunked = raw(server, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 5)
    assert chunked == b"" or chunked.startswith(b"HTTP/1.1 413")
    form = server.register("large", RECORDING)
    assert form.status_code in (200, 409)
    files = {"audio_sample": bytes(2 << 20)}
    too_large = server.client.post("/v1/audio/voices", data={"name": "l", "consent": "c"}, files=files)
    assert too_large.status_code == 413


def test_slow_requests_time_out(server: RunningServer) -> None:
    """Bodies, headers and nothing at all; all at once, and others are served meanwhile."""
    head = b"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\n"
    contents = [head + b"Content-Length: 100\r\n\r\n{", head + b"X-Slow: ", head, b"G", b""] * 4
    began = time.monotonic()
    with ThreadPoolExecutor(len(contents)) as threads:
        answers = threads.map(lambda content: raw(server, content, 20), contents)
        assert server.client.get("/v1/models").status_code == 200
        received = list(answers)
    assert all(one == b"" or one.startswith(b"HTTP/1.1 408") for one in received)
    assert any(received)
    assert time.monotonic() - began < 8


@pytest.mark.parametrize(
    "content",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
    ],
)
def test_broken_requests(server: RunningServer, content: bytes) -> None:
    received = raw(server, content)
    assert received == b"" or received.startswith(b"HTTP/1.1 4")
    assert server.client.get("/health").status_code == 200


def test_headers_of_answers_cannot_be_written_by_clients(server: RunningServer) -> None:
    answer = server.client.get("/health", headers={"X-Request-Id": "a\tSet-Cookie: x=1"})
    assert "set-cookie" not in answer.headers
    assert "x=1" not in answer.headers["x-request-id"]
