"""The light vocoder: it learns what HiFi-GAN does, and takes its place in a bundle."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

import timbral  # noqa: E402
from timbral.compression.light_vocoder.light_vocoder import light_vocoder  # noqa: E402
from timbral.compression.light_vocoder.settings import LightVocoderSettings  # noqa: E402
from timbral.compression.light_vocoder.task import LightVocoderTask  # noqa: E402
from timbral.compression.light_vocoder.teacher import VocodedCrop  # noqa: E402
from timbral.errors import CompressionError  # noqa: E402
from timbral.models import open_bundle, read_bundle  # noqa: E402
from timbral.nets.istft_vocoder import IstftConfig, IstftVocoder  # noqa: E402
from timbral.training.loop import train  # noqa: E402
from timbral.training.loop_settings import LoopSettings  # noqa: E402

FEW = LightVocoderSettings(hidden=32, blocks=2, crops=8, voices=2, updates=2, batch_size=2, adversary=False)


def quiet(what: str, share: float) -> None:
    """Says nothing."""


@pytest.mark.parametrize("family", ["v2", "v4"])
def test_a_bundle_with_a_light_vocoder_speaks_and_keeps_the_rest(
    official_bundles: dict[str, Path], tmp_path: Path, family: str
) -> None:
    parent = read_bundle(official_bundles[family])
    light_vocoder(parent.folder, tmp_path / "light", FEW, quiet)
    bundle = read_bundle(tmp_path / "light")
    old, new = (
        timbral.Synthesizer(one, timbral.inference.sessions.SessionOptions()) for one in (parent, bundle)
    )
    voice = timbral.Voice.neutral(parent.manifest)
    before, after = (tts.say("Hello.", voice, "en", seed=1) for tts in (old, new))
    assert len(before.samples) == len(after.samples)
    assert np.isfinite(after.samples).all()
    untouched = {"content.onnx", "semantic_step.onnx", "semantic.weights"}
    for name in untouched:
        assert bundle.manifest.files[name] == parent.manifest.files[name]


def test_its_loss_falls_with_and_without_discriminators(tmp_path: Path) -> None:
    chance = torch.Generator().manual_seed(0)
    time = torch.arange(20 * 320) / 16000
    crops = [
        VocodedCrop(
            torch.randn(6, 20, generator=chance) * 0.1 + pitch / 100,
            torch.zeros(0),
            0.3 * torch.sin(2 * torch.pi * (100 + pitch) * time),
        )
        for pitch in range(0, 400, 20)
    ]
    torch.manual_seed(0)
    network = IstftVocoder(IstftConfig(6, 0, 320, split=2, hidden=32, blocks=2, condition=4))
    task = LightVocoderTask(network, crops, 16000, 40, 0, adversary=False)
    before = task.validate()["loss"]
    settings = LoopSettings(epochs=1, batch_size=4, rate=2e-3)  # type: ignore[call-arg]
    train(task, settings, tmp_path / "run", device="cpu")
    assert task.validate()["loss"] < 0.8 * before
    judged = LightVocoderTask(network, crops, 16000, 2, 0, adversary=True)
    names = [step.network for _ in range(2) for step in judged.loss_steps(judged.collate([0, 1]))]
    assert names == ["discriminator", "student"] * 2


def test_a_model_without_a_vocoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CompressionError, match="no vocoder to exchange"):
        light_vocoder(open_bundle(None).folder, tmp_path / "none", FEW, quiet)
