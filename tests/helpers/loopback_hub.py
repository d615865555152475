"""A hub on the loopback interface: it sends on to a store of another name, which knows ranges and breaks connections."""

import hashlib
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import unquote


@dataclass
class Request:
    """What the store was asked for: the method, the path in its repository, the first byte of a range, and by whom."""

    method: str
    path: str
    start: int
    token: str | None


@dataclass
class LoopbackHub:
    """Serves `files`, by (repository, revision, path), at `endpoint` while it is open.

    cuts: for each path, after how many bytes the next connections break. answers: status codes that the next
    requests for a path get instead of it. ranges: whether parts of a file may be asked for.
    """

    files: dict[tuple[str, str, str], bytes]
    cuts: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    ranges: bool = True
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> "LoopbackHub":
        hub = self

        class Handler(_Handler):
            def do_GET(self) -> None:
                self.answer(hub, body=True)

            def do_HEAD(self) -> None:
                self.answer(hub, body=False)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT has to be."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def starts(self, path: str) -> list[int]:
        """First bytes of the downloads of a path."""
        return [
            request.start for request in self.requests if request.path == path and request.method == "GET"
        ]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, hub: LoopbackHub, *, body: bool) -> None:
        if self.path.startswith("/stored/"):
            self._stored(hub, body=body)
            return
        repository, _, rest = unquote(self.path.split("?")[0]).lstrip("/").partition("/resolve/")
        revision, _, path = rest.partition("/")
        content = hub.files.get((repository, revision, path))
        if hub.answers[path]:
            self._error(hub.answers[path].pop(0), "Busy")
        elif content is None:
            self._error(404, "EntryNotFound")
        else:
            digest = hashlib.sha256(content).hexdigest()
            self.send_response(302)
            port = self.server.server_address[1]
            self.send_header("Location", f"http://localhost:{port}/stored/{digest}/{path}")
            self.send_header("X-Repo-Commit", revision)
            self.send_header("X-Linked-Etag", f'"{digest}"')
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _stored(self, hub: LoopbackHub, *, body: bool) -> None:
        _, _, digest, path = unquote(self.path).split("/", 3)
        content = next(c for c in hub.files.values() if hashlib.sha256(c).hexdigest() == digest)
        asked = self.headers.get("Range", "") if hub.ranges else ""
        start = int(asked.removeprefix("bytes=").rstrip("-") or 0)
        hub.requests.append(Request(self.command, path, start, self.headers.get("Authorization")))
        if start >= len(content):
            self._error(416, "RangeNotSatisfiable")
            return
        self.send_response(206 if asked else 200)
        self.send_header("ETag", f'"{digest}"')
        self.send_header("Content-Length", str(len(content) - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if body:
            cut = hub.cuts[path].pop(0) if hub.cuts[path] else len(content)
            self.wfile.write(content[start : start + cut])
            self.close_connection = self.close_connection or cut < len(content) - start

    def _error(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""
