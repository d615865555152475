"""Home Assistant's protocol, with the client of the package `wyoming`."""

import asyncio
import errno
import re
import socket
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeVoice,
)

from tests.helpers.serving import RunningServer

T = TypeVar("T")


def address(server: RunningServer) -> str:
    """Where the server listens for Home Assistant."""
    found = re.search(r"Wyoming at (tcp://\S+)", server.log)
    assert found
    return found[1]


def with_client(server: RunningServer, work: Callable[[AsyncClient], Awaitable[T]]) -> T:
    """The result of what is done with a connection."""

    async def connected() -> T:
        async with AsyncClient.from_uri(address(server), read_timeout=60) as client:
            return await work(client)

    return asyncio.run(connected())


async def events_until(client: AsyncClient, last: str) -> list[Event]:
    events: list[Event] = []
    while not events or events[-1].type != last:
        event = await client.read_event()
        assert event is not None
        events.append(event)
    return events


def sound_of(events: list[Event]) -> bytes:
    return b"".join(AudioChunk.from_event(event).audio for event in events if AudioChunk.is_type(event.type))


def test_home_assistant_finds_voices_with_their_languages(server: RunningServer) -> None:
    assert server.register("wyoming-ann", visibility="public").status_code == 200

    async def described(client: AsyncClient) -> Info:
        await client.write_event(Describe().event())
        return Info.from_event((await events_until(client, "info"))[-1])

    program = with_client(server, described).tts[0]
    assert program.supports_synthesize_streaming
    voices = {voice.name: voice.languages for voice in program.voices}
    assert {"zh", "en", "ja"} <= set(voices["default"])
    assert "wyoming-ann" in voices


def test_a_text_is_spoken(server: RunningServer) -> None:
    async def spoken(client: AsyncClient) -> list[Event]:
        await client.write_event(Synthesize("Hello there.", SynthesizeVoice(name="default")).event())
        return await events_until(client, "audio-stop")

    events = with_client(server, spoken)
    start = AudioStart.from_event(events[0])
    assert (start.rate, start.width, start.channels) == (24_000, 2, 1)
    assert len(sound_of(events)) > 20_000


def test_a_text_is_spoken_while_it_is_written(server: RunningServer) -> None:
    async def spoken(client: AsyncClient) -> tuple[list[Event], list[Event]]:
        await client.write_event(SynthesizeStart(SynthesizeVoice(name="default")).event())
        for text in ["Hello", " there. And", " goodbye"]:
            await client.write_event(SynthesizeChunk(text).event())
        await client.write_event(Synthesize("Hello there. And goodbye").event())
        early = await events_until(client, "audio-chunk")
        await client.write_event(SynthesizeStop().event())
        return early, await events_until(client, "synthesize-stopped")

    early, events = with_client(server, spoken)
    assert AudioStart.is_type(early[0].type)
    assert [event.type for event in events].count("audio-start") == 0
    assert AudioStop.is_type(events[-2].type)
    assert SynthesizeStopped.is_type(events[-1].type)
    assert len(sound_of(early + events)) > 40_000


@pytest.mark.parametrize(("text", "voice"), [("Hello.", "nobody"), ("", "default"), ("x" * 5000, "default")])
def test_mistakes_are_said(server: RunningServer, text: str, voice: str) -> None:
    async def refused(client: AsyncClient) -> Error:
        await client.write_event(Synthesize(text, SynthesizeVoice(name=voice)).event())
        return Error.from_event((await events_until(client, "error"))[-1])

    assert with_client(server, refused).text


@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/1.1\r\n\r\n", b"{}\n", b"[]\n", b"[" * 100_000 + b"\n", b'{"type": 7}\n', b"\xff\n", b"x" * (1 << 21),
        b'{"type": "describe", "payload_length": 99999999999}\n', b'{"type": "describe", "data_length": -1, "data": 7}\n',
        b'{"type": "synthesize", "data": {"text": 7}}\n', b'{"type": "synthesize", "data": []}\n',
    ],
)  # fmt: skip
def test_what_is_no_event_ends_the_connection_alone(server: RunningServer, content: bytes) -> None:
    host, port = address(server).removeprefix("tcp://").split(":")
    logged = len(server.log)
    with socket.create_connection((host, int(port)), timeout=30) as raw:
        try:
            raw.sendall(content)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(1 << 16):
                pass
        except OSError as error:  # the server may end the connection before all is sent
            if not isinstance(error, ConnectionError) and error.errno != errno.ENOTCONN:
                raise
    assert server.client.get("/health").status_code == 200
    assert "Traceback" not in server.log[logged:]
