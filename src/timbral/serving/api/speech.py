"""`/v1/audio/speech`: OpenAI's address for speech, and its batch."""

import asyncio
import base64
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from timbral.errors import TimbralError
from timbral.serving.api.dependencies import REFUSALS, CanSpeak, Parts, RequestId
from timbral.serving.api.speech_request import BatchRequest, SpeechRequest, first_mistake
from timbral.serving.api.streaming import SpeechResponse, times, while_connected
from timbral.serving.encoding import FORMATS
from timbral.serving.engine.speaker import ActiveSpeech
from timbral.serving.errors import ApiError, as_api_error, error_body
from timbral.serving.http.crowd import ARRIVAL
from timbral.serving.preparation import Preparation
from timbral.serving.services import Services

router = APIRouter(tags=["speech"], responses=REFUSALS)

_BATCH_AT_ONCE = 4
_AUDIO = {"schema": {"type": "string", "format": "binary"}}
_BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/SpeechRequest"}},
        "multipart/form-data": {"schema": {"$ref": "#/components/schemas/SpeechRequest"}},
    },
}


@router.post(
    "/v1/audio/speech",
    summary="Speak a text",
    status_code=200,
    response_class=SpeechResponse,
    openapi_extra={"requestBody": _BODY},
    responses={
        200: {
            "description": "The sound, as it is made.",
            "content": {
                **{one.media_type: _AUDIO for one in FORMATS.values()},
                "text/event-stream": {"schema": {"type": "string"}},
            },
        }
    },
)
async def create_speech(
    request: Request, parts: Parts, principal: CanSpeak, name: RequestId
) -> SpeechResponse:
    """Speaks a text; the sound flows while it is made. JSON, or a form whose `ref_audio` is an uploaded recording."""
    preparation = Preparation(parts, principal, name)
    wanted, uploaded = await _read(request, parts)
    prepared = await preparation.prepare(wanted, uploaded)

    def speech() -> AbstractAsyncContextManager[ActiveSpeech]:
        return preparation.speak(prepared, request.scope.get(ARRIVAL))

    headers = {"X-Timbral-Seed": str(prepared.config.seed), "X-Timbral-Voice": _header(prepared.voice_id)}
    media_type = FORMATS[prepared.format].media_type
    return SpeechResponse(speech, media_type, headers, events=wanted.stream_format == "sse")


class BatchResult(BaseModel):
    """One speech of a batch, in the order of its items: base64, or what was wrong.

    timestamps: of its utterances, where these are asked for.
    """

    index: int
    audio: str | None = None
    media_type: str | None = None
    seed: int | None = None
    timestamps: list[dict[str, Any]] | None = None
    error: dict[str, Any] | None = None


class BatchResponse(BaseModel):
    """All speeches of a batch."""

    object: str = "list"
    results: list[BatchResult]


@router.post("/v1/audio/speech/batch", summary="Speak up to 32 texts")
async def create_batch(
    request: Request, batch: BatchRequest, parts: Parts, principal: CanSpeak, name: RequestId
) -> BatchResponse:
    """Speaks several texts, and answers when all are done. An item that fails does not stop the others."""
    gate = asyncio.Semaphore(_BATCH_AT_ONCE)
    preparation = Preparation(parts, principal, name)

    async def one(index: int, wanted: SpeechRequest) -> BatchResult:
        async with gate:
            try:
                prepared = await preparation.prepare(wanted)
                async with preparation.speak(prepared, patient=True) as speech:
                    content = b"".join([chunk async for chunk in speech])
                    spoken = list(map(times, speech.rendering.spoken()))
            except TimbralError as error:
                refused = as_api_error(error)
                body = error_body(refused.status, str(refused), refused.code, refused.param)
                return BatchResult(index=index, error=body["error"])
        return BatchResult(
            index=index,
            audio=base64.b64encode(content).decode(),
            media_type=FORMATS[prepared.format].media_type,
            seed=prepared.config.seed,
            timestamps=spoken if wanted.timestamps else None,
        )

    try:
        requests = batch.requests()
    except ValidationError as error:
        raise first_mistake(error) from None
    results = asyncio.gather(*(one(i, wanted) for i, wanted in enumerate(requests)))
    return BatchResponse(results=await while_connected(results, request.receive))


async def _read(request: Request, parts: Services) -> tuple[SpeechRequest, bytes | None]:
    """The body as JSON or as a form, and the recording that a form uploads. Raises ApiError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    uploaded = None
    try:
        if kind != "multipart/form-data":
            return _streamed(SpeechRequest.model_validate_json(await request.body())), None
        async with request.form(max_files=1, max_fields=40, max_part_size=1 << 20) as form:
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            file = form.get("ref_audio")
            if isinstance(file, UploadFile):
                uploaded = await file.read((parts.config.limits.recording_mb << 20) + 1)
                if len(uploaded) > parts.config.limits.recording_mb << 20:
                    raise ApiError(413, f"a recording has at most {parts.config.limits.recording_mb} MB")
        return _streamed(SpeechRequest.model_validate(fields, strict=False)), uploaded
    except ValidationError as error:
        raise first_mistake(error) from None
    except HTTPException as error:
        raise ApiError(400, f"the form cannot be read: {error.detail}", code="invalid_form") from None


def _streamed(wanted: SpeechRequest) -> SpeechRequest:
    """The same request. Raises ApiError where what it asks for does not fit into its answer."""
    if wanted.timestamps and wanted.stream_format != "sse":
        message = 'timestamps come as events: ask for "stream_format": "sse" as well'
        raise ApiError(400, message, code="invalid_value", param="timestamps")
    return wanted


def _header(text: str) -> str:
    return text.encode("ascii", "replace").decode()
