"""The voice file and the store of named voices: what goes in comes out, and nothing else gets in."""

import contextlib
import dataclasses
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

import timbral
from tests.helpers.paths import DATA
from timbral.errors import VoiceError
from timbral.models import Manifest
from timbral.voices import Prosody
from timbral.voices import store as voice_store
from timbral.voices.voice import Consent, Voice, VoiceInfo

VOICE = Voice(
    timbre=np.linspace(-1, 1, 256, dtype=np.float32),
    prompt_tokens=np.arange(100, dtype=np.int64),
    prompt_phones=np.arange(30, dtype=np.int64),
    family="sovits-tiny",
    version="1",
    symbols="v2",
    model="tiny-test",
    prompt_text="今天 weather 不错",
    prompt_language="zh",
    sources=("me.wav",),
    consent=Consent(who="小明", when=datetime(2026, 1, 2, tzinfo=timezone.utc)),
)
METADATA: dict[str, Any] = {
    "format": 1, "family": "sovits-tiny", "version": "1", "model": "m", "symbols": "v2", "prompt_text": "",
    "prompt_language": "auto", "sources": [], "created": "2026-01-01T00:00:00Z", "consent": None,
}  # fmt: skip
TENSORS: dict[str, np.ndarray] = {
    "timbre": VOICE.timbre, "prompt_tokens": VOICE.prompt_tokens, "prompt_phones": VOICE.prompt_phones,
}  # fmt: skip


def assert_same(a: Voice, b: Voice) -> None:
    for field in dataclasses.fields(Voice):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name))


def test_a_voice_survives_its_file(tmp_path: Path) -> None:
    VOICE.save(tmp_path / "me.voice")
    assert_same(Voice.load(tmp_path / "me.voice"), VOICE)
    assert [p.name for p in tmp_path.iterdir()] == ["me.voice"]
    promptless = dataclasses.replace(
        VOICE, prompt_tokens=np.zeros(0, np.int64), prompt_phones=np.zeros(0, np.int64), consent=None
    )
    promptless.save(tmp_path / "me.voice")
    assert_same(Voice.load(tmp_path / "me.voice"), promptless)
    slow = dataclasses.replace(VOICE, prosody=Prosody(pace=1.2, pitch_range=0.15))
    slow.save(tmp_path / "me.voice")
    assert_same(Voice.load(tmp_path / "me.voice"), slow)


@pytest.mark.parametrize("prosody", [{"pace": 9}, {"pace": "fast"}, {"pitch_range": -1}, {"tempo": 1}, [1.0]])
def test_a_prosody_that_nobody_has_is_refused(tmp_path: Path, prosody: object) -> None:
    text = json.dumps({**METADATA, "prosody": prosody})
    save_file(TENSORS, tmp_path / "odd.voice", {"timbral_voice": text})
    with pytest.raises(VoiceError, match="damaged"):
        Voice.load(tmp_path / "odd.voice")


def test_a_voice_may_hold_features_mel_and_residuals(tmp_path: Path) -> None:
    rich = dataclasses.replace(
        VOICE,
        prompt_features=np.linspace(-9, 9, 30 * 1024, dtype=np.float16).reshape(30, 1024),
        mel=np.linspace(-1, 1, 100 * 470, dtype=np.float32).reshape(100, 470),
        residuals=np.linspace(-3, 3, 90 * 2 * 64, dtype=np.float16).reshape(90, 2, 64),
    )
    rich.save(tmp_path / "me.voice")
    assert_same(Voice.load(tmp_path / "me.voice"), rich)


def test_a_voice_is_not_written_where_it_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(VoiceError, match=r"\.voice"):
        VOICE.save(tmp_path / "me.wav")
    with pytest.raises(VoiceError, match="cannot be written"):
        VOICE.save(tmp_path / "nowhere" / "me.voice")
    assert list(tmp_path.iterdir()) == []


def write(path: Path, tensors: dict[str, np.ndarray], metadata: Any) -> Path:
    text = metadata if isinstance(metadata, str) else json.dumps(metadata)
    save_file(tensors, path, {"timbral_voice": text})
    return path


def test_the_handmade_file_is_a_good_one(tmp_path: Path) -> None:
    Voice.load(write(tmp_path / "a.voice", TENSORS, METADATA))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"timbre": np.zeros(256, np.float64)}, "timbre has the wrong type"),
        ({"timbre": np.zeros((2, 128), np.float32)}, "timbre has the wrong type or shape"),
        ({"timbre": np.full(256, np.nan, np.float32)}, "not finite"),
        ({"timbre": np.full(256, 1e38, np.float32)}, "out of range"),
        ({"timbre": np.zeros(0, np.float32)}, "timbre is empty"),
        ({"timbre": np.zeros(100_000, np.float32)}, "timbre is too long"),
        ({"prompt_features": np.zeros((30, 1024), np.float32)}, "prompt_features has the wrong type"),
        ({"prompt_features": np.zeros((29, 1024), np.float16)}, "do not belong to the phones"),
        (
            {"prompt_features": np.full((30, 1024), np.inf, np.float16)},
            "prompt_features is empty, not finite",
        ),
        ({"mel": np.zeros(100, np.float32)}, "mel has the wrong type"),
        ({"mel": np.zeros((80, 9), np.float32)}, "mel has the wrong type"),
        ({"mel": np.zeros((100, 0), np.float32)}, "mel is empty"),
        ({"mel": np.zeros((100, 20_000), np.float32)}, "mel is too long"),
        ({"residuals": np.zeros((9, 2, 64), np.float32)}, "residuals has the wrong type"),
        ({"residuals": np.zeros((9, 3, 64), np.float16)}, "residuals have the wrong type"),
        ({"residuals": np.zeros((0, 2, 64), np.float16)}, "residuals is empty"),
        ({"residuals": np.full((9, 2, 64), np.inf, np.float16)}, "residuals is empty, not finite"),
        ({"prompt_tokens": np.zeros(9, np.int32)}, "prompt_tokens has the wrong type"),
        ({"prompt_tokens": np.full(9, -1, np.int64)}, "negative"),
        ({"prompt_tokens": np.zeros(0, np.int64)}, "do not belong together"),
        ({"prompt_phones": np.zeros(20_000, np.int64)}, "too long"),
        ({"extra": np.zeros(1, np.int64)}, "not a Timbral voice"),
    ],
)
def test_tensors_of_the_wrong_kind_are_refused(
    tmp_path: Path, change: dict[str, np.ndarray], reason: str
) -> None:
    with pytest.raises(VoiceError, match=reason):
        Voice.load(write(tmp_path / "a.voice", {**TENSORS, **change}, METADATA))


@pytest.mark.parametrize("value", [np.inf, np.nan, 4e4])
def test_changes_that_no_graph_can_compute_with_are_refused(tmp_path: Path, value: float) -> None:
    changes = {f"adapter/semantic/w/{side}": np.full((2, 2), value, np.float16) for side in ("down", "up")}
    with pytest.raises(VoiceError, match=r"out of range|not finite"):
        Voice.load(write(tmp_path / "a.voice", {**TENSORS, **changes}, {**METADATA, "base": "0" * 16}))


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ("", "description is damaged"),
        ("[]", "description is damaged"),
        ("[" * 50_000, "description is damaged"),
        ({**METADATA, "format": 2}, "newer version"),
        ({**METADATA, "extra": 1}, "description is damaged"),
        ({**METADATA, "symbols": "v9"}, "description is damaged"),
        ({**METADATA, "prompt_text": "x" * 5000}, "description is damaged"),
        ({**METADATA, "consent": {"who": ""}}, "description is damaged"),
    ],
)
def test_a_description_that_does_not_hold_is_refused(tmp_path: Path, metadata: Any, reason: str) -> None:
    with pytest.raises(VoiceError, match=reason):
        Voice.load(write(tmp_path / "a.voice", TENSORS, metadata))


def test_files_that_are_not_voices_are_refused(tmp_path: Path) -> None:
    VOICE.save(tmp_path / "good.voice")
    good = (tmp_path / "good.voice").read_bytes()
    bad = [b"", b"RIFF", good[:-5], good[:40], bytes([255] * 8) + good[8:], good + b"more", b"\x80\x04." * 99]
    for content in bad:
        (tmp_path / "a.voice").write_bytes(content)
        with pytest.raises(VoiceError, match=r"a\.voice"):
            Voice.load(tmp_path / "a.voice")
    save_file(TENSORS, tmp_path / "a.voice")
    for path in (tmp_path / "a.voice", tmp_path / "absent.voice", tmp_path, "a\0b", "x" * 5000):
        with pytest.raises(VoiceError) as caught:
            Voice.load(path)
        assert "\n" not in str(caught.value)


@given(at=st.integers(0, 900), value=st.integers(0, 255))
def test_a_flipped_byte_gives_a_voice_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, at: int, value: int
) -> None:
    path = tmp_path_factory.mktemp("flip") / "a.voice"
    VOICE.save(path)
    content = bytearray(path.read_bytes())
    content[at] = value
    path.write_bytes(content)
    with contextlib.suppress(VoiceError):
        assert isinstance(Voice.load(path), Voice)


def test_a_voice_fits_the_models_of_its_family_only(manifest: Manifest) -> None:
    VOICE.check_fit(manifest)
    with pytest.raises(VoiceError, match="clone it again"):
        dataclasses.replace(VOICE, version="2").check_fit(manifest)
    with pytest.raises(VoiceError, match="clone it again"):
        dataclasses.replace(VOICE, family="other").check_fit(manifest)
    for change in (
        {"timbre": np.zeros(128, np.float32)},
        {"prompt_tokens": np.full(9, 5000, np.int64)},
        {"prompt_phones": np.full(9, 732, np.int64)},
        {"residuals": np.zeros((9, 2, 64), np.float16)},
    ):
        with pytest.raises(VoiceError, match="does not fit"):
            dataclasses.replace(VOICE, **change).check_fit(manifest)


def test_residuals_fit_a_model_that_knows_envelopes_at_as_many_points(description: dict[str, Any]) -> None:
    remembering = {**description, "acoustic": {**description["acoustic"], "envelope": 64}}
    files = {"x.onnx": {"sha256": "0" * 64, "bytes": 1}}
    manifest = Manifest.model_validate({**remembering, "format": 1, "files": files}, strict=False)
    VOICE.check_fit(manifest)
    dataclasses.replace(VOICE, residuals=np.zeros((9, 2, 64), np.float16)).check_fit(manifest)
    with pytest.raises(VoiceError, match="does not fit"):
        dataclasses.replace(VOICE, residuals=np.zeros((9, 2, 32), np.float16)).check_fit(manifest)


def test_the_store_saves_loads_removes_and_restores(home: Path) -> None:
    assert voice_store.names() == []
    with pytest.raises(VoiceError, match="none yet"):
        voice_store.load("me")
    for name in ("me", "小明 2", "v1.5"):
        voice_store.save(VOICE, name)
    assert voice_store.names() == ["me", "v1.5", "小明 2"]
    assert_same(voice_store.load("小明 2"), VOICE)
    voice_store.remove("me")
    with pytest.raises(VoiceError, match=r"known are v1\.5, 小明 2"):
        voice_store.load("me")
    with pytest.raises(VoiceError, match="no voice"):
        voice_store.remove("me")
    assert_same(Voice.load(voice_store.restore("me")), VOICE)


def test_a_voice_is_replaced_on_demand_only_and_comes_back(home: Path) -> None:
    voice_store.save(VOICE, "me")
    other = dataclasses.replace(VOICE, consent=None)
    with pytest.raises(VoiceError, match="already"):
        voice_store.save(other, "me")
    voice_store.save(other, "me", replace=True)
    voice_store.save(dataclasses.replace(other, model="third"), "me", replace=True)
    voice_store.remove("me")
    assert voice_store.load(voice_store.restore("me").stem).model == "third"
    with pytest.raises(VoiceError, match="already"):
        voice_store.restore("me")
    voice_store.rename("me", "new")
    assert voice_store.load(voice_store.restore("me").stem).consent is None
    with pytest.raises(VoiceError, match="already"):
        voice_store.rename("new", "me")


def test_the_list_tells_what_is_in_the_files(home: Path) -> None:
    voice_store.save(VOICE, "me")
    (home / "voices" / "broken.voice").write_bytes(b"no voice")
    infos = voice_store.infos()
    assert list(infos) == ["broken", "me", "default"]
    assert isinstance(infos["broken"], VoiceError)
    assert isinstance(infos["me"], VoiceInfo)
    assert (infos["me"].model, infos["me"].fine_tuned, infos["me"].consent) == (
        "tiny-test",
        False,
        VOICE.consent,
    )
    assert infos["me"].bytes == (home / "voices" / "me.voice").stat().st_size


def test_the_default_voice_is_a_clone_of_its_recording() -> None:
    tts = timbral.load(languages=())
    voice = timbral.voices.load("default")
    voice.check_fit(tts.manifest)
    again = tts.clone(DATA / "english.flac")
    np.testing.assert_allclose(voice.timbre, again.timbre, atol=1e-3)
    assert voice.sources == ("LibriSpeech 1320",)
    spoken = [tts.say("Hi.", by, seed=1).samples for by in ("default", voice)]
    np.testing.assert_array_equal(*spoken)
    with pytest.raises(VoiceError, match=r"no voice named .me."):
        tts.say("Hi.", "me")


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "a\\b", "/x", "C:x", "nul", "x.", " x", "-x", "x\n", "x" * 200, "好" * 90],
)
def test_names_that_are_not_plain_are_refused(name: str, home: Path) -> None:
    for use in (lambda: voice_store.save(VOICE, name), lambda: voice_store.load(name)):
        with pytest.raises(VoiceError, match="cannot name"):
            use()
    assert not home.exists()
