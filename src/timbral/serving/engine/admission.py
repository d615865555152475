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
from types import TracebackType

from timbral.inference.semantic.scheduler import Scheduler
from timbral.serving.config import EngineConfig
from timbral.serving.errors import BusyError

_MEMORY = 0.1
"""Weight of the last speech in the mean of their durations."""
_TOGETHER, _CALM, _LONGEST_RUSH = 0.02, 0.01, 0.4
"""Seconds: between requests of one rush, without a request after which it is over, and that it may last."""


@dataclass(eq=False)
class _Ticket:
    group: Hashable
    admitted: asyncio.Future[None]


class Arrival:
    """A request that is being read and prepared, and counts already, so that what follows it is refused at once.

    As a context, it leaves where the block fails; otherwise it goes on to `Admission.slot`.
    """

    def __init__(self, counts: Counter[Hashable], group: Hashable) -> None:
        self._counts, self._group, self._over = counts, group, False
        counts[group] += 1

    def __enter__(self) -> "Arrival":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.leave()

    def leave(self) -> None:
        """It has a slot, or wants none any more."""
        if not self._over:
            self._over = True
            self._counts[self._group] -= 1


class Admission:
    """Slots for speeches. Belongs to one event loop."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._scheduler: Scheduler[_Ticket] = Scheduler(config.streams)
        self._arriving: Counter[Hashable] = Counter()
        self._mean_s = 1.0
        self._before, self._last = float("-inf"), float("-inf")  # when the last two requests came

    @property
    def active(self) -> int:
        """Speeches that are being made."""
        return len(self._scheduler.running)

    @property
    def waiting(self) -> int:
        """Requests that wait for a slot."""
        return len(self._scheduler.waiting)

    @property
    def _requests(self) -> int:
        return self.active + self.waiting + self._arriving.total()

    @asynccontextmanager
    async def slot(
        self, group: Hashable, arrival: Arrival | None = None, *, patient: bool = False
    ) -> AsyncIterator[None]:
        """A slot while the block runs. group: who asks; slots go round between groups. arrival: of this request.

        patient: waits as long as it takes, beside the bounded queue; for what has been accepted already.
        Raises BusyError: no slot is free and the key has its share, the queue is full, or no slot became free in time.
        """
        if arrival is not None:
            arrival.leave()
        elif not patient:
            self._check(group)
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

    def arrive(self, group: Hashable) -> Arrival:
        """Counts a request before any work is done for it. Raises BusyError as `slot` does."""
        self._before, self._last = self._last, time.monotonic()
        self._check(group)
        return Arrival(self._arriving, group)

    async def calm(self) -> None:
        """Returns when requests do not arrive in a rush: whose work begins in the middle of one keeps all the others from being
        answered.
        """
        until = time.monotonic() + _LONGEST_RUSH
        while self._last - self._before < _TOGETHER and time.monotonic() < min(until, self._last + _CALM):
            await asyncio.sleep(_CALM / 2)

    def _check(self, group: Hashable) -> None:
        """Raises BusyError where all slots are taken and a key has its share of them, or the queue is full."""
        if self._requests < self._config.streams:
            return
        counts = self._arriving + Counter(
            ticket.group for ticket in (*self._scheduler.running, *self._scheduler.waiting)
        )
        share = max(1, self._config.streams // len(counts.keys() | {group}))
        if counts[group] >= share or self._requests >= self._config.streams + self._config.queue:
            raise self._busy()

    def _busy(self) -> BusyError:
        """What a refused request is told."""
        after = (self.waiting + 1) * self._mean_s / self._config.streams
        return BusyError("the server speaks as much as it can; try again later", after)
