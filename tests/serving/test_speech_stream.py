"""The WebSocket for text that is still being written, with a real client."""

import contextlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.helpers.serving import RunningServer

LONG = " ".join(
    f"This is sentence number {number} of a long story, which goes on and on." for number in range(20)
)


@contextmanager
def session(server: RunningServer, **options: Any) -> Iterator[ClientConnection]:
    """An open session."""
    address = server.address.replace("http", "ws") + "/v1/audio/speech/stream"
    with connect(address, additional_headers=server.headers, **options) as socket:
        yield socket


def send(socket: ClientConnection, kind: str, **fields: Any) -> None:
    socket.send(json.dumps({"type": kind, **fields}))


def receive(socket: ClientConnection, last: str) -> tuple[list[dict[str, Any]], bytes]:
    """Messages up to one of a type, and the sound between them."""
    messages: list[dict[str, Any]] = []
    sound = b""
    while not messages or messages[-1]["type"] != last:
        content = socket.recv(timeout=60)
        if isinstance(content, bytes):
            sound += content
        else:
            messages.append(json.loads(content))
    return messages, sound


def test_sentences_are_spoken_while_the_text_is_written(server: RunningServer) -> None:
    with session(server) as socket:
        send(socket, "session.config", voice="alloy", seed=3)
        for word in ["Hello", " the", "re", ". How", " are"]:
            send(socket, "input.text", text=word)
        messages, sound = receive(socket, "audio.done")
        assert messages[0] == {
            "type": "audio.start", "sentence_index": 0, "sentence_text": "Hello there. ", "format": "pcm",
            "sample_rate": 24_000, "seed": 3,
        }  # fmt: skip
        assert sound == server.speak("Hello there. ", seed=3).content
        assert messages[-1]["total_bytes"] == len(sound)
        send(socket, "input.text", text=" you today")
        send(socket, "input.done")
        messages, sound = receive(socket, "session.done")
        assert messages[0]["sentence_text"] == "How are you today"
        assert sound[:14_400] == bytes(14_400)  # the pause
        assert len(sound) > 30_000
        assert messages[-1] == {"type": "session.done", "total_sentences": 2}
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=10)


def test_a_session_tells_when_words_are_spoken(server: RunningServer) -> None:
    with session(server) as socket:
        send(socket, "session.config", voice="alloy", seed=3, timestamps=True)
        send(socket, "input.text", text="Hello there.")
        send(socket, "input.commit")
        receive(socket, "audio.done")
        send(socket, "input.text", text="How are you?")
        send(socket, "input.done")
        messages, sound = receive(socket, "audio.done")
    (told,) = [message for message in messages if message["type"] == "audio.timestamps"]
    assert [word["text"] for word in told["words"]] == ["How", "are", "you", "?"]
    assert told["sentence_index"] == 1
    assert told["words"][0]["start"] > 0.3  # after the pause
    assert told["words"][2]["end"] <= len(sound) / 48_000


def test_barge_in_stops_the_speech_and_says_what_was_not_spoken(server: RunningServer) -> None:
    with session(server) as socket:
        send(socket, "input.text", text=LONG + " And then")
        assert json.loads(socket.recv(timeout=60))["type"] == "audio.start"
        assert socket.recv(timeout=60)
        send(socket, "input.text", text=" there was more.")
        began = time.monotonic()
        send(socket, "response.cancel")
        messages, _ = receive(socket, "response.cancelled")
        assert time.monotonic() - began < 10
        assert messages[-1]["sentence_index"] == 0
        assert messages[-1]["dropped_text"].strip() == "And then there was more."
        assert messages[-1]["sent_bytes"] > 0
        send(socket, "input.text", text="Yes?")
        send(socket, "input.commit")
        messages, sound = receive(socket, "audio.done")
        assert [one["type"] for one in messages] == ["audio.start", "audio.done"]
        assert len(sound) > 5_000
        send(socket, "input.text", text=LONG)
        send(socket, "input.done")
        assert json.loads(socket.recv(timeout=60))["type"] == "audio.start"
        send(socket, "response.cancel")
        messages, _ = receive(socket, "session.done")
        assert messages[-2]["type"] == "response.cancelled"


def test_mistakes_are_said_and_the_session_goes_on(server: RunningServer) -> None:
    mistakes = [
        "nothing", "[1]", "{}", '{"type": "other"}', '{"type": "input.text"}', '{"type": "session.config", "speed": 9}',
        json.dumps({"type": "input.text", "text": "x" * 5000}), "[" * 100_000,
    ]  # fmt: skip
    with session(server) as socket:
        for mistake in mistakes:
            socket.send(mistake)
            message = json.loads(socket.recv(timeout=60))
            assert message["type"] == "error"
            assert message["error"]["type"] == "invalid_request_error"
        send(socket, "session.config", voice="nobody")
        send(socket, "input.text", text="Hello.")
        send(socket, "input.commit")
        messages, sound = receive(socket, "audio.done")
        assert messages[0]["error"]["code"] == "voice_not_found"
        assert messages[-1]["error"] is True
        assert sound == b""
    for content in ("x" * (1 << 22), b"bytes"):
        with session(server) as socket, contextlib.suppress(ConnectionClosed):
            socket.send(content)
            with pytest.raises(ConnectionClosed):
                socket.recv(timeout=30)


def test_sessions_outlive_the_time_for_headers(server: RunningServer) -> None:
    with session(server) as socket:
        time.sleep(2.5)
        send(socket, "input.text", text="Still there.")
        send(socket, "input.commit")
        assert len(receive(socket, "audio.done")[1]) > 5_000


def test_pages_of_other_origins_and_clients_without_a_key_are_refused(
    server: RunningServer, closed_server: RunningServer
) -> None:
    with pytest.raises(InvalidStatus), session(server, origin="https://example.com"):
        pass
    address = closed_server.address.replace("http", "ws") + "/v1/audio/speech/stream"
    with pytest.raises(InvalidStatus) as refused, connect(address):
        pass
    assert refused.value.response.status_code == 401
    offered: Any = ["realtime", f"openai-insecure-api-key.{closed_server.key}"]
    with connect(address, subprotocols=offered) as socket:
        assert socket.subprotocol == "realtime"
        send(socket, "input.done")
        assert receive(socket, "session.done")[0][-1]["total_sentences"] == 0


def test_a_server_that_stops_finishes_what_it_says(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "home") as stopping, session(stopping) as socket:
        send(socket, "session.config", seed=1)
        send(socket, "input.text", text="It goes on and on, and then it goes on for a while longer")
        send(socket, "input.commit")
        assert json.loads(socket.recv(timeout=60))["type"] == "audio.start"
        stopping.ask_to_stop()
        messages, sound = receive(socket, "audio.done")
        assert messages[-1]["error"] is False
        assert len(sound) == messages[-1]["total_bytes"] > 50_000
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=30)
        assert stopping.wait() == 0
