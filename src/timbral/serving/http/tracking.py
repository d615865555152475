"""Request ids, one line of log for each request, metrics, and a span where OpenTelemetry is installed."""

import importlib.util
import logging
import re
import secrets
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from timbral.serving.metrics import Metrics

HEADER = "X-Request-Id"
ID = "timbral.request_id"
"""Where a request's scope holds its id."""

_log = logging.getLogger("timbral.serving")
_ACCEPTED = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_QUIET = frozenset(("/health", "/ready", "/metrics"))


class Tracking:
    """ASGI middleware. The id of a request is the client's X-Request-Id, or a new one; answers carry it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics, self._span = app, metrics, _open_tracer()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        scope[ID] = given if _ACCEPTED.fullmatch(given) else f"req_{secrets.token_hex(12)}"
        began, status, size = time.perf_counter(), 0, 0

        async def tracked(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = scope[ID]
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        try:
            with self._span(scope):
                await self._app(scope, receive, tracked)
        finally:
            self._record(scope, status, size, time.perf_counter() - began)

    def _record(self, scope: Scope, status: int, size: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "")
        self._metrics.requests.labels(scope["method"], route or "other", str(status)).inc()
        if scope["path"] in _QUIET:
            return
        _log.info(
            "request",
            extra={
                "request_id": scope[ID],
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "bytes": size,
                "seconds": round(seconds, 4),
                "client": (scope.get("client") or ("", 0))[0],
            },
        )


class _NoTracer:
    def __call__(self, scope: Scope) -> AbstractContextManager[Any]:
        return nullcontext()


class _Tracer:
    """Spans by OpenTelemetry's interface; they go nowhere unless the operator has configured its SDK."""

    def __init__(self) -> None:
        from opentelemetry import trace

        self._tracer = trace.get_tracer("timbral.serving")

    def __call__(self, scope: Scope) -> AbstractContextManager[Any]:
        attributes = {
            "http.request.method": scope["method"],
            "url.path": scope["path"],
            "request.id": scope[ID],
        }
        return self._tracer.start_as_current_span(f"{scope['method']} {scope['path']}", attributes=attributes)


def _open_tracer() -> _Tracer | _NoTracer:
    return _Tracer() if importlib.util.find_spec("opentelemetry") else _NoTracer()
