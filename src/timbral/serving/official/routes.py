"""The addresses: `/tts`, `/set_refer_audio`, `/set_gpt_weights`, `/set_sovits_weights`, `/control`."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from timbral.audio.writing import SYNTHETIC, wav_comment, wav_header
from timbral.serving.access.keys import ANONYMOUS, Principal
from timbral.serving.api.dependencies import CanSpeak, IsAdmin, Parts, RequestId
from timbral.serving.api.streaming import SpeechResponse, while_connected
from timbral.serving.config import OfficialConfig
from timbral.serving.engine.rendering import SpeechOrder
from timbral.serving.engine.speaker import ActiveSpeech
from timbral.serving.errors import ERROR_SHAPE, ApiError
from timbral.serving.official.clients import Clients, client_of
from timbral.serving.official.folder import Folder
from timbral.serving.official.references import References
from timbral.serving.official.request import NamedError, TtsRequest
from timbral.serving.preparation import Preparation
from timbral.serving.services import Services
from timbral.text.cut import cut

_KEPT = frozenset((401, 403, 408, 413, 429, 500, 503))
"""Statuses that `api_v2` does not have, and that its clients take as errors too. All others are 400."""
_OTHER_SITES = frozenset(("cross-site", "same-site"))


class Message(BaseModel):
    """The body of every answer that is no sound. Exception: the cause, of what was tried and has failed."""

    message: str
    Exception: str | None = None


_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Message} for status in (400, 401, 403, 413, 429, 503)
}


@dataclass(frozen=True)
class _Official:
    """What the addresses share."""

    clients: Clients
    references: References


async def _shared(request: Request) -> _Official:
    found = request.app.state.official
    assert isinstance(found, _Official)
    return found


Shared = Annotated[_Official, Depends(_shared)]


def _answer(failed: str, error: ApiError) -> JSONResponse:
    """An error: mistakes that `api_v2` names by themselves have no cause."""
    body = (
        {"message": str(error)}
        if isinstance(error, NamedError)
        else {"message": failed, "Exception": str(error)}
    )
    return JSONResponse(body, error.status if error.status in _KEPT else 400, headers=error.headers)


def _guarded(failed: str) -> Any:
    """A dependency: errors have the shape of this API, and pages of other sites are refused where there are no keys.

    Browsers send no Origin with an image whose address is `/tts`.
    """

    async def guard(request: Request, parts: Parts) -> None:
        request.scope[ERROR_SHAPE] = partial(_answer, failed)
        foreign = request.headers.get("sec-fetch-site") in _OTHER_SITES
        if foreign and request.headers.get("origin") not in parts.config.origins and not parts.keys.exist():
            raise ApiError(403, "pages of other origins cannot use this server", code="foreign_origin")

    return Depends(guard)


router = APIRouter(tags=["GPT-SoVITS api_v2"], responses=_REFUSALS)
_AUDIO: dict[int | str, dict[str, Any]] = {
    200: {"content": {f"audio/{one}": {} for one in ("wav", "raw", "ogg", "aac")}}
}


@router.get("/tts", dependencies=[_guarded("tts failed")], response_class=Response, responses=_AUDIO)
async def tts_by_query(
    wanted: Annotated[TtsRequest, Query()],
    request: Request,
    parts: Parts,
    shared: Shared,
    principal: CanSpeak,
    name: RequestId,
) -> Response:
    """Speaks a text."""
    return await _tts(wanted, request, parts, shared, Preparation(parts, principal, name))


@router.post("/tts", dependencies=[_guarded("tts failed")], response_class=Response, responses=_AUDIO)
async def tts(
    wanted: TtsRequest, request: Request, parts: Parts, shared: Shared, principal: CanSpeak, name: RequestId
) -> Response:
    """Speaks a text."""
    return await _tts(wanted, request, parts, shared, Preparation(parts, principal, name))


@router.get(
    "/set_refer_audio", dependencies=[_guarded("set refer audio failed")], response_model_exclude_none=True
)
async def set_refer_audio(
    request: Request, parts: Parts, shared: Shared, principal: CanSpeak, refer_audio_path: str = ""
) -> Message:
    """Sets whom this client hears where a request names nobody."""
    await run_in_threadpool(shared.references.check, principal, refer_audio_path)
    shared.clients.change(client_of(request, principal), reference=refer_audio_path)
    return Message(message="success")


@router.get(
    "/set_gpt_weights", dependencies=[_guarded("change gpt weight failed")], response_model_exclude_none=True
)
async def set_gpt_weights(
    request: Request,
    parts: Parts,
    shared: Shared,
    principal: IsAdmin,
    name: RequestId,
    weights_path: str = "",
) -> Message:
    """Sets the model that this client speaks with, by name or alias."""
    return await _set_weights(weights_path, "gpt", request, shared, Preparation(parts, principal, name))


@router.get(
    "/set_sovits_weights",
    dependencies=[_guarded("change sovits weight failed")],
    response_model_exclude_none=True,
)
async def set_sovits_weights(
    request: Request,
    parts: Parts,
    shared: Shared,
    principal: IsAdmin,
    name: RequestId,
    weights_path: str = "",
) -> Message:
    """Sets the model that this client speaks with, by name or alias: a model holds both stages."""
    return await _set_weights(weights_path, "sovits", request, shared, Preparation(parts, principal, name))


class Command(BaseModel):
    """What the server is told to do: restart, or exit."""

    command: str = ""


@router.get("/control", dependencies=[_guarded("control failed")])
async def control_by_query(
    parts: Parts, principal: IsAdmin, name: RequestId, command: str = ""
) -> JSONResponse:
    """Restarts or ends the server, after the streams that run."""
    return _control(command, parts, principal, name)


@router.post("/control", dependencies=[_guarded("control failed")])
async def control(wanted: Command, parts: Parts, principal: IsAdmin, name: RequestId) -> JSONResponse:
    """Restarts or ends the server, after the streams that run."""
    return _control(wanted.command, parts, principal, name)


def add_to(app: FastAPI, config: OfficialConfig) -> None:
    """Adds the addresses to an application. Raises SettingError: the folder of the settings is none."""
    folder = None if config.folder is None else Folder(config.folder)
    app.state.official = _Official(Clients(), References(app.state.services, folder))
    app.include_router(router)


async def _tts(
    wanted: TtsRequest, request: Request, parts: Services, shared: _Official, preparation: Preparation
) -> Response:
    with parts.speaker.admission.arrive(preparation.principal.key_id) as arrival:
        order = await _order(wanted, request, shared, preparation)
    rate = order.config.rate or parts.pool.known()[order.model].manifest.sample_rate
    media_type = f"audio/{wanted.media_type}"
    headers = {"X-Timbral-Seed": str(order.config.seed)}

    def speech() -> AbstractAsyncContextManager[ActiveSpeech]:
        return preparation.speak(order, arrival)

    if int(wanted.streaming_mode):
        # 44 bytes, as clients expect that cut the header off.
        prefix = wav_header(rate) if wanted.media_type == "wav" else b""
        return SpeechResponse(speech, media_type, headers, prefix=prefix)

    async def whole() -> bytes:
        async with speech() as active:
            return b"".join([chunk async for chunk in active])

    content = await while_connected(whole(), request.receive)
    if wanted.media_type == "wav":
        comment = wav_comment(SYNTHETIC)
        content = wav_header(rate, size=len(content), after=len(comment)) + content + comment
    return Response(content, media_type=media_type, headers=headers)


async def _order(
    wanted: TtsRequest, request: Request, shared: _Official, preparation: Preparation
) -> SpeechOrder:
    """What is to be spoken, with what the client has set before. Raises TimbralError."""
    parts, principal = preparation.parts, preparation.principal
    state = shared.clients.get(client_of(request, principal))
    reference = wanted.ref_audio_path or state.reference
    if not reference:
        raise NamedError("ref_audio_path is required")
    known = parts.pool.known()
    model = state.model or parts.config.default_model
    wanted.check(known[model].manifest)
    preparation.check(wanted.text)
    resolved = await shared.references.voice(
        principal,
        reference,
        wanted.aux_ref_audio_paths,
        wanted.prompt_text,
        wanted.prompt_lang.lower(),
        model=model,
    )
    model = parts.pool.fitting(resolved.voice, model)
    generation = wanted.generation(known[model].manifest, parts.config.official.sample_rate)
    order = preparation.order(wanted.text, model, resolved, wanted.language, generation, wanted.format)
    return replace(order, layout="\n".join(cut(wanted.text, wanted.text_split_method)))


async def _set_weights(
    path: str, kind: str, request: Request, shared: _Official, preparation: Preparation
) -> Message:
    if not path:
        raise NamedError(f"{kind} weight path is required")
    parts, model = preparation.parts, preparation.model(path)
    if model not in parts.pool.known():
        message = f"there is no model {path[:80]!a}; `timbral import` makes one of weights, and model_aliases gives it this name"
        raise ApiError(400, message, code="model_not_found")

    def load() -> None:
        with parts.pool.lease(model):
            preparation.parts.audit.append(
                "weights", preparation.principal, preparation.request_id, model=model
            )

    await run_in_threadpool(load)
    shared.clients.change(client_of(request, preparation.principal), model=model)
    return Message(message="success")


def _control(command: str, parts: Services, principal: Principal, name: str) -> JSONResponse:
    if not command:
        raise NamedError("command is required")
    if principal is ANONYMOUS:
        message = "this needs a key with the scope admin: `timbral keys add NAME --scope admin` makes one"
        raise ApiError(403, message, code="insufficient_scope")
    if command not in ("restart", "exit"):
        raise NamedError(f"command: {command[:40]} is not supported")
    if parts.request_stop is None:
        raise ApiError(503, "this server is stopped by what has started it", code="unavailable")
    parts.audit.append("control", principal, name, command=command)
    parts.restart = command == "restart"
    parts.request_stop()
    return JSONResponse(None)
