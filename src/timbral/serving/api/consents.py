"""`/v1/audio/voice_consents`: whose agreement allows which recordings to be cloned."""

import re
from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, UploadFile
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from timbral.serving.api.dependencies import REFUSALS, CanKeepVoices, Parts, RequestId
from timbral.serving.api.uploads import content_of
from timbral.serving.errors import ApiError
from timbral.serving.storage.tables import ConsentRow

router = APIRouter(prefix="/v1/audio/voice_consents", tags=["consents"], responses=REFUSALS)

Name = Annotated[str, Field(min_length=1, max_length=200)]
_SHA256 = re.compile("[0-9a-f]{64}")


class VoiceConsent(BaseModel):
    """A speaker's consent. allows: SHA-256 of the recordings that may be cloned; empty until the first voice binds it."""

    object: Literal["audio.voice_consent"] = "audio.voice_consent"
    id: str
    name: str
    language: str
    statement: str
    recording_sha256: str | None
    allows: list[str]
    created_at: int

    @classmethod
    def of(cls, row: ConsentRow) -> "VoiceConsent":
        """As the API shows it."""
        return cls(
            id=row.id,
            name=row.name,
            language=row.language,
            statement=row.statement,
            recording_sha256=row.recording_sha256,
            allows=row.allows,
            created_at=int(row.created.timestamp()),
        )


class ConsentList(BaseModel):
    """Consents, the newest first."""

    object: Literal["list"] = "list"
    data: list[VoiceConsent]
    first_id: str | None
    last_id: str | None
    has_more: bool = False


class Renaming(BaseModel):
    """Another name for a consent."""

    name: Name


class Deleted(BaseModel):
    """What was removed."""

    object: str
    id: str
    deleted: bool = True


@router.post("", summary="Record a consent")
async def create_consent(
    parts: Parts,
    principal: CanKeepVoices,
    request_id: RequestId,
    name: Annotated[str, Form(min_length=1, max_length=200, description="Name of the speaker.")],
    language: Annotated[str, Form(max_length=16)] = "",
    statement: Annotated[str, Form(max_length=2000, description="The statement in words.")] = "",
    recording: Annotated[UploadFile | None, File(description="The statement, spoken.")] = None,
    allows: Annotated[
        str, Form(max_length=10_000, description="SHA-256 of the recordings that may be cloned, by spaces.")
    ] = "",
) -> VoiceConsent:
    """Records that a speaker agrees to be cloned: a statement in words, or a recording of it."""
    hashes = allows.lower().split()
    if wrong := [one for one in hashes if not _SHA256.fullmatch(one)]:
        raise ApiError(400, f"{wrong[0][:70]!a} is no SHA-256 in hexadecimal digits", param="allows")
    content = await content_of(recording, parts, "recording") if recording is not None else None

    def add() -> ConsentRow:
        row = parts.consents.add(
            principal, name, statement=statement, recording=content, language=language, allows=hashes
        )
        parts.audit.append(
            "consent", principal, request_id, consent=row.id, speaker=row.name, allows=row.allows
        )
        return row

    return VoiceConsent.of(await run_in_threadpool(add))


@router.get("", summary="List consents")
def list_consents(parts: Parts, principal: CanKeepVoices) -> ConsentList:
    """The consents of the key's owner."""
    data = [VoiceConsent.of(row) for row in parts.consents.visible(principal)]
    return ConsentList(
        data=data, first_id=data[0].id if data else None, last_id=data[-1].id if data else None
    )


@router.get("/{consent_id}", summary="Show a consent")
def show_consent(consent_id: str, parts: Parts, principal: CanKeepVoices) -> VoiceConsent:
    """One consent."""
    return VoiceConsent.of(parts.consents.get(principal, consent_id))


@router.post("/{consent_id}", summary="Rename a consent")
def rename_consent(
    consent_id: str, renaming: Renaming, parts: Parts, principal: CanKeepVoices
) -> VoiceConsent:
    """Gives a consent another name."""
    return VoiceConsent.of(parts.consents.rename(principal, consent_id, renaming.name))


@router.delete("/{consent_id}", summary="Withdraw a consent")
def revoke_consent(consent_id: str, parts: Parts, principal: CanKeepVoices, request_id: RequestId) -> Deleted:
    """Withdraws a consent. The voices that it allowed speak no more."""
    voices = parts.consents.revoke(principal, consent_id)
    ids = [row.id for row in voices]
    parts.audit.append("consent.withdrawn", principal, request_id, consent=consent_id, voices=ids)
    return Deleted(object="audio.voice_consent.deleted", id=consent_id)
