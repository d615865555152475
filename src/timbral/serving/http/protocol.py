"""uvicorn's HTTP/1.1 by llhttp, with limits for the time and the size of a request's headers."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LARGEST_HEAD = 1 << 16
"""Bytes; the parser itself would keep any number of them."""


class TimedProtocol(HttpToolsProtocol):
    """Closes connections whose requests do not come in time; idle ones between requests are uvicorn's business."""

    seconds: float = 10.0

    @classmethod
    def of(cls, seconds: float) -> type["TimedProtocol"]:
        """The protocol with a limit in seconds."""
        return type("TimedProtocol", (cls,), {"seconds": seconds})

    def connection_made(self, transport: Any) -> None:
        """Starts the clock."""
        super().connection_made(transport)
        self._incomplete, self._size = False, 0
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clock."""
        self._clock.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Reads on, unless the headers are already too large."""
        was_incomplete = self._incomplete
        super().data_received(data)
        if was_incomplete and self._incomplete and not self.transport.is_closing():
            self._size += len(data)
            if self._size > _LARGEST_HEAD:
                self.send_400_response(f"the headers have more than {_LARGEST_HEAD} bytes")

    def on_message_begin(self) -> None:
        """Restarts the clock for a further request."""
        super().on_message_begin()
        self._incomplete, self._size = True, 0
        if self.cycle is not None:
            self._start_clock()

    def on_headers_complete(self) -> None:
        """Stops the clock."""
        self._incomplete = False
        self._clock.cancel()
        super().on_headers_complete()

    def _start_clock(self) -> None:
        self._clock = asyncio.get_running_loop().call_later(self.seconds, self._expire)

    def _expire(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._start_clock()  # an answer to the request before is still on its way
        elif not self.transport.is_closing():
            self.transport.close()
