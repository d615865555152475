"""`timbral watermark`, and `timbral say --watermark`, as a user meets them."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.paths import DATA
from timbral.audio import Audio, read
from timbral.audio.watermark import WatermarkEmbedder
from timbral.cli import main

ENGLISH = str(DATA / "english.flac")

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def say(*options: str) -> None:
    assert main(["say", "The boat came back before the storm.", "--seed", "4", *options]) == 0


def test_what_was_said_with_it_is_found(capfd: Captured) -> None:
    say("--watermark", "-o", "with.mp3")
    say("-o", "without.mp3")
    capfd.readouterr()
    assert main(["watermark", "with.mp3"]) == 0
    assert "with.mp3: watermark found" in capfd.readouterr().out
    assert main(["watermark", "without.mp3"]) == 3
    assert "without.mp3: no watermark" in capfd.readouterr().out


def test_a_key_and_any_speed(capfd: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    speech, rate = read(ENGLISH)
    embedder = WatermarkEmbedder(rate, "secret")
    Audio(np.concatenate([embedder.push(speech), embedder.finish()]), round(rate * 1.05)).save("fast.wav")
    assert main(["watermark", "fast.wav", "--any-speed"]) == 3
    assert main(["watermark", "fast.wav", "--any-speed", "--key", "secret"]) == 0
    monkeypatch.setenv("TIMBRAL_WATERMARK_KEY", "secret")
    assert main(["watermark", "fast.wav"]) == 3
    assert main(["watermark", "fast.wav", "--any-speed"]) == 0


def test_json_has_the_statistic(capfd: Captured) -> None:
    assert main(["watermark", ENGLISH, "--json"]) == 3
    facts = json.loads(capfd.readouterr().out)
    assert facts.keys() == {"file", "watermark", "statistic", "false_alarm", "spans"}
    assert not facts["watermark"]
    assert facts["statistic"] < 5
    assert facts["false_alarm"] > 1e-3


@pytest.mark.parametrize("content", [None, b"", b"no sound"])
def test_what_is_no_recording_is_a_mistake(content: bytes | None, capfd: Captured) -> None:
    if content is not None:
        Path("a.wav").write_bytes(content)
    assert main(["watermark", "a.wav"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("timbral: a.wav")
    assert err.count("\n") == 1
