"""`/v1/audio/speech`: OpenAI's address for speech, and its batch."""

import asyncio
import base64
import hashlib
import secrets
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from timbral.errors import TimbralError
from timbral.serving.access.keys import Principal
from timbral.serving.api.dependencies import REFUSALS, CanSpeak, Parts, RequestId
from timbral.serving.api.speech_request import BatchRequest, SpeechRequest, first_mistake
from timbral.serving.api.streaming import SpeechResponse, while_connected
from timbral.serving.encoding import FORMATS
from timbral.serving.engine.rendering import SpeechOrder
from timbral.serving.engine.speaker import ActiveSpeech
from timbral.serving.errors import ApiError, as_api_error, error_body
from timbral.serving.services import Services
from timbral.serving.voices.registry import Recordings

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
    parts.speaker.admission.check(principal.key_id)
    wanted, uploaded = await _read(request, parts)
    preparation = Preparation(parts, principal, name)
    prepared = await preparation.prepare(wanted, uploaded)

    def speech() -> AbstractAsyncContextManager[ActiveSpeech]:
        return preparation.speak(prepared)

    headers = {"X-Timbral-Seed": str(prepared.config.seed), "X-Timbral-Voice": _header(prepared.voice_id)}
    media_type = FORMATS[prepared.format].media_type
    return SpeechResponse(speech, media_type, headers, events=wanted.stream_format == "sse")


class BatchResult(BaseModel):
    """One speech of a batch, in the order of its items: base64, or what was wrong."""

    index: int
    audio: str | None = None
    media_type: str | None = None
    seed: int | None = None
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
            except TimbralError as error:
                refused = as_api_error(error)
                body = error_body(refused.status, str(refused), refused.code, refused.param)
                return BatchResult(index=index, error=body["error"])
        return BatchResult(
            index=index,
            audio=base64.b64encode(content).decode(),
            media_type=FORMATS[prepared.format].media_type,
            seed=prepared.config.seed,
        )

    try:
        requests = batch.requests()
    except ValidationError as error:
        raise first_mistake(error) from None
    results = asyncio.gather(*(one(i, wanted) for i, wanted in enumerate(requests)))
    return BatchResponse(results=await while_connected(results, request.receive))


@dataclass(frozen=True)
class Preparation:
    """From a request to a speech: model, voice, limits, and the record of it."""

    parts: Services
    principal: Principal
    request_id: str

    async def prepare(self, wanted: SpeechRequest, uploaded: bytes | None = None) -> SpeechOrder:
        """What is to be spoken. Raises TimbralError."""
        cloning = uploaded is not None or wanted.ref_audio is not None
        run = self.parts.cloning.run if cloning else run_in_threadpool
        return await run(lambda: self._order(wanted, uploaded))

    def _order(self, wanted: SpeechRequest, uploaded: bytes | None) -> SpeechOrder:
        parts, config = self.parts, self.parts.config
        if parts.draining:
            raise ApiError(503, "the server is stopping", code="stopping", headers={"Retry-After": "5"})
        count = len(wanted.input)
        if count > config.limits.characters:
            message = f"the input has {count} characters; at most {config.limits.characters} are spoken"
            raise ApiError(400, message, code="string_above_max_length", param="input")
        model = self.model(wanted.model)
        generation = wanted.generation()
        if generation.seed is None:
            generation = generation.model_copy(update={"seed": secrets.randbits(32)})
        recording = uploaded or wanted.recording(config.limits.recording_mb << 20)
        language = wanted.language or "auto"
        if recording is None:
            resolved = parts.voices.resolve(self.principal, wanted.voice_reference)
            if wanted.model is None or wanted.model in config.model_aliases:
                model = parts.pool.fitting(resolved.voice, model)
        else:
            given = Recordings([recording], wanted.ref_text, language)
            resolved = parts.voices.passing(self.principal, given, wanted.consent, model=model)
        return SpeechOrder(
            text=wanted.input,
            model=model,
            voice=resolved.voice,
            voice_id=resolved.id,
            consent=resolved.consent,
            language=language,
            config=generation,
            format=wanted.response_format,
        )

    def speak(
        self, order: SpeechOrder, *, patient: bool = False
    ) -> AbstractAsyncContextManager[ActiveSpeech]:
        """The speech of an order as a context, which counts as a stream of the key. patient: see `Admission.slot`."""

        def accepted() -> None:
            self.parts.limits.count_characters(self.principal, len(order.text))
            self.record(order)

        speech = self.parts.speaker.speech(order, self.principal, accepted, patient=patient)
        return self.parts.limits.streaming(self.principal, speech)

    def model(self, name: str | None) -> str:
        """The model that a request names, whatever its client calls it."""
        config = self.parts.config
        return config.default_model if name is None else config.model_aliases.get(name, name)

    def record(self, order: SpeechOrder) -> None:
        """Writes into the audit log who speaks with which voice, before there is any sound."""
        privacy = self.parts.config.privacy
        text = order.text.encode("utf-8", "surrogatepass")
        details = {
            "voice": order.voice_id,
            "consent": order.consent,
            "model": order.model,
            "characters": len(order.text),
            "text_sha256": hashlib.sha256(text).hexdigest(),
            "seed": order.config.seed,
        }
        if privacy.audit_texts:
            details["text"] = order.text
        self.parts.audit.append("speech", self.principal, self.request_id, **details)


async def _read(request: Request, parts: Services) -> tuple[SpeechRequest, bytes | None]:
    """The body as JSON or as a form, and the recording that a form uploads. Raises ApiError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    uploaded = None
    try:
        if kind != "multipart/form-data":
            return SpeechRequest.model_validate_json(await request.body()), None
        async with request.form(max_files=1, max_fields=40, max_part_size=1 << 20) as form:
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            file = form.get("ref_audio")
            if isinstance(file, UploadFile):
                uploaded = await file.read((parts.config.limits.recording_mb << 20) + 1)
                if len(uploaded) > parts.config.limits.recording_mb << 20:
                    raise ApiError(413, f"a recording has at most {parts.config.limits.recording_mb} MB")
        return SpeechRequest.model_validate(fields, strict=False), uploaded
    except ValidationError as error:
        raise first_mistake(error) from None
    except HTTPException as error:
        raise ApiError(400, f"the form cannot be read: {error.detail}", code="invalid_form") from None


def _header(text: str) -> str:
    return text.encode("ascii", "replace").decode()
