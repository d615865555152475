"""Tables of the server: keys, voices, consents, usage, jobs, and the audit log."""

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, Index, LargeBinary, MetaData, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class Moment(TypeDecorator[datetime]):
    """A time in UTC, with its zone also where the database keeps none (SQLite)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """To UTC."""
        return None if value is None else value.astimezone(timezone.utc)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """In UTC."""
        return value if value is None or value.tzinfo else value.replace(tzinfo=timezone.utc)


def now() -> datetime:
    """This moment in UTC."""
    return datetime.now(timezone.utc)


class Base(DeclarativeBase):
    """All tables. Constraints have names, so that migrations can change them on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Moment}  # noqa: RUF012 - SQLAlchemy reads it as a plain dict


class KeyRow(Base):
    """An API key; the key itself is not stored. digest: its SHA-256. scopes: names, joined by spaces.

    requests_per_minute, characters_per_day, concurrent: its own limits; None for those of the server.
    """

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    owner: Mapped[str] = mapped_column(String(100))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[str] = mapped_column(String(200))
    created: Mapped[datetime] = mapped_column(default=now)
    revoked: Mapped[datetime | None] = mapped_column(default=None)
    requests_per_minute: Mapped[int | None] = mapped_column(default=None)
    characters_per_day: Mapped[int | None] = mapped_column(default=None)
    concurrent: Mapped[int | None] = mapped_column(default=None)


class UsageRow(Base):
    """Characters that a key has had spoken on a day (ISO date, UTC)."""

    __tablename__ = "usage"

    key_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    characters: Mapped[int] = mapped_column(default=0)


class ConsentRow(Base):
    """A speaker's consent. allows: SHA-256 of the recordings that may be cloned; bound by the first voice where empty.

    recording: object of the spoken statement, recording_sha256: of its content.
    """

    __tablename__ = "consents"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str] = mapped_column(String(100), index=True)
    name: Mapped[str] = mapped_column(String(200))
    language: Mapped[str] = mapped_column(String(16), default="")
    statement: Mapped[str] = mapped_column(String(2000), default="")
    recording: Mapped[str | None] = mapped_column(String(200), default=None)
    recording_sha256: Mapped[str | None] = mapped_column(String(64), default=None)
    allows: Mapped[list[str]] = mapped_column(JSON, default=list)
    created: Mapped[datetime] = mapped_column(default=now)
    revoked: Mapped[datetime | None] = mapped_column(default=None)


class VoiceRow(Base):
    """A registered voice. object: its .voice file; sha256, size: of the file, in bytes. embedding: float32 of length 1, for
    search.

    public: whether every key may speak with it, and not its owner's alone.
    """

    __tablename__ = "voices"
    __table_args__ = (UniqueConstraint("owner", "name"), Index("ix_voices_space", "family", "version"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(100))
    public: Mapped[bool] = mapped_column(default=False)
    consent_id: Mapped[str | None] = mapped_column(ForeignKey("consents.id"), default=None)
    model: Mapped[str] = mapped_column(String(100))
    family: Mapped[str] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(64))
    ref_text: Mapped[str] = mapped_column(String(2000), default="")
    object: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int]
    embedding: Mapped[bytes] = mapped_column(LargeBinary)
    created: Mapped[datetime] = mapped_column(default=now)


class JobRow(Base):
    """A job that makes a fine-tuned voice, and its place in the queue.

    voice_id: of the voice that it will make. recordings: a dict each of object, sha256 and name. options: those
    of `JobOptions`. stage, step, progress: what is done now, in one word and in more, and the share that is done,
    0 to 1. version: counts the changes. worker: who holds the job, until `due`; a job that waits is taken up
    after `due`. attempts: how often work on it has begun. cancelling: whether it is to stop.
    """

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_due", "state", "due"), Index("ix_jobs_owner", "owner", "created"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str] = mapped_column(String(100))
    key_id: Mapped[str] = mapped_column(String(40))
    scopes: Mapped[str] = mapped_column(String(200))
    request_id: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(100))
    voice_id: Mapped[str] = mapped_column(String(40))
    consent_id: Mapped[str | None] = mapped_column(ForeignKey("consents.id"), default=None)
    recordings: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(20))
    stage: Mapped[str] = mapped_column(String(20), default="")
    step: Mapped[str] = mapped_column(String(200), default="")
    progress: Mapped[float] = mapped_column(default=0.0)
    notes: Mapped[list[str]] = mapped_column(JSON, default=list)
    error: Mapped[str] = mapped_column(String(2000), default="")
    error_code: Mapped[str] = mapped_column(String(40), default="")
    version: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str] = mapped_column(String(100), default="")
    due: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    cancelling: Mapped[bool] = mapped_column(default=False)
    created: Mapped[datetime] = mapped_column(default=now)
    started: Mapped[datetime | None] = mapped_column(default=None)
    finished: Mapped[datetime | None] = mapped_column(default=None)


class AuditRow(Base):
    """One entry of the audit log; hash: SHA-256 over the entry and the hash of the one before."""

    __tablename__ = "audit"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    time: Mapped[str] = mapped_column(String(40))
    action: Mapped[str] = mapped_column(String(40), index=True)
    owner: Mapped[str] = mapped_column(String(100))
    key_id: Mapped[str] = mapped_column(String(40))
    request_id: Mapped[str] = mapped_column(String(100))
    details: Mapped[str] = mapped_column(String)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
