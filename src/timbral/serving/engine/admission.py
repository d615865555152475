"""Who may speak now, who waits, and who is turned away, fairly between keys.

A queue only moves the moment at which clients give up, so that a key that has its share of the slots is refused at once when
all are taken. Those that have less wait for the next free ones, in a short queue.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from timbral.inference.semantic.scheduler import Scheduler
from timbral.serving.config import EngineConfig
from timbral.serving.errors import BusyError

_MEMORY = 0.1
"""Weight of the last speech in the mean of their durations."""


@dataclass(eq=False)
class _Ticket:
    group: Hashable
    admitted: asyncio.Future[None]


class Admission:
    """Slots for speeches. Belongs to one event loop."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._scheduler: Scheduler[_Ticket] = Scheduler(config.streams)
        self._mean_s = 1.0

    @property
    def active(self) -> int:
        """Speeches that are being made."""
        return len(self._scheduler.running)

    @property
    def waiting(self) -> int:
        """Requests that wait for a slot."""
        return len(self._scheduler.waiting)

    @asynccontextmanager
    async def slot(self, group: Hashable, *, patient: bool = False) -> AsyncIterator[None]:
        """A slot while the block runs. group: who asks; slots go round between groups.

        patient: waits as long as it takes, beside the bounded queue; for what has been accepted already.
        Raises BusyError: no slot is free and the key has its share, the queue is full, or no slot became free in time.
        """
        if not patient:
            self.check(group)
        ticket = _Ticket(group, asyncio.get_running_loop().create_future())
        self._scheduler.submit(ticket, group)
        self._admit()
        began = time.monotonic()
        try:
            await asyncio.wait_for(ticket.admitted, None if patient else self._config.queue_timeout_s)
            began = time.monotonic()
            yield
            self._mean_s += _MEMORY * (time.monotonic() - began - self._mean_s)
        except asyncio.TimeoutError:
            if ticket.admitted.cancelled():
                raise self._busy() from None
            raise
        finally:
            self._scheduler.release(ticket)
            self._admit()

    def _admit(self) -> None:
        for _, ticket in self._scheduler.admit():
            if not ticket.admitted.done():
                ticket.admitted.set_result(None)

    def check(self, group: Hashable) -> None:
        """Raises BusyError where all slots are taken and a key has its share of them, or the queue is full."""
        if self.active < self._config.streams:
            return
        counts = Counter(ticket.group for ticket in (*self._scheduler.running, *self._scheduler.waiting))
        share = max(1, self._config.streams // len(counts.keys() | {group}))
        if counts[group] >= share or self.waiting >= self._config.queue:
            raise self._busy()

    def _busy(self) -> BusyError:
        after = (self.waiting + 1) * self._mean_s / self._config.streams
        return BusyError("the server speaks as much as it can; try again later", after)
