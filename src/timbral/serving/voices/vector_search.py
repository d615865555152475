"""Search by pgvector, PostgreSQL's extension for vectors: an HNSW index finds the nearest of millions.

Embeddings are copied from the table of voices to one of their own, by whoever searches next; a removed voice takes its copy
along. So nothing else has to know of the extension, and it can be installed at any time.
"""

import logging
import threading

import numpy as np
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from timbral.serving.access.keys import Principal
from timbral.serving.storage.database import Database
from timbral.serving.voices.search import Embedding, ExactSearch, Match, VoiceSearch

_log = logging.getLogger("timbral.serving")

_LONGEST = 2000
"""Values of a vector that an HNSW index can hold; longer ones are compared one by one."""
_BATCH = 1000
_CANDIDATES = 200
"""Vectors that the index looks at before those of other owners are left out; it goes on where too few are left."""

_TABLE = """
CREATE TABLE IF NOT EXISTS voice_vectors (
    voice_id varchar(40) PRIMARY KEY REFERENCES voices (id) ON DELETE CASCADE,
    size integer NOT NULL,
    embedding vector NOT NULL
)
"""
_MISSING = """
SELECT v.id, v.embedding FROM voices v LEFT JOIN voice_vectors e ON e.voice_id = v.id
WHERE e.voice_id IS NULL ORDER BY v.id LIMIT :count
"""
_ADD = """
INSERT INTO voice_vectors (voice_id, size, embedding)
SELECT v.id, :size, CAST(:embedding AS vector) FROM voices v WHERE v.id = :id
ON CONFLICT (voice_id) DO NOTHING
"""
_NEAREST = """
SELECT e.voice_id, 1 - (e.embedding::vector({size}) <=> CAST(:asked AS vector)) AS similarity
FROM voice_vectors e JOIN voices v ON v.id = e.voice_id
WHERE e.size = {size} AND v.family = :family AND v.version = :version AND (:all OR v.public OR v.owner = :owner)
ORDER BY e.embedding::vector({size}) <=> CAST(:asked AS vector)
LIMIT :count
"""


def search_in(database: Database) -> VoiceSearch:
    """The search that suits a database: pgvector where PostgreSQL has it, else an exact one."""
    if not database.is_postgres:
        return ExactSearch(database)
    try:
        with database.engine.begin() as connection:
            available = text("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")
            if connection.execute(available).first() is None:
                _log.warning("PostgreSQL has no pgvector: voices are searched one by one")
                return ExactSearch(database)
            # Two servers that start at once would both create them.
            connection.execute(text("SELECT pg_advisory_xact_lock(7461697)"))
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
            connection.execute(text(_TABLE))
    except SQLAlchemyError as error:
        _log.warning("pgvector cannot be used: %s", str(error).splitlines()[0])
        return ExactSearch(database)
    return VectorSearch(database)


class VectorSearch:
    """Nearest voices by an HNSW index on cosine distance. May be shared by threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._indexed: set[int] = set()

    def nearest(
        self, principal: Principal, space: tuple[str, str], embedding: Embedding, limit: int
    ) -> list[Match]:
        """See VoiceSearch."""
        with self._lock:
            self._catch_up()
        size = len(embedding)
        asked = {
            "asked": _literal(embedding),
            "family": space[0],
            "version": space[1],
            "owner": principal.owner,
            "all": principal.is_admin,
            "count": limit,
        }
        with self._database.engine.begin() as connection:
            connection.execute(text("SELECT CAST('[0]' AS vector)"))  # loads the extension with its settings
            connection.execute(text(f"SET LOCAL hnsw.ef_search = {_CANDIDATES}"))
            if self._iterates(connection):
                connection.execute(text("SET LOCAL hnsw.iterative_scan = strict_order"))
            found = connection.execute(text(_NEAREST.format(size=size)), asked).all()
        return [Match(row.voice_id, float(row.similarity)) for row in found]

    def _catch_up(self) -> None:
        """Copies the embeddings of new voices, and makes an index for vectors of a new size."""
        while True:
            with self._database.engine.begin() as connection:
                rows = connection.execute(text(_MISSING), {"count": _BATCH}).all()
                vectors = [(row.id, np.frombuffer(row.embedding, np.float32)) for row in rows]
                values = [
                    {"id": name, "size": len(vector), "embedding": _literal(vector)}
                    for name, vector in vectors
                ]
                if values:
                    connection.execute(text(_ADD), values)
                for size in {len(vector) for _, vector in vectors} - self._indexed:
                    self._index(connection, size)
            if len(rows) < _BATCH:
                return

    def _index(self, connection: Connection, size: int) -> None:
        if size <= _LONGEST:
            connection.execute(
                text(
                    f"CREATE INDEX IF NOT EXISTS ix_voice_vectors_{size} ON voice_vectors "
                    f"USING hnsw ((embedding::vector({size})) vector_cosine_ops) WHERE size = {size}"
                )
            )
        self._indexed.add(size)

    def _iterates(self, connection: Connection) -> bool:
        """Whether the index goes on searching where a filter has left too few: pgvector 0.8 and later."""
        known = text("SELECT current_setting('hnsw.iterative_scan', true)")
        return connection.execute(known).scalar() is not None


def _literal(vector: Embedding) -> str:
    return "[" + ",".join(map(str, vector.tolist())) + "]"
