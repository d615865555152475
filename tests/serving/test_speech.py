"""OpenAI's speech API: its own client unchanged, every format as a stream, and the fields that are Timbral's own."""

import base64
import io
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import openai
import pytest

from tests.helpers.serving import RECORDING, STATEMENT, RunningServer, as_base64
from timbral.audio import read
from timbral.audio.watermark import detect_watermark

TEXT = "The first sentence is here. And this is the second one, which is a little longer."


def decoded(content: bytes) -> tuple[float, int]:
    """Seconds and rate of a sound file."""
    with av.open(io.BytesIO(content)) as file:
        rate = file.streams.audio[0].rate
        return sum(frame.samples for frame in file.decode(audio=0)) / rate, rate


def test_the_client_of_openai_speaks_and_streams(server: RunningServer, tmp_path: Path) -> None:
    client = openai.OpenAI(base_url=f"{server.address}/v1", api_key="anything")
    whole = client.audio.speech.create(model="tts-1", voice="alloy", input="Hello there.")
    seconds, _ = decoded(whole.content)
    assert seconds > 0.4
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts",
        voice={"id": "default"},
        input=TEXT,
        response_format="wav",
        instructions="Calm.",
    ) as response:
        response.stream_to_file(tmp_path / "speech.wav")
    seconds, rate = decoded((tmp_path / "speech.wav").read_bytes())
    assert seconds > 2
    assert rate == 24_000
    assert "tts-1" in [model.id for model in client.models.list()]
    with pytest.raises(openai.NotFoundError, match="no voice 'nobody'"):
        client.audio.speech.create(model="tts-1", voice="nobody", input="Hello.")


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_client_of_openai_for_node_speaks(server: RunningServer, tmp_path: Path) -> None:
    script = f"""
        import OpenAI from "openai";
        const client = new OpenAI({{ baseURL: "{server.address}/v1", apiKey: "anything" }});
        const asked = {{ model: "tts-1", voice: "alloy", input: "Hello.", response_format: "pcm" }};
        const speech = await client.audio.speech.create(asked);
        console.log((await speech.arrayBuffer()).byteLength);
    """
    (tmp_path / "speak.mjs").write_text(script, encoding="utf-8")
    installed = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--prefer-offline", "openai@7"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=120,
    )
    if installed.returncode:
        pytest.skip("npm cannot install openai")
    done = subprocess.run(["node", "speak.mjs"], cwd=tmp_path, capture_output=True, check=True, timeout=60)
    assert int(done.stdout) > 20_000


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("mp3", "audio/mpeg"),
        ("opus", "audio/ogg"),
        ("aac", "audio/aac"),
        ("flac", "audio/flac"),
        ("wav", "audio/wav"),
    ],
)
def test_every_format_is_the_same_speech(server: RunningServer, name: str, media_type: str) -> None:
    answer = server.speak(TEXT, seed=3, response_format=name)
    assert answer.headers["content-type"] == media_type
    assert answer.headers["x-timbral-seed"] == "3"
    seconds, _ = decoded(answer.content)
    assert seconds == pytest.approx(len(server.speak(TEXT, seed=3).content) / 48_000, abs=0.15)


@pytest.mark.parametrize("name", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
def test_sound_flows_before_it_is_all_made(server: RunningServer, name: str) -> None:
    with server.client.stream(
        "POST", "/v1/audio/speech", json={"input": " ".join([TEXT] * 4), "response_format": name}
    ) as answer:
        arrived = [time.monotonic() for _ in answer.iter_raw()]
    began = arrived[0]
    assert len(arrived) > 3
    assert arrived[-1] - began > 0.1


def test_pcm_is_16_bit_mono_at_24_khz_unless_another_rate_is_asked_for(server: RunningServer) -> None:
    usual, low = server.speak(seed=1), server.speak(seed=1, sample_rate=8_000)
    assert len(low.content) == pytest.approx(len(usual.content) / 3, rel=0.02)
    assert np.abs(np.frombuffer(usual.content, "<i2")).max() > 1000


@pytest.mark.parametrize("name", ["mp3", "pcm"])
def test_what_the_server_says_carries_the_watermark(server: RunningServer, name: str) -> None:
    content = server.speak(TEXT, seed=3, response_format=name).content
    if name == "pcm":
        samples, rate = np.frombuffer(content, "<i2").astype(np.float32) / 32768, 24_000
    else:
        samples, rate = read(content)
    assert detect_watermark(samples, rate).found
    last = json.loads(server.run("audit", "show").splitlines()[-1])
    assert last["details"]["watermark"] is True


def test_events_carry_the_same_bytes(server: RunningServer) -> None:
    answer = server.speak(TEXT, seed=5, stream_format="sse")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert {event["type"] for event in events[:-1]} == {"speech.audio.delta"}
    assert events[-1]["type"] == "speech.audio.done"
    assert events[-1]["usage"]["total_tokens"] > 0
    content = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert content == server.speak(TEXT, seed=5).content


def test_events_tell_when_words_are_spoken(server: RunningServer) -> None:
    answer = server.speak(TEXT, seed=5, stream_format="sse", timestamps=True)
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line]
    assert events[-1]["type"] == "speech.audio.done"
    told = [event for event in events if event["type"] == "speech.audio.timestamps"]
    assert " ".join(event["text"] for event in told) == TEXT
    words = [word for event in told for word in event["words"] if word["text"] != "."]
    assert [word["text"] for word in words][:5] == ["The", "first", "sentence", "is", "here"]
    sound = b"".join(base64.b64decode(event["audio"]) for event in events if "audio" in event)
    assert words[0]["start"] > 0.02
    assert len(sound) / 48_000 - 0.3 < words[-1]["end"] <= len(sound) / 48_000
    refused = server.speak(TEXT, timestamps=True)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "timestamps"


@pytest.mark.parametrize("speed", [0.25, 4.0])
def test_speeds_of_openais_range(server: RunningServer, speed: float) -> None:
    usual, other = server.speak(TEXT, seed=1), server.speak(TEXT, seed=1, speed=speed)
    assert len(usual.content) / len(other.content) == pytest.approx(speed, rel=0.25)


def test_the_same_seed_is_the_same_speech_and_another_one_is_not(server: RunningServer) -> None:
    first = server.speak(TEXT, seed=8, language="English").content
    assert server.speak(TEXT, seed=8, language="en-US").content == first
    assert server.speak(TEXT, seed=9).content != first


def test_a_recording_can_come_with_the_request(server: RunningServer) -> None:
    given = {"ref_audio": as_base64(RECORDING), "consent": STATEMENT, "seed": 1}
    cloned = server.speak(**given)
    assert cloned.status_code == 200, cloned.text
    as_url = {**given, "ref_audio": f"data:audio/flac;base64,{given['ref_audio']}"}
    assert server.speak(**as_url).content == cloned.content
    assert server.speak(seed=1).content != cloned.content
    uploaded = server.client.post(
        "/v1/audio/speech",
        data={"input": "Hello there.", "response_format": "pcm", "consent": STATEMENT, "seed": "1"},
        files={"ref_audio": RECORDING.read_bytes()},
    )
    assert uploaded.content == cloned.content
    assert server.speak(ref_audio=as_base64(RECORDING)).json()["error"]["code"] == "consent_required"


def test_a_batch_gives_each_text_or_its_error(server: RunningServer) -> None:
    last = {"input": "Three.", "seed": 4, "response_format": "wav", "timestamps": True}
    items = [{"input": "One."}, {"input": "…"}, last]
    answer = server.client.post(
        "/v1/audio/speech/batch", json={"items": items, "seed": 3, "response_format": "pcm"}
    )
    first, second, third = answer.json()["results"]
    assert base64.b64decode(first["audio"]) == server.speak("One.", seed=3).content
    assert second["error"]["param"] == "input"
    assert base64.b64decode(third["audio"])[:4] == b"RIFF"
    assert third["seed"] == 4
    assert [one["text"] for one in third["timestamps"]] == ["Three."]
    assert first["timestamps"] is None
    too_many = server.client.post("/v1/audio/speech/batch", json={"items": [{"input": "One."}] * 33})
    assert too_many.status_code == 400


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": "x" * 5000}, "input"),
        ({"input": "…"}, "input"),
        ({"speed": 5}, "speed"),
        ({"speed": "NaN"}, "speed"),
        ({"response_format": "midi"}, "response_format"),
        ({"voice": 7}, "voice"),
        ({"language": "xx"}, "input"),
        ({"sample_rate": 1}, "sample_rate"),
        ({"seed": 1 << 80}, "seed"),
    ],
)
def test_mistakes_have_the_shape_of_openais_errors(
    server: RunningServer, fields: dict[str, Any], param: str
) -> None:
    answer = server.client.post("/v1/audio/speech", json={"input": "Hello.", **fields})
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["type"] == "invalid_request_error"
    assert error["param"].startswith(param)
    assert "\n" not in error["message"]


def test_an_unknown_model_is_not_found(server: RunningServer) -> None:
    answer = server.speak(model="../../etc")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"


def test_fields_that_nobody_knows_are_no_error(server: RunningServer) -> None:
    assert server.speak(stream=True, lang_code="a", task_type="Base", extra={"a": [1]}).status_code == 200


def test_a_client_that_goes_away_stops_the_synthesis(server: RunningServer) -> None:
    """A minute of speech is given up after its first bytes; the work for it ends at once."""
    before = server.metric("timbral_audio_seconds_total")
    with server.client.stream(
        "POST", "/v1/audio/speech", json={"input": " ".join([TEXT] * 30), "response_format": "pcm"}
    ) as answer:
        next(answer.iter_raw())
    gone = time.monotonic()
    while server.metric("timbral_streams_active"):
        assert time.monotonic() - gone < 5
    made = server.metric("timbral_audio_seconds_total") - before
    assert 0 < made < 30  # of two minutes


def test_a_client_that_goes_away_before_the_first_sound_stops_it_as_well(server: RunningServer) -> None:
    long = "word " * 700
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server.address}/v1/audio/speech", json={"input": long}, timeout=0.1)
    gone = time.monotonic()
    while server.metric("timbral_streams_active"):
        assert time.monotonic() - gone < 5


def test_a_batch_stops_as_well(server: RunningServer) -> None:
    items = [{"input": " ".join([TEXT] * 30)}] * 4
    before = server.metric("timbral_audio_seconds_total")
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server.address}/v1/audio/speech/batch", json={"items": items}, timeout=0.5)
    gone = time.monotonic()
    while server.metric("timbral_streams_active"):
        assert time.monotonic() - gone < 5
    assert server.metric("timbral_audio_seconds_total") - before < 60  # of eight minutes


def test_request_ids_are_kept_or_made(server: RunningServer) -> None:
    assert (
        server.client.get("/health", headers={"X-Request-Id": "mine-1"}).headers["x-request-id"] == "mine-1"
    )
    made = server.client.get("/health", headers={"X-Request-Id": "a b\tc"}).headers["x-request-id"]
    assert made.startswith("req_")
