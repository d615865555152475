"""API keys: 256 random bits, stored as their SHA-256, with scopes and limits.

A digest without salt or stretching is enough: nobody can guess 256 random bits, unlike a password.
"""

import hashlib
import secrets
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import select

from timbral.errors import SettingError
from timbral.serving.errors import ApiError
from timbral.serving.storage.database import Database
from timbral.serving.storage.tables import KeyRow, now

Scope = Literal["speak", "voices", "train", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
LOCAL_OWNER = "local"
"""Owner of what is made on a server without keys."""

_PREFIX = "tk-"
_FRESH_S = 2.0
"""Seconds for which keys are not read again: a revoked one works so much longer."""


@dataclass(frozen=True)
class Principal:
    """Who sends a request: the owner, the key, its scopes and its limits (None: those of the server)."""

    owner: str
    key_id: str
    scopes: frozenset[str]
    requests_per_minute: int | None = None
    characters_per_day: int | None = None
    concurrent: int | None = None

    @property
    def is_admin(self) -> bool:
        """Whether it may see and change what belongs to others."""
        return "admin" in self.scopes

    def require(self, scope: Scope) -> None:
        """Raises ApiError (403) where a key lacks a scope; admin includes all."""
        if scope not in self.scopes and not self.is_admin:
            raise ApiError(403, f"this key lacks the scope {scope!r}", code="insufficient_scope")


ANONYMOUS = Principal(LOCAL_OWNER, LOCAL_OWNER, frozenset(SCOPES))
"""Who uses a server without keys."""


class Keys:
    """The keys of a server. May be shared by threads, and by processes with one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._known: dict[str, Principal] = {}
        self._read_at = float("-inf")

    def add(
        self,
        name: str,
        owner: str,
        scopes: Collection[str],
        *,
        requests_per_minute: int | None = None,
        characters_per_day: int | None = None,
        concurrent: int | None = None,
    ) -> tuple[KeyRow, str]:
        """A new key: its row, and the key itself, which is shown this once. Raises SettingError."""
        if unknown := sorted(set(scopes) - set(SCOPES)):
            raise SettingError(f"scope {unknown[0][:40]!r} is unknown; there are {', '.join(SCOPES)}")
        if not scopes:
            raise SettingError(f"a key needs a scope: {', '.join(SCOPES)}")
        for what, value in (("name", name), ("owner", owner)):
            if not 0 < len(value.strip()) <= 100:
                raise SettingError(f"the {what} of a key has 1 to 100 characters")
        key = _PREFIX + secrets.token_urlsafe(32)
        row = KeyRow(
            id="key_" + secrets.token_hex(8),
            name=name.strip(),
            owner=owner.strip(),
            digest=_digest(key),
            scopes=" ".join(scope for scope in SCOPES if scope in scopes),
            requests_per_minute=requests_per_minute,
            characters_per_day=characters_per_day,
            concurrent=concurrent,
        )
        with self._database.session() as session:
            session.add(row)
        self._read_at = float("-inf")
        return row, key

    def all(self) -> list[KeyRow]:
        """All keys, the oldest first, revoked ones included."""
        with self._database.reading() as session:
            return list(session.scalars(select(KeyRow).order_by(KeyRow.created)))

    def revoke(self, key_id: str) -> None:
        """Ends a key. Raises SettingError: no such key."""
        with self._database.session() as session:
            row = session.get(KeyRow, key_id)
            if row is None:
                raise SettingError(f"no key {key_id[:60]!r}; `timbral keys list` shows them")
            row.revoked = row.revoked or now()
        self._read_at = float("-inf")

    def exist(self) -> bool:
        """Whether any key has ever been made: a server whose keys are all revoked stays closed."""
        return self._fresh() is not None

    def authenticate(self, key: str | None) -> Principal:
        """Who a key belongs to; without any key on the server, anybody. Raises ApiError (401)."""
        known = self._fresh()
        if known is None:
            return ANONYMOUS
        if not key:
            message = "no API key: send the header Authorization: Bearer KEY"
            raise ApiError(401, message, code="missing_api_key", headers={"WWW-Authenticate": "Bearer"})
        principal = known.get(_digest(key))
        if principal is None:
            message = "this API key is unknown or revoked"
            raise ApiError(401, message, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})
        return principal

    def _fresh(self) -> dict[str, Principal] | None:
        """Principals by digest of their key; None where no key was ever made."""
        with self._lock:
            if time.monotonic() - self._read_at > _FRESH_S:
                rows = self.all()
                self._known = {row.digest: _principal(row) for row in rows if row.revoked is None}
                self._none = not rows
                self._read_at = time.monotonic()
            return None if self._none else self._known

    _none = True


def _principal(row: KeyRow) -> Principal:
    return Principal(
        row.owner,
        row.id,
        frozenset(row.scopes.split()),
        row.requests_per_minute,
        row.characters_per_day,
        row.concurrent,
    )


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
