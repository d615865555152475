"""Separation: long recordings in pieces without a seam, and audio-separator on a small MDX-Net where it is installed."""

import hashlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from tests.helpers.data_sounds import speech, write
from timbral.data import Settings, prepare, separation
from timbral.data.clips import make_clips
from timbral.errors import DataError, InstallationError


class Middle:
    """Keeps what both channels share, as old karaoke machines took it out."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def separate(self, samples: np.ndarray) -> np.ndarray:
        self.lengths.append(len(samples))
        return np.repeat(samples.mean(axis=1, keepdims=True), 2, axis=1)


def test_pieces_are_joined_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separation, "_PIECE", 2)
    monkeypatch.setattr(separation, "_MARGIN", 1)
    voice = speech("english", separation.RATE)
    music = 0.1 * np.sin(np.arange(len(voice)) / 20).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", np.stack([voice + music, voice - music], 1), separation.RATE, "FLOAT")
    middle, shares = Middle(), []
    separation.separate_file(tmp_path / "a.wav", tmp_path / "b.w64", [middle], shares.append)
    assert shares[0] == 0
    assert len(shares) > 1
    assert shares == sorted(set(shares))
    separated, rate = soundfile.read(tmp_path / "b.w64", dtype="float32")
    assert rate == separation.RATE
    np.testing.assert_allclose(separated, np.stack([voice, voice], 1), atol=1e-6)
    assert max(middle.lengths) <= 4 * separation.RATE


def test_channels_that_cancel_are_separated_as_one(tmp_path: Path) -> None:
    voice, told = speech("english"), []
    soundfile.write(tmp_path / "opposite.wav", np.stack([0.5 * voice, -0.6 * voice], 1), 32_000)
    (tmp_path / "clips").mkdir()
    clips, heard = make_clips(
        tmp_path / "opposite.wav",
        "opposite",
        tmp_path / "clips",
        tmp_path,
        Settings(),
        [Middle()],
        lambda what, share: told.append(what),
    )
    assert len(clips) == 1
    assert heard.seconds == pytest.approx(len(voice) / 32_000, abs=0.01)
    assert "separating" in told


def test_without_audio_separator_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "audio_separator.separator", None)
    talk = write(tmp_path / "talk.wav", speech("english"))
    with pytest.raises(InstallationError, match=r"timbral\[separate\]"):
        prepare([talk], tmp_path / "set", Settings(separate=True, transcriber="none"))


class FailingDevice:
    """An audio-separator on a device that has no room."""

    def __init__(self, **settings: object) -> None: ...

    def load_model(self, name: str) -> None: ...

    def separate(self, path: str) -> list[str]:
        raise RuntimeError(f"CUDA out of memory\nwhile reading {path}")


def test_a_device_that_fails_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = SimpleNamespace(Separator=FailingDevice)
    monkeypatch.setitem(sys.modules, "audio_separator.separator", library)
    talk = write(tmp_path / "talk.wav", speech("english"))
    with pytest.raises(DataError, match="CUDA out of memory; ") as raised:
        prepare([talk], tmp_path / "set", Settings(separate=True, transcriber="none"))
    assert "\n" not in str(raised.value)


def small_mdx_net(folder: Path, bins: int = 1024, frames: int = 256) -> Path:
    """An MDX-Net that halves what it hears, with the lists that audio-separator wants beside it.

    Like the published ones it takes and gives real and imaginary parts of two channels, [batch, 4, bins, frames].
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    shape = ["batch", 4, bins, frames]
    graph = helper.make_graph(
        [helper.make_node("Mul", ["input", "half"], ["output"])],
        "mdx",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.float32(0.5), "half")],
    )
    model = folder / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), model)
    kinds = ("vr", "mdx", "demucs", "mdx23", "mdx23c", "roformer")
    lists = {f"{kind}_download_list": {} for kind in kinds} | {
        "other_network_list": {},
        "other_network_list_new": {},
    }
    lists |= {f"{kind}_download_vip_list": {} for kind in kinds}
    lists["mdx_download_list"] = {"MDX-Net Model: small": model.name}
    parameters = {
        "compensate": 1.0,
        "mdx_dim_f_set": bins,
        "mdx_dim_t_set": frames.bit_length() - 1,
        "mdx_n_fft_scale_set": 2 * bins,
        "primary_stem": "Vocals",
    }
    digest = hashlib.md5(model.read_bytes()).hexdigest()
    (folder / "download_checks.json").write_text(json.dumps(lists))
    (folder / "mdx_model_data.json").write_text(json.dumps({digest: parameters}))
    (folder / "vr_model_data.json").write_text("{}")
    return model


def test_audio_separator_runs_a_small_mdx_net(tmp_path: Path) -> None:
    pytest.importorskip("audio_separator")
    (tmp_path / "models").mkdir()
    model = small_mdx_net(tmp_path / "models")
    voice = speech("english", separation.RATE)
    separated = separation.UvrSeparator(str(model)).separate(np.stack([voice, voice], 1))
    assert separated.shape == (len(voice), 2)
    inner = slice(4000, -4000)
    assert np.corrcoef(separated[inner, 0], voice[inner])[0, 1] > 0.95
    assert np.std(separated[inner]) == pytest.approx(0.5 * np.std(voice[inner]), rel=0.1)
    talk = write(tmp_path / "talk.wav", speech("english"))
    settings = Settings(separate=True, vocals_model=str(model), transcriber="none")
    assert len(prepare([talk], tmp_path / "set", settings).lines) == 1


def test_a_separator_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    pytest.importorskip("audio_separator")
    (tmp_path / "models").mkdir()
    small_mdx_net(tmp_path / "models")
    (tmp_path / "models" / "other.onnx").write_bytes(b"not listed")
    with pytest.raises(DataError, match="cannot be used"):
        separation.UvrSeparator(str(tmp_path / "models" / "other.onnx"))
