"""`/v1/audio/speech/stream`: a WebSocket for text that a language model is still writing."""

import logging
import secrets

from fastapi import APIRouter, WebSocket
from starlette.concurrency import run_in_threadpool

from timbral.errors import TimbralError
from timbral.serving.access.keys import Principal
from timbral.serving.errors import BusyError, as_api_error, error_response
from timbral.serving.live.session import Session
from timbral.serving.preparation import Preparation
from timbral.serving.services import Services

router = APIRouter(tags=["speech"])

_KEY = "openai-insecure-api-key."
"""Prefix of the subprotocol in which a page in a browser, which can send no header, has its key; as in OpenAI's API."""
_PROTOCOL = "realtime"
_log = logging.getLogger("timbral.serving")


@router.websocket("/v1/audio/speech/stream")
async def stream_speech(socket: WebSocket) -> None:
    """Takes text piece by piece, and speaks it sentence by sentence."""
    parts: Services = socket.app.state.services
    name = f"req_{secrets.token_hex(12)}"
    try:
        principal = await run_in_threadpool(_admitted, socket, parts)
    except TimbralError as error:
        await socket.send_denial_response(error_response(as_api_error(error)))
        return
    if parts.sessions >= parts.config.limits.sessions:
        await socket.send_denial_response(error_response(BusyError("too many sessions are open", 5)))
        return
    parts.sessions += 1
    try:
        offered = socket.scope.get("subprotocols", [])
        await socket.accept(_PROTOCOL if _PROTOCOL in offered else None)
        session = Session(socket, Preparation(parts, principal, name), parts.config.limits.session_idle_s)
        await session.run()
    finally:
        parts.sessions -= 1
        _log.info("session ended", extra={"request_id": name, "path": socket.url.path})


def _admitted(socket: WebSocket, parts: Services) -> Principal:
    """Who opens the session. Raises ApiError (401, 403, 429)."""
    scheme, _, key = socket.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        offered = socket.scope.get("subprotocols", [])
        key = next((one[len(_KEY) :] for one in offered if one.startswith(_KEY)), "")
    principal = parts.keys.authenticate(key.strip() or None)
    parts.limits.count_request(principal)
    principal.require("speak")
    return principal
