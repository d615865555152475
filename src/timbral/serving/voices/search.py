"""Voices that sound like a recording: cosine similarity of speaker embeddings, exact, by numpy.

100,000 voices of 256 floats are 100 MB and one matrix product. A database with an index of vectors takes its place by another
`VoiceSearch`.
"""

import threading
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select

from timbral.serving.access.keys import Principal
from timbral.serving.storage.database import Database
from timbral.serving.storage.tables import VoiceRow
from timbral.voices import Voice

Embedding = NDArray[np.float32]

_GE2E = 256
"""Values at the beginning of the timbre of `sovits-tiny` that are a speaker embedding; the others describe the spectrum."""


@dataclass(frozen=True)
class Match:
    """A voice that is found. similarity: cosine, -1 to 1."""

    voice_id: str
    similarity: float


class VoiceSearch(Protocol):
    """Finds voices by their embedding."""

    def nearest(
        self, principal: Principal, space: tuple[str, str], embedding: Embedding, limit: int
    ) -> list[Match]:
        """The most similar voices of a family and version that the principal may see, the most similar first."""


def embedding_of(voice: Voice) -> Embedding:
    """The speaker embedding of a voice, float32 [D], of length 1."""
    values = voice.timbre[:_GE2E] if voice.family == "sovits-tiny" else voice.timbre
    norm = float(np.linalg.norm(values))
    scaled: Embedding = (values / norm if norm else values).astype(np.float32)
    return scaled


@dataclass(frozen=True, eq=False)
class _Index:
    state: tuple[int, object]
    ids: list[str]
    owners: NDArray[np.str_]
    public: NDArray[np.bool_]
    embeddings: Embedding


class ExactSearch:
    """All embeddings of a space in one matrix, read again when the table has changed. May be shared by threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._indexes: dict[tuple[str, str], _Index] = {}

    def nearest(
        self, principal: Principal, space: tuple[str, str], embedding: Embedding, limit: int
    ) -> list[Match]:
        """See VoiceSearch."""
        with self._lock:
            index = self._index(space)
        if not index.ids:
            return []
        similarities = index.embeddings @ embedding
        if not principal.is_admin:
            visible = index.public | (index.owners == principal.owner)
            similarities = np.where(visible, similarities, -np.inf)
        count = min(limit, len(index.ids))
        best = np.argpartition(-similarities, count - 1)[:count]
        order = best[np.argsort(-similarities[best], kind="stable")]
        return [Match(index.ids[i], float(similarities[i])) for i in order if np.isfinite(similarities[i])]

    def _index(self, space: tuple[str, str]) -> _Index:
        inside = (VoiceRow.family == space[0], VoiceRow.version == space[1])
        with self._database.reading() as session:
            counted = session.execute(select(func.count(), func.max(VoiceRow.created)).where(*inside)).one()
            state = (counted[0], counted[1])
            known = self._indexes.get(space)
            if known is not None and known.state == state:
                return known
            columns = (VoiceRow.id, VoiceRow.owner, VoiceRow.public, VoiceRow.embedding)
            rows = session.execute(select(*columns).where(*inside).order_by(VoiceRow.id)).all()
        vectors = [np.frombuffer(row.embedding, np.float32) for row in rows]
        index = _Index(
            state,
            [row.id for row in rows],
            np.array([row.owner for row in rows], dtype=str),
            np.array([row.public for row in rows], dtype=bool),
            np.stack(vectors) if vectors else np.zeros((0, 0), np.float32),
        )
        self._indexes[space] = index
        return index
