"""`/v1/audio/voices`: voices are registered, listed, shown, searched, exported and removed."""

from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, Response, UploadFile
from pydantic import BaseModel

from timbral.serving.access.keys import Principal
from timbral.serving.api.consents import Deleted
from timbral.serving.api.dependencies import REFUSALS, CanKeepVoices, CanSpeak, Parts, RequestId
from timbral.serving.api.uploads import content_of
from timbral.serving.errors import ApiError
from timbral.serving.services import Services
from timbral.serving.storage.tables import VoiceRow
from timbral.serving.voices.registry import Recordings
from timbral.serving.voices.search import embedding_of

router = APIRouter(prefix="/v1/audio/voices", tags=["voices"], responses=REFUSALS)

_VOICE_FILE = "application/vnd.timbral.voice"
_MOST_RECORDINGS = 20


class VoiceObject(BaseModel):
    """A voice. owned: whether the key's owner may change it. similarity: in answers to a search."""

    object: Literal["audio.voice"] = "audio.voice"
    id: str
    name: str
    model: str = ""
    visibility: Literal["private", "public"] = "public"
    owned: bool = False
    consent: str | None = None
    ref_text: str = ""
    sha256: str | None = None
    created_at: int = 0
    similarity: float | None = None

    @classmethod
    def of(cls, row: VoiceRow, principal: Principal) -> "VoiceObject":
        """As the API shows it to a principal."""
        owned = row.owner == principal.owner
        return cls(
            id=row.id,
            name=row.name,
            model=row.model,
            visibility="public" if row.public else "private",
            owned=owned,
            consent=row.consent_id if owned or principal.is_admin else None,
            ref_text=row.ref_text if owned or principal.is_admin else "",
            sha256=row.sha256,
            created_at=int(row.created.timestamp()),
        )


class VoiceList(BaseModel):
    """Voices that the key may speak with. voices: their names, for clients that expect a list of strings."""

    object: Literal["list"] = "list"
    data: list[VoiceObject]
    voices: list[str]


@router.get("", summary="List voices")
def list_voices(parts: Parts, principal: CanSpeak) -> VoiceList:
    """The voices of the key's owner, public ones, and those that come with the server."""
    rows = parts.voices.visible(principal)
    data = [VoiceObject.of(row, principal) for row in rows]
    taken = {one.name for one in data}
    data += [VoiceObject(id=name, name=name) for name in parts.voices.built_in() if name not in taken]
    return VoiceList(data=data, voices=[one.name for one in data])


@router.post("", summary="Register a voice")
async def create_voice(
    parts: Parts,
    principal: CanKeepVoices,
    request_id: RequestId,
    name: Annotated[str, Form(min_length=1, max_length=100)],
    audio_sample: Annotated[
        list[UploadFile] | None, File(description="Recordings of 3 to 10 s each, of one speaker.")
    ] = None,
    voice_file: Annotated[UploadFile | None, File(description="A .voice file instead of recordings.")] = None,
    consent: Annotated[
        str, Form(max_length=2000, description="Id of the speaker's consent, or the statement itself.")
    ] = "",
    ref_text: Annotated[str, Form(max_length=2000, description="What is said in the first recording.")] = "",
    language: Annotated[str, Form(max_length=16)] = "auto",
    model: Annotated[str, Form(max_length=200)] = "",
    visibility: Annotated[Literal["private", "public"], Form()] = "private",
) -> VoiceObject:
    """Clones a voice from recordings, or takes in a .voice file. No voice without the consent of its speaker."""
    if bool(audio_sample) == (voice_file is not None):
        raise ApiError(400, "give recordings (audio_sample), or one voice_file", param="audio_sample")
    if len(audio_sample or ()) > _MOST_RECORDINGS:
        raise ApiError(400, f"a voice has at most {_MOST_RECORDINGS} recordings", param="audio_sample")
    contents = [await content_of(one, parts, "audio_sample") for one in audio_sample or ()]
    file = await content_of(voice_file, parts, "voice_file") if voice_file is not None else None
    public = visibility == "public"

    def create() -> VoiceRow:
        if file is not None:
            row = parts.voices.take_in(principal, name, file, consent or None, public=public)
        else:
            recordings = Recordings(contents, ref_text or None, language or "auto")
            row = parts.voices.clone(
                principal, name, recordings, consent or None, model=_model(parts, model), public=public
            )
        parts.audit.append(
            "voice.created", principal, request_id, voice=row.id, name=row.name, consent=row.consent_id, sha256=row.sha256
        )  # fmt: skip
        return row

    return VoiceObject.of(await parts.cloning.run(create), principal)


@router.post("/search", summary="Find voices that sound like a recording")
async def search_voices(
    parts: Parts,
    principal: CanKeepVoices,
    audio_sample: Annotated[UploadFile, File(description="A recording of 3 to 10 s.")],
    limit: Annotated[int, Form(ge=1, le=100)] = 10,
    model: Annotated[str, Form(max_length=200)] = "",
) -> VoiceList:
    """The voices whose speaker embeddings are nearest to that of a recording, which is not kept."""
    content = await content_of(audio_sample, parts, "audio_sample")

    def search() -> list[VoiceObject]:
        name = _model(parts, model)
        with parts.pool.lease(name) as synthesizer:
            voice = synthesizer.clone(content)
        space = voice.family, voice.version
        found = parts.search.nearest(principal, space, embedding_of(voice), limit)
        rows = [(parts.voices.get(principal, match.voice_id), match.similarity) for match in found]
        return [
            VoiceObject.of(row, principal).model_copy(update={"similarity": round(similarity, 4)})
            for row, similarity in rows
        ]

    data = await parts.cloning.run(search)
    return VoiceList(data=data, voices=[one.name for one in data])


@router.get("/{voice}", summary="Show a voice")
def show_voice(voice: str, parts: Parts, principal: CanSpeak) -> VoiceObject:
    """A registered voice by id or name."""
    return VoiceObject.of(parts.voices.get(principal, voice), principal)


@router.get(
    "/{voice}/file",
    summary="Get the .voice file of a voice",
    response_class=Response,
    responses={200: {"content": {_VOICE_FILE: {"schema": {"type": "string", "format": "binary"}}}}},
)
def export_voice(voice: str, parts: Parts, principal: CanKeepVoices, request_id: RequestId) -> Response:
    """The file of a voice of one's own; `timbral voices import` reads it, and so does another server."""
    content = parts.voices.export(principal, voice)
    parts.audit.append("voice.exported", principal, request_id, voice=voice)
    return Response(content, media_type=_VOICE_FILE, headers={"Content-Disposition": "attachment"})


@router.delete("/{voice}", summary="Remove a voice")
def delete_voice(
    voice: str,
    parts: Parts,
    principal: CanKeepVoices,
    request_id: RequestId,
) -> Deleted:
    """Removes a voice of one's own, for good."""
    row = parts.voices.delete(principal, voice)
    parts.audit.append("voice.deleted", principal, request_id, voice=row.id, name=row.name)
    return Deleted(object="audio.voice.deleted", id=row.id)


def _model(parts: Services, name: str) -> str:
    return parts.config.model_aliases.get(name, name) or parts.config.default_model
