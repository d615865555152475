"""uvicorn's HTTP/1.1, with a limit for the time that the headers of a request may take."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class TimedProtocol(H11Protocol):
    """Closes connections whose first request does not come in time; idle ones between requests are uvicorn's business."""

    seconds: float = 10.0
    _upgraded = False

    @classmethod
    def of(cls, seconds: float) -> type["TimedProtocol"]:
        """The protocol with a limit in seconds."""
        return type("TimedProtocol", (cls,), {"seconds": seconds})

    def connection_made(self, transport: Any) -> None:
        """Starts the clock."""
        super().connection_made(transport)
        self._timer = asyncio.get_running_loop().call_later(self.seconds, self._expire)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clock."""
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Restarts the clock where the data begin a further request."""
        super().data_received(data)
        if not self._upgraded and self._waits_for_headers() and not self._pending():
            self._timer = asyncio.get_running_loop().call_later(self.seconds, self._expire)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Stops the clock for good: the connection is in other hands."""
        self._timer.cancel()
        self._upgraded = True
        super().handle_websocket_upgrade(event)

    def _pending(self) -> bool:
        return not self._timer.cancelled() and self._timer.when() > asyncio.get_running_loop().time()

    def _waits_for_headers(self) -> bool:
        return self.cycle is None or bool(self.cycle.response_complete)

    def _expire(self) -> None:
        has_begun = bool(self.conn.trailing_data[0])
        if (
            self._waits_for_headers()
            and (self.cycle is None or has_begun)
            and not self.transport.is_closing()
        ):
            self.transport.close()
