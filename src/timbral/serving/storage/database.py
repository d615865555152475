"""The database: one engine, sessions, and the migrations that bring its tables up to date.

SQLite runs in WAL mode: readers do not wait for a writer, and a process that is killed loses nothing that was committed.
PostgreSQL needs its driver (`timbral[postgres]`) and its URL.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from timbral.errors import SettingError
from timbral.paths import describe_error
from timbral.serving.config import StorageConfig
from timbral.serving.storage.tables import now

_BUSY_MS = 10_000
_CONNECTIONS = 8
"""Connections to a database server that are kept open, and how many more there may be for a moment."""


class Database:
    """Sessions on one database. May be shared by threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._sessions = sessionmaker(engine, expire_on_commit=False)
        self._readers = sessionmaker(engine.execution_options(reading=True), expire_on_commit=False)

    @classmethod
    def open(cls, config: StorageConfig) -> "Database":
        """Opens the database and brings its tables up to date. Raises SettingError: it cannot be reached."""
        url = config.database or f"sqlite:///{config.root / 'timbral.db'}"
        try:
            engine = _engine(url)
            database = cls(engine)
            migrate(engine)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise SettingError(f"storage.database: {str(error).splitlines()[0]}") from None
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise SettingError(f"the database cannot be used: {reason}; check storage.database") from None
        except OSError as error:
            raise SettingError(describe_error(error, config.root)) from None
        return database

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction that may write: committed at the end of the block, rolled back on an error."""
        with self._sessions.begin() as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that only reads, and waits for nobody."""
        with self._readers.begin() as session:
            yield session

    @property
    def is_postgres(self) -> bool:
        """Whether it is PostgreSQL."""
        return self.engine.dialect.name == "postgresql"

    def alone(self, session: Session, purpose: str) -> None:
        """Lets no other transaction for the same purpose run until this one ends.

        SQLite has one writing transaction at a time anyway.
        """
        if self.is_postgres:
            number = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "big", signed=True)
            session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})

    def moment(self, session: Session) -> datetime:
        """This moment by the clock that all processes of the database share, in UTC."""
        if self.is_postgres:
            moment: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
            return moment
        return now()

    def ping(self) -> None:
        """Raises SQLAlchemyError where the database does not answer."""
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()


def migrate(engine: Engine) -> None:
    """Applies the migrations that the database does not have yet, one process at a time."""
    config = Config()
    config.set_main_option("script_location", str(files(__package__).joinpath("migrations")))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(7461696)"))
        elif engine.dialect.name == "sqlite":
            connection.exec_driver_sql("SELECT 1")  # begins the transaction, which locks the file at once
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True, pool_size=_CONNECTIONS, max_overflow=_CONNECTIONS)
    if parsed.database:
        Path(parsed.database).absolute().parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": _BUSY_MS / 1000})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's own BEGIN below decides, not the driver
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            f"busy_timeout={_BUSY_MS}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        # A transaction that reads and then writes would fail where another one has written in between.
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine
