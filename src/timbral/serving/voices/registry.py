"""The voices of a server: registered with consent, visible to their owner or to all, and found by name or id."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import bindparam, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from timbral.errors import VoiceError
from timbral.serving.access.keys import Principal
from timbral.serving.config import ServeConfig
from timbral.serving.engine.interface import Pool
from timbral.serving.errors import ApiError
from timbral.serving.storage.database import Database
from timbral.serving.storage.objects import Objects
from timbral.serving.storage.tables import ConsentRow, JobRow, VoiceRow, now
from timbral.serving.voices import files
from timbral.serving.voices.cache import VoiceCache
from timbral.serving.voices.consents import Agreement, Consents, sha256_of
from timbral.serving.voices.search import embedding_of
from timbral.voices import DEFAULT, Consent, Voice, VoiceInfo, store

PREFIX = "voice_"


@dataclass(frozen=True)
class Recordings:
    """What a voice is cloned from. contents: of the files; text: what is said in the first one, if that is known."""

    contents: Sequence[bytes]
    text: str | None = None
    language: str = "auto"


@dataclass(frozen=True, eq=False)
class Resolved:
    """A voice to speak with. id: what records call it. consent: its id, or the statement; empty where there is none."""

    id: str
    voice: Voice
    consent: str = ""


class Voices:
    """Voices by owner and name. May be shared by threads."""

    def __init__(
        self,
        config: ServeConfig,
        database: Database,
        objects: Objects,
        pool: Pool,
        consents: Consents,
        cache: VoiceCache,
    ) -> None:
        self._config, self._database, self._objects = config, database, objects
        self._pool, self._consents, self._cache = pool, consents, cache

    def clone(
        self,
        principal: Principal,
        name: str,
        recordings: Recordings,
        consent: str | None,
        *,
        model: str,
        public: bool = False,
    ) -> VoiceRow:
        """Registers a voice of recordings.

        consent: id of a consent, or the statement itself. Raises ApiError: no consent (403), the name is taken (409);
        AudioError, TextError, VoiceError.
        """
        self.check_name(principal, name)
        digests = [sha256_of(content) for content in recordings.contents]
        agreement = self._consents.agreement(principal, consent, name, digests)
        voice = self._cloned(recordings, model, agreement.consent if agreement else None)
        row = _row(principal, name, voice, recordings.text or "", public=public)
        return self._register(principal, row, voice, agreement, digests)

    def take_in(
        self, principal: Principal, name: str, content: bytes, consent: str | None, *, public: bool = False
    ) -> VoiceRow:
        """Registers a .voice file, which brings its consent or is given one. Raises as `clone` does."""
        self.check_name(principal, name)
        voice, digests = files.from_bytes(content), [sha256_of(content)]
        speaker = name
        if not consent and voice.consent is not None:
            consent, speaker = voice.consent.statement, voice.consent.who
        agreement = self._consents.agreement(principal, consent, speaker, digests)
        if agreement is not None:
            voice = replace(voice, consent=agreement.consent)
        row = _row(principal, name, voice, voice.prompt_text, public=public)
        return self._register(principal, row, voice, agreement, digests)

    def keep(
        self,
        principal: Principal,
        name: str,
        voice: Voice,
        agreement: Agreement | None,
        digests: Sequence[str],
        *,
        voice_id: str,
        file: str,
        public: bool,
        also: Callable[[Session, VoiceRow], None],
    ) -> VoiceRow:
        """Registers a voice that is made already, under an id that was set aside for it.

        file: object for its file. also: what the same transaction writes. Raises ApiError: the name is taken (409), the
        consent was withdrawn (404); and what `also` raises.
        """
        row = _row(principal, name, voice, voice.prompt_text, public=public)
        row.id, row.object = voice_id, file
        return self._register(principal, row, voice, agreement, digests, also)

    def check_name(self, principal: Principal, name: str) -> None:
        """Raises ApiError where a new voice cannot be called so: unfit (400), or taken by a voice or a job (409)."""
        if not name.strip() or name.startswith(PREFIX) or len(name) > 100 or not name.isprintable():
            raise ApiError(400, f"{name[:100]!a} cannot name a voice", code="invalid_name", param="name")
        with self._database.reading() as session:
            for table in (VoiceRow, JobRow):
                query = select(table.id).where(table.owner == principal.owner, table.name == name)
                if table is JobRow:
                    query = query.where(JobRow.finished.is_(None))
                if session.scalars(query).first() is not None:
                    raise _taken(name)

    def visible(self, principal: Principal) -> list[VoiceRow]:
        """Voices that the principal may speak with, by name."""
        query = select(VoiceRow).order_by(VoiceRow.name, VoiceRow.created)
        if not principal.is_admin:
            query = query.where(or_(VoiceRow.owner == principal.owner, VoiceRow.public.is_(True)))
        with self._database.reading() as session:
            return list(session.scalars(query))

    def built_in(self) -> list[str]:
        """Names of the voices that no client has registered: the default one, and those of the operator with consent."""
        if not self._config.privacy.local_voices:
            return [DEFAULT]
        known = store.infos().items()
        agreed = [name for name, one in known if isinstance(one, VoiceInfo) and one.consent]
        return sorted({DEFAULT, *agreed})

    def get(self, principal: Principal, reference: str) -> VoiceRow:
        """A registered voice by id or name. Raises ApiError (404)."""
        with self._database.reading() as session:
            row = _find(session, principal, reference)
        if row is None:
            raise _unknown(reference)
        return row

    def export(self, principal: Principal, reference: str) -> bytes:
        """Content of the .voice file of a voice; only for its owner. Raises ApiError (404)."""
        row = self._own(principal, reference)
        return self._objects.get(row.object)

    def delete(self, principal: Principal, reference: str) -> VoiceRow:
        """Removes a voice of the principal's own. Raises ApiError (404)."""
        row = self._own(principal, reference)
        with self._database.session() as session:
            session.delete(session.merge(row, load=True))
        self._cache.drop(row.sha256)
        self._objects.delete(row.object)
        return row

    def resolve(self, principal: Principal, reference: str | None) -> Resolved:
        """The voice that a request names, by id, name or alias; None is the default one.

        Raises ApiError: unknown (404), or its consent was withdrawn (403).
        """
        name = DEFAULT if reference is None else reference
        with self._database.reading() as session:
            row = _find(session, principal, name)
            consent = session.get(ConsentRow, row.consent_id) if row is not None and row.consent_id else None
        if row is not None:
            if consent is not None and consent.revoked:
                raise ApiError(
                    403, "the consent for this voice was withdrawn", code="consent_revoked", param="voice"
                )
            found = row
            voice = self._cache.get(row.sha256, lambda: files.from_bytes(self._objects.get(found.object)))
            return Resolved(row.id, voice, row.consent_id or "")
        return self._built_in(self._config.voice_aliases.get(name, name))

    def passing(
        self, principal: Principal, recordings: Recordings, consent: str | None, *, model: str
    ) -> Resolved:
        """A voice for one request, of a recording that came with it; it is not registered. Raises as `clone` does."""
        digests = [sha256_of(content) for content in recordings.contents]
        agreement = self._consents.agreement(principal, consent, "the speaker", digests)
        if agreement is not None and not agreement.is_new:
            with self._database.session() as session:
                self._consents.settle(session, principal, agreement, digests)
        agreed = agreement.consent if agreement else None
        key = sha256_of(repr((digests, recordings.text, recordings.language, model)).encode())
        voice = self._cache.get(key, lambda: self._cloned(recordings, model, agreed))
        return Resolved(f"sha256:{digests[0]}", voice, consent or "")

    def passing_file(self, principal: Principal, content: bytes, consent: str | None) -> Resolved:
        """A voice for one request, of a .voice file that is not registered. Raises as `clone` does.

        consent: where the file brings none.
        """
        digest = sha256_of(content)
        voice = self._cache.get(digest, lambda: files.from_bytes(content))
        statement = voice.consent.statement if voice.consent is not None else consent
        self._consents.agreement(principal, statement, "the speaker", [digest])
        return Resolved(f"sha256:{digest}", voice, statement or "")

    def _cloned(self, recordings: Recordings, model: str, consent: Consent | None) -> Voice:
        with self._pool.lease(model) as synthesizer:
            return synthesizer.clone(
                *recordings.contents, text=recordings.text, language=recordings.language, consent=consent
            )

    def _register(
        self,
        principal: Principal,
        row: VoiceRow,
        voice: Voice,
        agreement: Agreement | None,
        digests: Sequence[str],
        also: Callable[[Session, VoiceRow], None] = lambda session, row: None,
    ) -> VoiceRow:
        content = files.to_bytes(voice)
        row.sha256, row.size = sha256_of(content), len(content)
        # First the file, then the row that names it: a crash in between leaves a file that nobody sees.
        self._objects.put(row.object, content)
        try:
            with self._database.session() as session:
                if agreement is not None:
                    self._consents.settle(session, principal, agreement, digests)
                    row.consent_id = agreement.row.id
                session.add(row)
                session.flush()
                also(session, row)
        except IntegrityError:
            self._objects.delete(row.object)
            raise _taken(row.name) from None
        return row

    def _own(self, principal: Principal, reference: str) -> VoiceRow:
        row = self.get(principal, reference)
        if row.owner != principal.owner and not principal.is_admin:
            raise ApiError(403, "this voice belongs to somebody else", code="not_owner", param="voice")
        return row

    def _built_in(self, name: str) -> Resolved:
        if name != DEFAULT and name not in self.built_in():
            raise _unknown(name)
        try:
            path = store.find(name)
            key = f"{path}:{path.stat().st_mtime_ns}"
            return Resolved(name, self._cache.get(key, lambda: Voice.load(path)))
        except (VoiceError, OSError):
            raise _unknown(name) from None


def _row(principal: Principal, name: str, voice: Voice, ref_text: str, *, public: bool) -> VoiceRow:
    """What is known of a new voice before its file is written."""
    identity = PREFIX + secrets.token_hex(12)
    return VoiceRow(
        id=identity,
        owner=principal.owner,
        name=name,
        public=public,
        model=voice.model,
        family=voice.family,
        version=voice.version,
        ref_text=ref_text[:2000],
        object=f"voices/{identity}.voice",
        embedding=embedding_of(voice).tobytes(),
        created=now(),
    )


_NAMED = (
    select(VoiceRow)
    .where(or_(VoiceRow.id == bindparam("reference"), VoiceRow.name == bindparam("reference")))
    .order_by(VoiceRow.created)
)
_VISIBLE = _NAMED.where(or_(VoiceRow.owner == bindparam("owner"), VoiceRow.public.is_(True)))
"""Voices by id or name: all of them, and those that an owner sees. Made once, since every speech asks."""


def _find(session: Session, principal: Principal, reference: str) -> VoiceRow | None:
    """A visible voice by id or name: of two with one name, the principal's own, else the older one."""
    values = {"reference": reference, "owner": principal.owner}
    found = session.scalars(_NAMED if principal.is_admin else _VISIBLE, values).all()
    own = [row for row in found if row.owner == principal.owner]
    return next(iter([*own, *found]), None)


def _unknown(reference: str) -> ApiError:
    return ApiError(404, f"there is no voice {reference[:80]!r}", code="voice_not_found", param="voice")


def _taken(name: str) -> ApiError:
    return ApiError(409, f"there is a voice named {name[:80]!r} already", code="name_taken", param="name")
