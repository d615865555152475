"""One session: takes text as it is written and speaks it sentence by sentence, until it is cancelled or at its end."""

import asyncio
import contextlib
import time
from dataclasses import dataclass

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from timbral.errors import TimbralError
from timbral.serving.api.speech_request import SpeechRequest
from timbral.serving.api.streaming import STALLED_S, times, usage
from timbral.serving.engine.rendering import SpeechOrder
from timbral.serving.errors import ApiError, as_api_error, error_body
from timbral.serving.live.messages import (
    ClientMessage,
    InputCommit,
    InputDone,
    InputText,
    ResponseCancel,
    SessionConfig,
    read_message,
    to_json,
)
from timbral.serving.preparation import Preparation
from timbral.text.sentences import SentenceBuffer

_PAUSE = 0.3
"""Seconds between sentences where the session has not set it."""
_NORMAL, _UNSUPPORTED = 1000, 1003


@dataclass
class _Progress:
    """Of the sentence that is being spoken. index: of all in the session; sent: bytes of its sound."""

    index: int
    text: str
    sent: int = 0


class Session:
    """Reads messages and speaks side by side. Its sentences share the voice and the settings, each is a speech of its own."""

    def __init__(self, socket: WebSocket, preparation: Preparation, idle_s: float) -> None:
        """idle_s: seconds without a message, and without anything to speak, after which the session ends."""
        self._socket, self._preparation, self._idle_s = socket, preparation, idle_s
        self._config = SessionConfig(type="session.config")
        self._buffer = SentenceBuffer()
        self._changed = asyncio.Event()
        self._cancelling = asyncio.Lock()
        self._done = False
        self._count = 0
        self._spoken_before = False
        self._current: _Progress | None = None
        self._speaking: asyncio.Task[None] | None = None
        self._active_at = time.monotonic()

    async def run(self) -> None:
        """Until the client is gone, all is spoken, or nothing happens any more."""
        tasks = [asyncio.ensure_future(work()) for work in (self._read, self._speak_all)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await self._stop()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            # Gone, or taking nothing for too long.
            with contextlib.suppress(WebSocketDisconnect, asyncio.CancelledError, asyncio.TimeoutError):
                task.result()

    async def _read(self) -> None:
        while True:
            try:
                text: str | None = await asyncio.wait_for(self._socket.receive_text(), self._idle_s)
            except asyncio.TimeoutError:
                if time.monotonic() - self._active_at < self._idle_s:
                    continue
                await self._socket.close(_NORMAL, "nothing was written for too long")
                return
            except KeyError:
                text = None
            if text is None:  # bytes
                await self._socket.close(_UNSUPPORTED, "messages are JSON text")
                return
            self._active_at = time.monotonic()
            try:
                await self._handle(read_message(text))
            except TimbralError as error:
                await self._complain(error)

    async def _handle(self, message: ClientMessage) -> None:
        """Raises ApiError."""
        if self._done and not isinstance(message, ResponseCancel):
            raise ApiError(400, "only response.cancel may follow input.done", code="session_done")
        if isinstance(message, SessionConfig):
            self._config = message
        elif isinstance(message, InputText):
            most = self._preparation.parts.config.limits.characters
            if len(self._buffer) + len(message.text) > most:
                error = f"at most {most} characters may wait to be spoken; this text was not taken"
                raise ApiError(400, error, code="string_above_max_length", param="text")
            self._buffer.append(message.text)
        elif isinstance(message, ResponseCancel):
            await self._cancel()
        elif isinstance(message, InputCommit | InputDone):
            self._buffer.commit()
            self._done = isinstance(message, InputDone)
        self._changed.set()

    async def _cancel(self) -> None:
        """Barge-in: the sound stops, and the client learns what was not spoken."""
        async with self._cancelling:
            dropped = self._buffer.clear()
            current = self._current
            await self._stop()
            await self._socket.send_text(
                to_json(
                    "response.cancelled",
                    sentence_index=current.index if current else None,
                    sentence_text=current.text if current else "",
                    sent_bytes=current.sent if current else 0,
                    dropped_text=dropped,
                )
            )
            self._spoken_before = False

    async def _stop(self) -> None:
        task, self._speaking = self._speaking, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _speak_all(self) -> None:
        most = self._preparation.parts.config.limits.characters
        while True:
            async with self._cancelling:  # whose answer comes before anything else is said
                text = self._buffer.take(most)
            if text:
                self._speaking = asyncio.ensure_future(self._speak(text))
                task = self._speaking
                await asyncio.wait([task])
                if not task.cancelled() and (error := task.exception()) is not None:
                    raise error
                self._active_at = time.monotonic()
                continue
            if self._done:
                await self._socket.send_text(to_json("session.done", total_sentences=self._count))
                await self._socket.close(_NORMAL)
                return
            self._changed.clear()
            await self._changed.wait()

    async def _speak(self, text: str) -> None:
        """One or several sentences that were ready together; what goes wrong is said to the client."""
        progress = self._current = _Progress(self._count, text)
        self._count += 1
        failed, cost = False, dict[str, int]()
        try:
            order = await self._preparation.prepare(self._request(text))
            # Who has been heard is not turned away in the middle.
            async with self._preparation.speak(order, patient=self._spoken_before) as speech:
                await self._socket.send_text(self._start(progress, order))
                gap = self._gap(order)
                before = len(gap) / (2 * (order.config.rate or 1))
                async for content in speech:
                    # Whoever takes nothing for so long must not hold a slot.
                    await asyncio.wait_for(self._socket.send_bytes(gap + content), STALLED_S)
                    progress.sent += len(gap) + len(content)
                    gap = b""
                    for utterance in speech.rendering.spoken():
                        await self._socket.send_text(
                            to_json(
                                "audio.timestamps", sentence_index=progress.index, **times(utterance, before)
                            )
                        )
                cost = usage(speech)
            self._spoken_before = True
        except TimbralError as error:
            failed = True
            await self._complain(error, progress.index)
        finally:
            self._current = None
        await self._socket.send_text(
            to_json(
                "audio.done",
                sentence_index=progress.index,
                total_bytes=progress.sent,
                error=failed,
                usage=cost,
            )
        )

    def _request(self, text: str) -> SpeechRequest:
        fields = self._config.model_dump(exclude={"type"}, exclude_unset=True)
        return SpeechRequest.model_validate({"response_format": "pcm", **fields, "input": text})

    def _start(self, progress: _Progress, order: SpeechOrder) -> str:
        manifest = self._preparation.parts.pool.known()[order.model].manifest
        return to_json(
            "audio.start",
            sentence_index=progress.index,
            sentence_text=progress.text,
            format=order.format,
            sample_rate=order.config.rate or manifest.sample_rate,
            seed=order.config.seed,
        )

    def _gap(self, order: SpeechOrder) -> bytes:
        """Silence before a sentence that follows another one; only samples can be joined."""
        if order.format != "pcm" or not self._spoken_before or order.config.rate is None:
            return b""
        pause = _PAUSE if self._config.pause is None else self._config.pause
        return bytes(np.zeros(round(pause * order.config.rate), np.int16))

    async def _complain(self, error: TimbralError, index: int | None = None) -> None:
        refused = as_api_error(error)
        body = error_body(refused.status, str(refused), refused.code, refused.param)
        after = refused.headers.get("Retry-After")
        more = {} if after is None else {"retry_after": int(after)}
        await self._socket.send_text(to_json("error", **body, sentence_index=index, **more))
