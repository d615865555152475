"""One connection: answers events of the Wyoming protocol, and speaks whole texts or sentence by sentence."""

import asyncio
import secrets
from typing import Any

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, async_read_event
from wyoming.info import Describe
from wyoming.ping import Ping, Pong
from wyoming.server import AsyncEventHandler
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeTextFormat,
    SynthesizeVoice,
)

from timbral.errors import TimbralError
from timbral.serving.access.keys import Principal
from timbral.serving.api.speech_request import SpeechRequest, first_mistake
from timbral.serving.encoding import PCM_RATE
from timbral.serving.errors import ApiError
from timbral.serving.preparation import Preparation
from timbral.serving.services import Services
from timbral.serving.wyoming.catalogue import describe
from timbral.text.sentences import SentenceBuffer

_FORMAT: dict[str, int] = {"rate": PCM_RATE, "width": 2, "channels": 1}
_PAUSE = bytes(2 * round(0.3 * PCM_RATE))
"""Silence between sentences that are spoken one by one."""
_STALLED_S = 60.0


class BoundedReader:
    """A stream whose events are not larger than a limit: the protocol lets a client announce any length."""

    def __init__(self, reader: asyncio.StreamReader, most: int) -> None:
        self._reader, self._most = reader, most

    async def readline(self) -> bytes:
        """A line; ValueError where it is longer than the stream's own limit."""
        return await self._reader.readline()

    async def readexactly(self, count: int) -> bytes:
        """So many bytes; ValueError where they are too many."""
        if not 0 <= count <= self._most:
            raise ValueError("too large")
        return await self._reader.readexactly(count)


class Handler(AsyncEventHandler):
    """Serves one client."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        parts: Services,
        principal: Principal,
    ) -> None:
        super().__init__(reader, writer)
        self._parts, self._principal = parts, principal
        limits = parts.config.limits
        self._bounded: Any = BoundedReader(reader, limits.body_mb << 20)
        self._idle_s, self._most = limits.session_idle_s, limits.characters
        self._buffer: SentenceBuffer | None = None
        self._voice: SynthesizeVoice | None = None
        self._begun = False

    async def run(self) -> None:
        """Until the client is gone, sends what is no event, or nothing for too long."""
        try:
            while event := await asyncio.wait_for(async_read_event(self._bounded), self._idle_s):
                await self.handle_event(event)
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            return  # gone, or as good as gone
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
            return  # JSON, but no event
        finally:
            self.writer.close()

    async def handle_event(self, event: Event) -> bool:
        """Answers one event. Those that are no business of a speaker are ignored."""
        try:
            await self._answer(event)
        except TimbralError as error:
            code = error.code if isinstance(error, ApiError) else None
            await self._end_sound()
            await self._send(Error(text=str(error), code=code).event())
        return True

    async def _answer(self, event: Event) -> None:
        """Raises TimbralError."""
        if Describe.is_type(event.type):
            info = await run_in_threadpool(describe, self._parts, self._principal)
            await self._send(info.event())
        elif Ping.is_type(event.type):
            await self._send(Pong(text=Ping.from_event(event).text).event())
        elif Synthesize.is_type(event.type):
            # Between start and stop it repeats the text, for servers that know no chunks.
            if self._buffer is None:
                await self._synthesize(Synthesize.from_event(event))
        elif SynthesizeStart.is_type(event.type):
            self._buffer, self._voice = SentenceBuffer(), SynthesizeStart.from_event(event).voice
        elif SynthesizeChunk.is_type(event.type) and self._buffer is not None:
            await self._take(self._buffer, SynthesizeChunk.from_event(event).text)
        elif SynthesizeStop.is_type(event.type):
            await self._finish()

    async def _synthesize(self, wanted: Synthesize) -> None:
        if wanted.text_format == SynthesizeTextFormat.SSML:
            raise ApiError(400, "SSML is not read; send the text alone", code="unsupported_format")
        await self._speak(wanted.text, wanted.voice)
        await self._end_sound()

    async def _take(self, buffer: SentenceBuffer, text: str) -> None:
        if len(buffer) + len(text) > self._most:
            raise ApiError(400, f"at most {self._most} characters may wait to be spoken")
        buffer.append(text)
        while ready := buffer.take(self._most):
            await self._speak(ready, self._voice)

    async def _finish(self) -> None:
        buffer, self._buffer = self._buffer, None
        if buffer is None:
            return
        try:
            buffer.commit()
            while ready := buffer.take(self._most):
                await self._speak(ready, self._voice)
        finally:
            await self._end_sound()
            await self._send(SynthesizeStopped().event())

    async def _speak(self, text: str, voice: SynthesizeVoice | None) -> None:
        """One speech; sound that follows other sound of the same answer comes after a pause."""
        fields = {"voice": voice.name, "language": voice.language} if voice is not None else {}
        try:
            request = SpeechRequest.model_validate({"input": text, "response_format": "pcm", **fields})
        except ValidationError as error:
            raise first_mistake(error) from None
        preparation = Preparation(self._parts, self._principal, f"req_{secrets.token_hex(12)}")
        await run_in_threadpool(self._parts.limits.count_request, self._principal)
        order = await preparation.prepare(request)
        patient = self._begun
        async with preparation.speak(order, patient=patient) as speech:
            if self._begun:
                await self._send(AudioChunk(audio=_PAUSE, **_FORMAT).event())
            else:
                await self._send(AudioStart(**_FORMAT).event())
                self._begun = True
            async for content in speech:
                if self.reader.at_eof() or self.writer.is_closing():
                    raise ConnectionResetError
                await self._send(AudioChunk(audio=content, **_FORMAT).event())

    async def _end_sound(self) -> None:
        if self._begun:
            self._begun = False
            await self._send(AudioStop().event())

    async def _send(self, event: Event) -> None:
        # Whoever takes nothing for so long must not hold a slot.
        await asyncio.wait_for(self.write_event(event), _STALLED_S)
