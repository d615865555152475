"""Consents: who agreed, to what, and which recordings that allows, by their SHA-256."""

import hashlib
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from timbral.audio.reading import read
from timbral.serving.access.keys import Principal
from timbral.serving.errors import ApiError
from timbral.serving.storage.database import Database
from timbral.serving.storage.objects import Objects
from timbral.serving.storage.tables import ConsentRow, VoiceRow, now
from timbral.voices import Consent

PREFIX = "cons_"

_LONGEST_STATEMENT_S = 120.0
_NO_CONSENT = "a voice needs the consent of its speaker: give the id of a consent, or the statement itself"


def sha256_of(content: bytes) -> str:
    """SHA-256 of a recording, as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, eq=False)
class Agreement:
    """What allows a voice: a consent that is on record, or a new one."""

    row: ConsentRow
    is_new: bool

    @property
    def consent(self) -> Consent:
        """As the voice file holds it."""
        row = self.row
        spoken = f"A recorded statement, SHA-256 {row.recording_sha256}."
        return Consent(who=row.name or "the speaker", when=row.created, statement=row.statement or spoken)


class Consents:
    """The consents of all owners. May be shared by threads."""

    def __init__(self, database: Database, objects: Objects, *, required: bool = True) -> None:
        """required: whether a voice needs one."""
        self._database, self._objects, self._required = database, objects, required

    def add(
        self,
        principal: Principal,
        name: str,
        *,
        statement: str = "",
        recording: bytes | None = None,
        language: str = "",
        allows: Collection[str] = (),
    ) -> ConsentRow:
        """Records a consent: a statement in words, or a recording of it.

        name: of the speaker. allows: SHA-256 of the recordings that may be cloned; where there is none, the first voice
        that names the consent binds it to its recordings. Raises ApiError; AudioError: the recording is none.
        """
        if not statement.strip() and recording is None:
            raise ApiError(400, "a consent is a statement, or a recording of it", param="statement")
        digest = key = None
        if recording is not None:
            read(recording, longest=_LONGEST_STATEMENT_S, advice="record the statement alone")
            digest = sha256_of(recording)
            key = f"consents/{digest}"
            self._objects.put(key, recording)
        row = _row(principal, name, statement, language, allows)
        row.recording, row.recording_sha256 = key, digest
        with self._database.session() as session:
            session.add(row)
        return row

    def visible(self, principal: Principal) -> list[ConsentRow]:
        """Consents of an owner, the newest first; an admin sees all."""
        query = select(ConsentRow).where(ConsentRow.revoked.is_(None)).order_by(ConsentRow.created.desc())
        if not principal.is_admin:
            query = query.where(ConsentRow.owner == principal.owner)
        with self._database.reading() as session:
            return list(session.scalars(query))

    def get(self, principal: Principal, consent_id: str) -> ConsentRow:
        """A consent by id. Raises ApiError (404)."""
        with self._database.reading() as session:
            return _own(session, principal, consent_id)

    def rename(self, principal: Principal, consent_id: str, name: str) -> ConsentRow:
        """Gives a consent another name. Raises ApiError (404)."""
        with self._database.session() as session:
            row = _own(session, principal, consent_id)
            row.name = name.strip()
        return row

    def revoke(self, principal: Principal, consent_id: str) -> Sequence[VoiceRow]:
        """Withdraws a consent; returns the voices that it allowed, which may speak no more. Raises ApiError (404)."""
        with self._database.session() as session:
            row = _own(session, principal, consent_id)
            row.revoked = now()
            return list(session.scalars(select(VoiceRow).where(VoiceRow.consent_id == consent_id)))

    def agreement(
        self, principal: Principal, given: str | None, name: str, recordings: Collection[str]
    ) -> Agreement | None:
        """What allows a voice of these recordings (SHA-256); None where nothing is given and nothing is required.

        given: the id of a consent, or the statement itself, by the speaker called `name`. Raises ApiError: none (403), no
        such consent (404), or it does not allow these recordings (403).
        """
        if not given:
            if self._required:
                raise ApiError(403, _NO_CONSENT, code="consent_required", param="consent")
            return None
        if not given.startswith(PREFIX):
            return Agreement(_row(principal, name, given, allows=recordings), is_new=True)
        with self._database.reading() as session:
            row = _own(session, principal, given)
        _check_allowed(row, recordings)
        return Agreement(row, is_new=False)

    def settle(
        self, session: Session, principal: Principal, agreement: Agreement, recordings: Collection[str]
    ) -> None:
        """Writes an agreement down in the transaction that registers the voice: adds a new consent, or binds the known one
        to the recordings. Raises ApiError where it was withdrawn or bound to others in between.
        """
        if agreement.is_new:
            session.add(agreement.row)
            session.flush()
            return
        row = _own(session, principal, agreement.row.id, changing=True)
        _check_allowed(row, recordings)
        row.allows = row.allows or sorted(set(recordings))


def _row(
    principal: Principal, name: str, statement: str, language: str = "", allows: Collection[str] = ()
) -> ConsentRow:
    return ConsentRow(
        id=PREFIX + secrets.token_hex(12),
        owner=principal.owner,
        name=name.strip()[:200],
        language=language,
        statement=statement.strip()[:2000],
        allows=sorted(set(allows)),
        created=now(),
    )


def _check_allowed(row: ConsentRow, recordings: Collection[str]) -> None:
    if row.allows and (foreign := sorted(set(recordings) - set(row.allows))):
        raise ApiError(
            403,
            f"the consent {row.id} does not allow the recording with SHA-256 {foreign[0]}",
            code="consent_mismatch",
            param="consent",
        )


def _own(session: Session, principal: Principal, consent_id: str, *, changing: bool = False) -> ConsentRow:
    row = session.get(ConsentRow, consent_id, with_for_update=changing)
    if row is None or row.revoked or (row.owner != principal.owner and not principal.is_admin):
        raise ApiError(
            404, f"there is no consent {consent_id[:60]!r}", code="consent_not_found", param="consent"
        )
    return row
