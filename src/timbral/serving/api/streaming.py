"""Answers that flow while they are made, and stop being made when the client goes away."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from timbral.errors import TimbralError
from timbral.inference.timestamps import SpokenUtterance
from timbral.serving.engine.speaker import ActiveSpeech
from timbral.serving.errors import as_api_error, error_body

T = TypeVar("T")

STALLED_S = 60.0
"""Seconds for which a client may take no bytes before its speech is given up."""

OpenSpeech = Callable[[], AbstractAsyncContextManager[ActiveSpeech]]


class SpeechResponse(Response):
    """Sends a speech as it is made. An error before the first sound is an answer of its own; later, it ends the body.

    While the speech is made, the connection is watched: when the client closes it, the synthesis is cancelled.
    """

    def __init__(
        self,
        speech: OpenSpeech,
        media_type: str,
        headers: dict[str, str],
        *,
        events: bool = False,
        prefix: bytes = b"",
    ) -> None:
        """prefix: sent before the first bytes of the speech."""
        self._speech, self._events, self._prefix = speech, events, prefix
        super().__init__(
            media_type="text/event-stream" if events else media_type,
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", **headers},
        )
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speaks, until the end or until the client is gone."""
        with contextlib.suppress(ClientDisconnect):
            await while_connected(self._speak(send), receive)

    async def _speak(self, send: Send) -> None:
        async with self._speech() as speech:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            body = _events(speech) if self._events else speech
            async for content in body:
                prefix, self._prefix = self._prefix, b""
                message = {"type": "http.response.body", "body": prefix + content, "more_body": True}
                # Whoever takes nothing for so long must not hold a slot.
                await asyncio.wait_for(send(message), STALLED_S)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def while_connected(work: Awaitable[T], receive: Receive) -> T:
    """The result of work, which is cancelled when the client goes away. Raises ClientDisconnect, or what the work raises."""
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
    finally:
        watching.cancel()
        left = not working.done()
        if left:
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await working
    if left:
        raise ClientDisconnect
    return working.result()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _events(speech: ActiveSpeech) -> AsyncIterator[bytes]:
    """Events of OpenAI's API: `speech.audio.delta` with base64, then `speech.audio.done`, or `error`.

    And one of our own, `speech.audio.timestamps`, after the sound of each utterance, where times are asked for.
    """
    try:
        async for content in speech:
            yield event({"type": "speech.audio.delta", "audio": base64.b64encode(content).decode()})
            for utterance in speech.rendering.spoken():
                yield event({"type": "speech.audio.timestamps", **times(utterance)})
    except TimbralError as error:
        refused = as_api_error(error)
        yield event(
            {"type": "error", **error_body(refused.status, str(refused), refused.code, refused.param)}
        )
        return
    yield event({"type": "speech.audio.done", "usage": usage(speech)})


def times(utterance: SpokenUtterance, after: float = 0.0) -> dict[str, Any]:
    """When an utterance, its words and its phones are spoken, in seconds, as JSON; `after` so many of something else."""
    return asdict(utterance.later(after))


def usage(speech: ActiveSpeech) -> dict[str, int]:
    """What a speech has cost, in the words of OpenAI's API: characters of the text, and semantic tokens."""
    report = speech.rendering.report
    tokens = report.tokens if report else 0
    count = speech.rendering.characters
    return {"input_tokens": count, "output_tokens": tokens, "total_tokens": count + tokens}


def event(data: dict[str, Any]) -> bytes:
    """One event of the server."""
    return f"data: {json.dumps(data, ensure_ascii=True)}\n\n".encode()
