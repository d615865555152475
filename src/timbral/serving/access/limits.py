"""What a key may use: requests a minute, streams at once, characters a day."""

import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TypeVar

from sqlalchemy import delete

from timbral.serving.access.keys import Principal
from timbral.serving.config import LimitsConfig
from timbral.serving.errors import ApiError, BusyError
from timbral.serving.storage.database import Database
from timbral.serving.storage.tables import UsageRow, now

T = TypeVar("T")

_FORGOTTEN = 10_000
"""Buckets after which those that are full again are dropped."""


class Limits:
    """Counts what keys use. Rates and streams are counted in this process, characters in the database."""

    def __init__(
        self, config: LimitsConfig, database: Database, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config, self._database, self._clock = config, database, clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}
        self._streams: Counter[str] = Counter()

    def count_request(self, principal: Principal) -> None:
        """Takes one request from a bucket that a minute refills. Raises BusyError where it is empty."""
        rate = principal.requests_per_minute or self._config.requests_per_minute
        if rate is None:
            return
        with self._lock:
            current = self._clock()
            level, before = self._buckets.get(principal.key_id, (float(rate), current))
            level = min(float(rate), level + (current - before) * rate / 60)
            if level < 1:
                after = (1 - level) * 60 / rate
                raise BusyError(f"more than {rate} requests a minute", after, "rate_limit_exceeded")
            self._buckets[principal.key_id] = level - 1, current
            if len(self._buckets) > _FORGOTTEN:
                self._buckets = {
                    key: value for key, value in self._buckets.items() if current - value[1] < 60
                }

    @contextmanager
    def stream(self, principal: Principal) -> Iterator[None]:
        """Counts a stream while the block runs. Raises BusyError: as many already as the key may have."""
        most = principal.concurrent or self._config.concurrent
        with self._lock:
            if most is not None and self._streams[principal.key_id] >= most:
                raise BusyError(f"more than {most} streams at once", 1, "concurrency_limit_exceeded")
            self._streams[principal.key_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._streams[principal.key_id] -= 1
                if not self._streams[principal.key_id]:
                    del self._streams[principal.key_id]

    @asynccontextmanager
    async def streaming(
        self, principal: Principal, speech: AbstractAsyncContextManager[T]
    ) -> AsyncIterator[T]:
        """A speech that counts as a stream of the key while it runs. Raises BusyError as `stream` does."""
        with self.stream(principal):
            async with speech as active:
                yield active

    def count_characters(self, principal: Principal, count: int) -> None:
        """Takes characters from today's. Raises ApiError (429) where they do not suffice; then none are taken."""
        most = principal.characters_per_day or self._config.characters_per_day
        if most is None:
            return
        today = now()
        day = today.date().isoformat()
        with self._database.session() as session:
            self._database.alone(session, f"usage of {principal.key_id}")
            row = session.get(UsageRow, (principal.key_id, day))
            if row is None:
                session.execute(delete(UsageRow).where(UsageRow.key_id == principal.key_id))
                row = UsageRow(key_id=principal.key_id, day=day, characters=0)
                session.add(row)
            if row.characters + count > most:
                seconds = 86_400 - (today.hour * 3600 + today.minute * 60 + today.second)
                raise ApiError(
                    429,
                    f"more than {most} characters a day; {max(0, most - row.characters)} are left today",
                    code="insufficient_quota",
                    headers={"Retry-After": str(seconds)},
                )
            row.characters += count
