"""GPT-SoVITS's api_v2: the requests of its documentation, its errors, and what it does not do any more."""

import io
import json
import os
import shutil
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from tests.helpers.serving import RECORDING, RunningServer
from timbral.audio.watermark import detect_watermark
from timbral.serving.errors import ApiError
from timbral.serving.official.folder import Folder
from timbral.voices import DEFAULT

TEXT = "The first sentence is here. And this is the second one, which is longer."
GIVEN: dict[str, Any] = {
    "text": TEXT,
    "text_lang": "en",
    "ref_audio_path": "default",
    "prompt_lang": "en",
    "seed": 3,
}


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with keys and a folder of recordings, which also holds links out of it; the client is an admin."""
    base = tmp_path_factory.mktemp("official")
    folder = base / "recordings"
    (folder / "archive").mkdir(parents=True)
    shutil.copy(RECORDING, folder / "archive" / "jingyuan_1.flac")
    shutil.copy(RECORDING, base / "outside.flac")
    (folder / "text.wav").write_text("no sound", encoding="utf-8")
    if os.name == "posix":
        (folder / "link.flac").symlink_to(base / "outside.flac")
        (folder / "up").symlink_to(base)
        os.mkfifo(folder / "pipe.wav")
    settings = {
        "official": {"folder": str(folder), "consent": "The speakers of this folder agree to be cloned."},
        "model_aliases": {"GPT_SoVITS/pretrained_models/s1.ckpt": "sovits-tiny"},
        "limits": {"recording_mb": 1},
        "watermark": False,
    }
    made = RunningServer(base / "home", settings, flags=("--official-api",))
    made.write_settings()
    made.key = made.run("keys", "add", "operator", "--scope", "admin")
    with made as running:
        yield running


@pytest.fixture(scope="module")
def speaker(official: RunningServer) -> Iterator[httpx.Client]:
    """Another client, which may only speak."""
    key = official.run("keys", "add", "speaker", "--scope", "speak")
    time.sleep(2.1)  # until the server reads the keys again
    with httpx.Client(
        base_url=official.address, headers={"Authorization": f"Bearer {key}"}, timeout=60
    ) as client:
        yield client


def samples_of(content: bytes) -> bytes:
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)
        return file.readframes(file.getnframes())


def test_the_example_requests_speak(official: RunningServer) -> None:
    """The GET and the POST of the official documentation, with a recording of the folder and all fields."""
    by_query = {
        "text": "Never mind the rank.", "text_lang": "en", "ref_audio_path": "archive/jingyuan_1.flac", "prompt_lang": "en",
        "prompt_text": "", "text_split_method": "cut5", "batch_size": 1, "media_type": "wav", "streaming_mode": "true",
        "seed": 5,
    }  # fmt: skip
    spoken = official.client.get("/tts", params=by_query)
    assert spoken.status_code == 200, spoken.text
    assert spoken.headers["content-type"] == "audio/wav"
    assert spoken.content[36:40] == b"data"
    body = {
        **by_query, "aux_ref_audio_paths": None, "top_k": 15, "top_p": 1, "temperature": 1, "batch_threshold": 0.75,
        "split_bucket": True, "speed_factor": 1.0, "fragment_interval": 0.3, "parallel_infer": True,
        "repetition_penalty": 1.35, "sample_steps": 32, "super_sampling": False, "streaming_mode": False,
        "overlap_length": 2, "min_chunk_length": 16,
    }  # fmt: skip
    whole = official.client.post("/tts", json=body)
    assert whole.status_code == 200, whole.text
    assert len(samples_of(whole.content)) > 24_000
    assert b"Synthetic speech" in whole.content


def test_every_mode_is_the_same_speech(official: RunningServer) -> None:
    whole = samples_of(official.client.get("/tts", params=GIVEN).content)
    for mode in (1, 2, 3, True):
        streamed = official.client.post("/tts", json={**GIVEN, "streaming_mode": mode})
        assert streamed.headers.get("transfer-encoding") == "chunked"
        assert streamed.content[44:] == whole
    assert official.client.post("/tts", json={**GIVEN, "media_type": "raw"}).content == whole


def test_an_operator_can_turn_the_watermark_off_and_the_record_says_so(official: RunningServer) -> None:
    raw = official.client.post("/tts", json={**GIVEN, "media_type": "raw"}).content
    samples = np.frombuffer(raw, "<i2").astype(np.float32) / 32768
    assert not detect_watermark(samples, 24_000).found
    entries = [json.loads(line) for line in official.run("audit", "show").splitlines()]
    assert {entry["details"]["watermark"] for entry in entries if entry["action"] == "speech"} == {False}


@pytest.mark.parametrize("media_type", ["ogg", "aac"])
def test_other_media_types(official: RunningServer, media_type: str) -> None:
    answer = official.client.get("/tts", params={**GIVEN, "media_type": media_type})
    assert answer.headers["content-type"] == f"audio/{media_type}"
    with av.open(io.BytesIO(answer.content)) as file:
        assert sum(frame.samples for frame in file.decode(audio=0)) > 24_000


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text": ""}, "text is required"),
        ({"text_lang": None}, "text_lang is required"),
        ({"prompt_lang": ""}, "prompt_lang is required"),
        ({"text_lang": "fr"}, "text_lang: fr is not supported in version sovits-tiny"),
        ({"media_type": "mp3"}, "media_type: mp3 is not supported"),
        ({"text_split_method": "cut9"}, "text_split_method:cut9 is not supported"),
        ({"streaming_mode": 7}, "the value of streaming_mode must be 0, 1, 2, 3(int) or true/false(bool)"),
        ({"speed_factor": 90}, "tts failed"),
        ({"top_p": "much"}, "tts failed"),
        ({"text": "…"}, "tts failed"),
        ({"text": "x" * 5000}, "tts failed"),
    ],
)
def test_errors_have_the_official_shape(
    official: RunningServer, fields: dict[str, Any], message: str
) -> None:
    answer = official.client.post("/tts", json={**GIVEN, **fields})
    assert answer.status_code == 400
    assert answer.json()["message"] == message
    assert ("Exception" in answer.json()) == (message == "tts failed")


def test_what_a_client_sets_is_its_own(official: RunningServer, speaker: httpx.Client) -> None:
    without = {name: value for name, value in GIVEN.items() if name != "ref_audio_path"}
    for client in (official.client, speaker):
        assert client.get("/tts", params=without).json() == {"message": "ref_audio_path is required"}
    assert official.client.get("/set_refer_audio", params={"refer_audio_path": DEFAULT}).json() == {
        "message": "success"
    }
    recording = {"refer_audio_path": "archive/jingyuan_1.flac"}
    first = official.client.get("/tts", params=without).content
    assert speaker.get("/tts", params=without).status_code == 400
    assert speaker.get("/set_refer_audio", params=recording).json() == {"message": "success"}
    assert speaker.get("/tts", params=without).content != first
    assert official.client.get("/tts", params=without).content == first


def test_weights_and_control_need_an_admin(official: RunningServer, speaker: httpx.Client) -> None:
    path = {"weights_path": "GPT_SoVITS/pretrained_models/s1.ckpt"}
    for address in ("/set_gpt_weights", "/set_sovits_weights"):
        assert official.client.get(address, params=path).json() == {"message": "success"}
        assert speaker.get(address, params=path).status_code == 403
        unknown = official.client.get(address, params={"weights_path": "/srv/weights/evil.ckpt"})
        assert unknown.status_code == 400
        assert unknown.json()["message"].endswith("weight failed")
        assert "timbral import" in unknown.json()["Exception"]
        assert "path is required" in official.client.get(address).json()["message"]
    assert speaker.get("/control", params={"command": "exit"}).status_code == 403
    assert official.client.get("/control").json() == {"message": "command is required"}
    assert official.client.post("/control", json={"command": "format"}).status_code == 400
    assert httpx.get(f"{official.address}/tts", params=GIVEN).status_code == 401


def hostile_paths(folder: Path) -> list[str]:
    outside = folder.parent / "outside.flac"
    return [
        str(outside), "../outside.flac", "archive/../../outside.flac", "./../outside.flac", "link.flac", "up/outside.flac",
        "pipe.wav", "archive", ".", "/", "", "/dev/zero", "/etc/passwd", "/proc/self/environ", "file:///etc/passwd",
        "http://127.0.0.1:1/x.wav", "\\\\server\\share\\x.wav", "..\\outside.flac", "C:\\x.wav", "archive/jingyuan_1.flac\0",
        "archive/jingyuan_1.flac\n", "archive/jingyuan_1.flac:stream", "x" * 5000, "~/x.wav", "$HOME/x.wav",
        f"{folder}/../outside.flac", f"{folder}x/a.wav",
    ]  # fmt: skip


def test_no_path_leads_out_of_the_folder(official: RunningServer) -> None:
    folder = official.home.parent / "recordings"
    for path in hostile_paths(folder):
        answer = official.client.post("/tts", json={**GIVEN, "ref_audio_path": path or "/"})
        assert answer.status_code == 400, path
        assert "neither a voice nor a file" in answer.json()["Exception"], path
    no_sound = official.client.get("/set_refer_audio", params={"refer_audio_path": "text.wav"})
    assert no_sound.status_code == 400
    assert no_sound.json()["message"] == "set refer audio failed"
    assert official.client.get("/health").status_code == 200


def test_a_folder_reads_what_lies_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.wav").write_bytes(b"12345")
    (tmp_path / "outside.flac").write_bytes(b"secret")
    reader = Folder(folder)
    assert reader.read("deep/a.wav", 10) == b"12345"
    assert reader.read(str(folder / "deep" / "a.wav"), 10) == b"12345"
    with pytest.raises(ApiError, match="at most"):
        reader.read("deep/a.wav", 4)
    assert [path for path in hostile_paths(folder) if reader.read(path, 10) is not None] == []


def test_a_server_can_be_restarted_and_ended(official: RunningServer) -> None:
    """Last in this file, because the server is gone afterwards."""
    assert official.client.post("/control", json={"command": "restart"}).status_code == 200
    deadline = time.monotonic() + 60
    while True:
        try:
            if official.client.get("/ready").status_code == 200:
                break
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.1)
    without = {name: value for name, value in GIVEN.items() if name != "ref_audio_path"}
    assert official.client.get("/tts", params=without).status_code == 400  # nothing is set any more
    assert official.client.get("/tts", params=GIVEN).status_code == 200
    assert official.client.get("/control", params={"command": "exit"}).status_code == 200
    assert official.wait() == 0
