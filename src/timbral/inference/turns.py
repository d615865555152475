"""Who may compute now: work of several callers takes turns on the cores, the most urgent first.

More windows of stage two at once than there are cores would all be late. Deadlines are absolute times, so that whoever waits
becomes more urgent than those who come later (earliest deadline first; Liu and Layland, 1973). While a listener has heard nothing
yet, callers whose listeners have enough for a while leave the cores to that one.
"""

import heapq
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

COMFORT = 0.1
"""Seconds of sound that a listener has in advance, from which on its caller leaves the cores to those who have none."""
_PATIENCE = 0.02
"""Seconds after which who waits looks whether it is cancelled."""


class Turns:
    """At most `limit` callers at once, by deadline. May be shared by threads."""

    def __init__(self, limit: int) -> None:
        self._lock = threading.Lock()
        self._free = limit
        self._count = 0
        self._waiting: list[tuple[float, int, threading.Event]] = []
        self._silent = 0
        self._all_heard = threading.Condition(self._lock)

    def begin(self) -> None:
        """Counts a listener who has heard nothing, until `heard`."""
        with self._lock:
            self._silent += 1

    def heard(self) -> None:
        """The first sound of a listener is there, or nobody waits for it any more."""
        with self._lock:
            self._silent -= 1
            if not self._silent:
                self._all_heard.notify_all()

    def rest(self, deadline: float, cancelled: Callable[[], bool]) -> None:
        """Returns when nobody waits for a first sound, or the caller's next result is needed in less than COMFORT."""
        with self._lock:
            while self._silent and deadline - time.perf_counter() > COMFORT and not cancelled():
                self._all_heard.wait(_PATIENCE)

    @contextmanager
    def turn(self, deadline: float, cancelled: Callable[[], bool]) -> Iterator[bool]:
        """Waits for a turn, which the block is; False where the caller was cancelled before.

        deadline: by `time.perf_counter`, when the result is needed.
        """
        self.rest(deadline, cancelled)
        mine = self._take(deadline, cancelled)
        try:
            yield mine
        finally:
            if mine:
                self._give()

    def _take(self, deadline: float, cancelled: Callable[[], bool]) -> bool:
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            called = threading.Event()
            self._count += 1
            ticket = deadline, self._count, called
            heapq.heappush(self._waiting, ticket)
        while not called.wait(_PATIENCE):
            if cancelled():
                with self._lock:
                    if not called.is_set():
                        self._waiting.remove(ticket)
                        heapq.heapify(self._waiting)
                        return False
        return True

    def _give(self) -> None:
        with self._lock:
            if self._waiting:
                heapq.heappop(self._waiting)[2].set()
            else:
                self._free += 1
