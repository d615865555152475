"""Bodies of requests: how large they may be, and how long they may take."""

import asyncio
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from timbral.serving.config import LimitsConfig
from timbral.serving.errors import ApiError, error_response


class _RefusedError(ApiError):
    """A body that is refused while the route reads it."""


class BodyLimits:
    """ASGI middleware: 413 for a body that is too large, 408 for one that comes too slowly."""

    def __init__(self, app: ASGIApp, config: LimitsConfig) -> None:
        self._app, self._most, self._seconds = app, config.body_mb << 20, config.body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > self._most:
            await error_response(self._too_large())(scope, receive, send)
            return
        deadline, size, complete, begun = time.monotonic() + self._seconds, 0, False, False

        async def limited() -> Message:
            nonlocal size, complete
            if complete:  # only the end of the connection is left
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), deadline - time.monotonic())
            except asyncio.TimeoutError:
                raise _RefusedError(
                    408,
                    "the body of the request came too slowly",
                    code="body_timeout",
                    headers={"Connection": "close"},
                ) from None
            size += len(message.get("body", b""))
            if size > self._most:
                raise self._too_large()
            complete = message["type"] != "http.request" or not message.get("more_body", False)
            return message

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, limited, noted)
        except _RefusedError as error:
            if begun:
                raise
            await error_response(error)(scope, receive, send)

    def _too_large(self) -> _RefusedError:
        message = f"a request has at most {self._most >> 20} MB"
        return _RefusedError(413, message, code="body_too_large", headers={"Connection": "close"})
