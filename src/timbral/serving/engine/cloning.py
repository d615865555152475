"""Cloning beside speaking: few at once, so that those who listen keep their cores, and a short queue."""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from timbral.serving.errors import BusyError

T = TypeVar("T")

_AT_ONCE, _QUEUE = 1, 32
_RETRY_S = 2.0


class CloningQueue:
    """Runs what clones voices, one at a time, in threads of its own. Belongs to one event loop."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(_AT_ONCE)

    async def run(self, function: Callable[[], T]) -> T:
        """The result of a function that clones. Raises BusyError where too many wait, and what the function raises."""
        if self._limiter.statistics().tasks_waiting >= _QUEUE:
            raise BusyError("too many recordings wait to be cloned; try again later", _RETRY_S)
        return await anyio.to_thread.run_sync(function, limiter=self._limiter)
