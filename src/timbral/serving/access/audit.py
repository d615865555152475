"""The audit log: who made which voice speak, when. Each entry carries the hash of the one before.

Whoever changes, removes or reorders entries breaks the chain. Cutting off its end cannot be seen from the log alone: keep the
last hash elsewhere (`timbral audit head`).
"""

import hashlib
import json
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from timbral.serving.access.keys import Principal
from timbral.serving.storage.database import Database
from timbral.serving.storage.tables import AuditRow, now

START = "0" * 64
"""The hash before the first entry."""

_BATCH = 1000
_LAST = select(AuditRow.number, AuditRow.hash).order_by(AuditRow.number.desc()).limit(1)


@dataclass(eq=False)
class _Pending:
    """An entry that a thread waits for. error: why it was not written."""

    row: AuditRow
    over: bool = False
    error: BaseException | None = None


class AuditLog:
    """Appends entries and checks their chain. May be shared by threads and processes.

    Entries of several threads at once share a transaction: whoever comes first writes for all that wait (group commit; DeWitt et
    al., 1984). By themselves they would wait for each other's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writing = threading.Lock()
        self._pending: deque[_Pending] = deque()

    def append(self, action: str, principal: Principal, request_id: str, **details: Any) -> AuditRow:
        """Adds an entry, which is written when this returns; details: what JSON can hold."""
        mine = _Pending(_row(action, principal, request_id, details))
        self._pending.append(mine)
        with self._writing:
            if not mine.over:
                self._write_pending()
        if mine.error is not None:
            raise mine.error
        return mine.row

    def add(
        self, session: Session, action: str, principal: Principal, request_id: str, **details: Any
    ) -> AuditRow:
        """Adds an entry in a transaction, with which it stays or goes. Others wait for its end to add theirs."""
        row = _row(action, principal, request_id, details)
        self._chain(session, [row])
        return row

    def _write_pending(self) -> None:
        entries = [self._pending.popleft() for _ in range(len(self._pending))]
        try:
            with self._database.session() as session:
                self._chain(session, [entry.row for entry in entries])
        except BaseException as error:  # each of those who wait raises it
            for entry in entries:
                entry.error = error
        for entry in entries:
            entry.over = True

    def _chain(self, session: Session, rows: Sequence[AuditRow]) -> None:
        self._database.alone(session, "audit")
        last = session.execute(_LAST).first()
        number, previous = (0, START) if last is None else last
        for row in rows:
            number += 1
            row.number, row.previous, row.time = number, previous, now().isoformat(timespec="microseconds")
            row.hash = previous = digest(row)
        session.add_all(rows)

    def entries(self, after: int = 0, limit: int | None = None) -> Iterator[AuditRow]:
        """Entries in order, those after a number."""
        while limit is None or limit > 0:
            count = _BATCH if limit is None else min(_BATCH, limit)
            query = select(AuditRow).where(AuditRow.number > after).order_by(AuditRow.number).limit(count)
            with self._database.reading() as session:
                rows = list(session.scalars(query))
            yield from rows
            if len(rows) < count:
                return
            after = rows[-1].number
            limit = None if limit is None else limit - len(rows)

    def verify(self) -> tuple[int, str | None]:
        """How many entries hold, from the first on, and what is wrong with the next one, if anything."""
        previous, count = START, 0
        for row in self.entries():
            if row.number != count + 1:
                return count, f"entry {count + 1} is missing"
            if row.previous != previous:
                return count, f"entry {row.number} does not follow the one before it"
            if row.hash != digest(row):
                return count, f"entry {row.number} was changed"
            previous, count = row.hash, row.number
        return count, None


def _row(action: str, principal: Principal, request_id: str, details: dict[str, Any]) -> AuditRow:
    """An entry that is not in the chain yet."""
    return AuditRow(
        action=action,
        owner=principal.owner,
        key_id=principal.key_id,
        request_id=request_id,
        details=json.dumps(details, ensure_ascii=True, sort_keys=True),
    )


def digest(row: AuditRow) -> str:
    """SHA-256 of an entry with the hash of the one before, as 64 hexadecimal digits."""
    names = ("number", "time", "action", "owner", "key_id", "request_id", "details", "previous")
    content = json.dumps([getattr(row, name) for name in names], ensure_ascii=True)
    return hashlib.sha256(content.encode()).hexdigest()


def described(row: AuditRow) -> dict[str, Any]:
    """An entry as JSON."""
    names = ("number", "time", "action", "owner", "key_id", "request_id", "previous", "hash")
    return {**{name: getattr(row, name) for name in names}, "details": json.loads(row.details)}
