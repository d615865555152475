"""Official checkpoints become models whose graphs give what the networks of the same weights give."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from tests.helpers import import_files as files
from tests.helpers.g2pw_model import VOCABULARY
from tests.helpers.nets_weights import random_floats, relative_error
from timbral.cli import main
from timbral.conversion.components import read_components
from timbral.conversion.importer import Sources
from timbral.conversion.quantization import measure
from timbral.inference.g2pw import open_g2pw
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle, Manifest, read_bundle
from timbral.nets.mel_acoustic import mel_places
from timbral.nets.prior import PriorNetwork
from timbral.nets.spectrogram import V3, V4, MelSpectrogram, denormalized, linear_spectrogram, normalized

pytestmark = pytest.mark.usefixtures("traced")

Captured = pytest.CaptureFixture[str]

PHONES = torch.arange(9)[None] * 30
TOKENS = torch.arange(12)[None] * 80
EXACT, HALF = 1e-3, 1e-2


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return files.write(tmp_path_factory.mktemp("checkpoints"))


class Model:
    """An imported model, whose graphs are called by name."""

    def __init__(self, folder: Path) -> None:
        self.bundle: Bundle = read_bundle(folder)
        self.manifest: Manifest = self.bundle.manifest

    def __call__(self, graph: str, **inputs: Any) -> list[Tensor]:
        session = onnxruntime.InferenceSession(self.bundle.path(f"{graph}.onnx"))
        arrays = {name: np.asarray(value) for name, value in inputs.items()}
        return [torch.from_numpy(array) for array in session.run(None, arrays)]


@torch.inference_mode()
def check_semantic(model: Model, symbols: str) -> None:
    """The first step after phones and a prompt."""
    bert = random_floats(1, 1, 1024, 9)
    lengths, prompt = torch.tensor([9]), TOKENS[:, :5]
    expected, _ = files.semantic(symbols).prefill(PHONES, lengths, prompt, torch.tensor([5]), bert)
    given = {"phones": PHONES, "phone_lengths": lengths, "prompt": prompt, "prompt_lengths": [5]}
    logits = model("semantic_prefill", bert=bert, **given)[0]
    assert relative_error(logits, expected) < EXACT


@torch.inference_mode()
def check_content(model: Model, stage_two: PriorNetwork, agreement: float) -> None:
    audio = random_floats(2, 1, 16000) * 0.1
    expected = stage_two.codes_of(files.hubert()(audio).transpose(1, 2))
    (tokens,) = model("content", audio=audio)
    assert (tokens == expected).float().mean() >= agreement
    assert len(set(expected[0].tolist())) > 1


@torch.inference_mode()
def check_sound(model: Model, version: str, tolerance: float) -> None:
    network = files.acoustic(version)
    audio = random_floats(3, 1, 40_000) * 0.1
    speaker = random_floats(4, 1, files.SPEAKER.embedding) if network.config.speaker else None
    ge = network.timbre(linear_spectrogram(audio), speaker)
    given = {"audio": audio} if speaker is None else {"audio": audio, "speaker": speaker}
    assert relative_error(model("timbre", **given)[0], ge[:, :, 0]) < tolerance
    noise = random_floats(5, 1, 16, 24) / 2
    expected = network.latent(network.prior(TOKENS, PHONES, ge), ge, noise)
    nothing = torch.zeros(1, 32, 0)
    spoken = {"tokens": TOKENS, "phones": PHONES, "select": torch.arange(24), "overlap": nothing}
    latent, _ = model("latent", timbre=ge[:, :, 0], noise=noise, **spoken)
    assert relative_error(latent, expected) < tolerance
    (sound,) = model("vocoder", latent=expected, timbre=ge[:, :, 0])
    assert sound.shape == (1, 24 * 640)
    assert relative_error(sound, network.vocode(expected, ge)) < tolerance


@torch.inference_mode()
def check_mel(model: Model, version: str, network: Any, tolerance: float) -> None:
    config = V3 if version == "v3" else V4
    audio = random_floats(3, 1, 40_000) * 0.1
    (mel,) = model("mel", audio=audio)
    assert relative_error(mel, normalized(MelSpectrogram(config)(audio))) < EXACT
    ge = network.timbre(linear_spectrogram(audio))
    assert relative_error(model("timbre", audio=audio)[0], ge[:, :, 0]) < tolerance
    places, length = mel_places(12, 1.875 if version == "v3" else 2.0)
    counted = torch.tensor([length])
    expected = network.features(network.prior(TOKENS, PHONES, ge), ge, places, counted)
    given = {"tokens": TOKENS, "phones": PHONES, "timbre": ge[:, :, 0], "places": places, "length": counted}
    (features,) = model("features", **given)
    assert relative_error(features, expected) < tolerance
    frames = len(places)
    prompt, noise = torch.zeros(1, 100, frames), random_floats(6, 1, 100, frames)
    condition, rotation = model("condition", prompt=prompt, features=expected)
    moment, step = torch.tensor([0.25]), torch.tensor([0.125])
    steering = {"condition": condition, "rotation": rotation}
    (velocity,) = model("flow", mel=noise, **steering, time=moment, step=step)
    estimator = network.cfm.estimator
    towards = estimator(noise, prompt, expected, moment, step)
    assert relative_error(velocity, towards) < tolerance
    (sound,) = model("vocoder", mel=noise / 4)
    assert sound.shape == (1, frames * (256 if version == "v3" else 480))
    spoken = files.vocoder(version)(denormalized(noise / 4))[:, 0]
    assert relative_error(sound, spoken) < tolerance


def imported(folder: Path, *options: str) -> Model:
    assert main(["import", *options, "-o", str(folder)]) == 0
    return Model(folder)


def check_quantization(model: Model, agreement: float, noise: float) -> None:
    """The quantisation error is in the manifest, and as small as the precision promises."""
    report = model.manifest.quantization
    assert report is not None
    assert (report.recordings, report.semantic.positions > 150) == (2, True)
    assert agreement <= report.semantic.agreement <= 1
    assert 0 < report.semantic.error < 0.1
    assert noise < report.acoustic.signal_to_noise < 120
    assert 0 < report.acoustic.log_mel < 1


def check_measured_by_float32(model: Model, paths: dict[str, str], **sources: str) -> None:
    """Float graphs have next to none, so that what is measured of others is theirs."""
    given = {role: Path(paths[short]) for role, short in sources.items()}
    report = measure(model.bundle, read_components(Sources(hubert=Path(paths["hubert"]), **given)))
    assert report.semantic.agreement == 1
    assert report.semantic.error < 1e-4
    assert report.acoustic.signal_to_noise > 60
    assert report.acoustic.log_mel < 0.05


def notes(err: str) -> list[str]:
    """Warnings on stderr, without the lines of progress that a slow machine shows."""
    return [line for line in err.splitlines() if line.startswith("note: ")]


def test_v1(paths: dict[str, str], tmp_path: Path, capfd: Captured) -> None:
    given = ["--gpt", paths["s1-v1"], "--sovits", paths["s2-v1"], "--hubert", paths["hubert"]]
    model = imported(tmp_path / "old", *given, "--precision", "fp32")
    out, err = capfd.readouterr()
    assert "timbral say TEXT --model" in out
    (note,) = notes(err)
    assert "without --bert" in note
    manifest = model.manifest
    assert (manifest.name, manifest.symbols, manifest.precision) == ("old", "v1", "fp32")
    assert manifest.languages == ("zh", "en", "ja")
    assert manifest.semantic.phonemes == 322
    assert manifest.semantic.bert
    assert manifest.acoustic.kind == "vits"
    assert not manifest.acoustic.speaker
    check_semantic(model, "v1")
    check_content(model, files.acoustic("v1"), agreement=1)
    check_sound(model, "v1", EXACT)
    assert manifest.quantization is None
    assert set(manifest.precisions.values()) == {"fp32"}
    check_measured_by_float32(model, paths, gpt="s1-v1", sovits="s2-v1")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_v2pro_with_everything(paths: dict[str, str], home: Path, capfd: Captured) -> None:
    """By name into the folder of models, in the precision of the checkpoints."""
    given = ["--gpt", paths["s1-v2"], "--sovits", paths["s2-v2Pro"], "--hubert", paths["hubert"]]
    more = ["--speaker", paths["eres2net"], "--bert", paths["bert"], "--g2pw", paths["g2pw"]]
    assert main(["import", *given, *more, "--name", "anna", "--precision", "fp16", "--json"]) == 0
    out, err = capfd.readouterr()
    assert notes(err) == []
    facts = json.loads(out)
    assert facts["path"] == str(home / "models" / "anna")
    model = Model(home / "models" / "anna")
    manifest = model.manifest
    assert re.fullmatch(r"v2Pro-[0-9a-f]{8}", manifest.version)
    assert re.fullmatch(r"[0-9a-f]{16}", manifest.base)
    assert manifest.base == manifest.weights
    assert manifest.family == "gpt-sovits"
    assert manifest.languages == ("zh", "en", "ja", "ko", "yue")
    assert (manifest.sample_rate, manifest.semantic.longest, manifest.semantic.capacity) == (32000, 10, 2048)
    assert manifest.reference.model_dump() == {"rate": 16000, "silence": 9600, "timbre_rate": 32000}
    sampling = manifest.semantic.sampling
    assert (sampling.top_k, sampling.top_p, sampling.temperature, sampling.repetition_penalty) == (
        15, 1, 1, 1.35,
    )  # fmt: skip
    assert manifest.acoustic.model_dump() == {
        "kind": "vits",
        "hop": 640,
        "frames_per_token": 2,
        "timbre_size": 96,
        "latent": 16,
        "noise_scale": 0.5,
        "speaker": True,
        "reach": files.acoustic("v2Pro").dec.reach,
    }
    check_quantization(model, agreement=0.95, noise=30)
    assert manifest.precisions["semantic_step.onnx"] == manifest.precisions["content.onnx"] == "fp16"
    assert manifest.precisions["g2pw.onnx"] == "fp32"
    for holder in ("GPT-SoVITS", "TencentGameMate", "HFL", "3D-Speaker", "GitYCC"):
        assert holder in manifest.attribution
    check_content(model, files.acoustic("v2Pro"), agreement=0.8)
    check_sound(model, "v2Pro", HALF)
    audio = random_floats(7, 1, 16000) * 0.1
    with torch.inference_mode():
        assert relative_error(model("speaker", audio=audio)[0], files.speaker()(audio)) < HALF
        tokens = torch.tensor([[2, 4, 5, 6, 3]])
        network = copy.deepcopy(files.bert())
        network.encoder.layer = nn.ModuleList(list(network.encoder.layer)[:1])
        (features,) = model("bert", tokens=tokens, lengths=[5])
        assert relative_error(features, network(tokens, torch.tensor([5]))) < HALF
    assert model.bundle.path("bert_vocab.txt").read_text("utf-8").split("\n") == [*VOCABULARY, ""]

    reader = open_g2pw(model.bundle.folder, model.bundle.path("bert_vocab.txt"), SessionOptions(device="cpu"))
    assert reader("长江") == ["chang2", "jiang1"]

    assert main(["models"]) == 0
    line = capfd.readouterr().out.splitlines()[1]
    for word in ("anna", manifest.version, "zh en ja ko yue", "fp16", "MB", "MIT", "of tokens as in fp32"):
        assert word in line
    assert main(["models", "--json"]) == 0
    listed = json.loads(capfd.readouterr().out)["models"][1]
    assert listed["quantization"] == facts["quantization"] == manifest.quantization.model_dump()


def test_v3_with_a_lora(paths: dict[str, str], tmp_path: Path) -> None:
    given = ["--gpt", paths["s1-v2"], "--sovits", paths["s2-v3"], "--hubert", paths["hubert"]]
    more = ["--lora", paths["lora-v3"], "--vocoder", paths["bigvgan"], "--precision", "fp32"]
    model = imported(tmp_path / "third", *given, *more)
    assert model.manifest.version.startswith("v3-")
    assert model.manifest.sample_rate == 24000
    assert model.manifest.acoustic.model_dump() == {
        "kind": "flow-matching",
        "frames_per_token": 2,
        "mel_rate": 1.875,
        "mel_sample_rate": 24000,
        "timbre_size": 64,
        "reference_frames": 468,
        "chunk_frames": 934,
        "steps": 32,
    }
    assert "BigVGAN" in model.manifest.attribution
    check_content(model, files.mel_acoustic(), agreement=1)
    check_mel(model, "v3", files.merged(), EXACT)
    sources = {"gpt": "s1-v2", "sovits": "s2-v3", "lora": "lora-v3", "vocoder": "bigvgan"}
    check_measured_by_float32(model, paths, **sources)


def test_v4_in_int8_of_a_file_that_does_not_say_so(paths: dict[str, str], tmp_path: Path) -> None:
    """The vocoder tells v3 and v4 apart; an empty folder may be there already."""
    given = ["--gpt", paths["s1-v2"], "--sovits", paths["s2-v4"], "--hubert", paths["hubert"]]
    (tmp_path / "fourth").mkdir()
    more = ["--vocoder", paths["vocoder"], "--precision", "int8", "--name", "fourth-8"]
    model = imported(tmp_path / "fourth", *given, *more)
    assert (model.manifest.name, model.manifest.precision) == ("fourth-8", "int8")
    assert model.manifest.version.startswith("v4-")
    assert model.manifest.sample_rate == 48000
    shape = model.manifest.acoustic
    assert shape.kind == "flow-matching"
    assert (shape.mel_rate, shape.mel_sample_rate, shape.steps) == (2, 32000, 8)
    assert (shape.reference_frames, shape.chunk_frames) == (500, 1000)
    check_content(model, files.mel_acoustic(), agreement=0.8)
    check_mel(model, "v4", files.mel_acoustic(), 0.1)
    check_quantization(model, agreement=0.8, noise=10)
    kinds = model.manifest.precisions
    assert (kinds["semantic_step.onnx"], kinds["content.onnx"], kinds["mel.onnx"]) == ("int8", "fp16", "fp32")
    assert b"MatMulNBits" in model.bundle.path("flow.onnx").read_bytes()
    for heard in ("content", "timbre", "mel"):
        assert b"MatMulNBits" not in model.bundle.path(f"{heard}.onnx").read_bytes(), heard
