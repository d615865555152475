"""Graphs of the embedded family say what its networks say, of inputs of other lengths than they were exported with."""

from collections.abc import Callable
from pathlib import Path

import onnxruntime
import pytest
import torch
from torch import Tensor

from timbral.audio.measures import relative_error
from timbral.conversion.export.source_filter import export_acoustic, export_reference
from timbral.nets.content_encoder import ContentConfig, ReferenceEncoder
from timbral.nets.source_filter import EnvelopePredictor, LatentNet, SourceFilterConfig, SourceFilterVocoder

SMALL = SourceFilterConfig(
    vocabulary=40, phonemes=30, hidden=32, latent=16, token_blocks=1, frame_blocks=1, vocoder_blocks=1
)
TOKENS = 13
FRAMES = TOKENS * SMALL.frames_per_token


@pytest.fixture(scope="module")
def networks() -> tuple[LatentNet, SourceFilterVocoder]:
    torch.manual_seed(0)
    return LatentNet(SMALL).eval(), SourceFilterVocoder(SMALL).eval()


@pytest.fixture(scope="module")
def acoustic(
    networks: tuple[LatentNet, SourceFilterVocoder], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("acoustic")
    export_acoustic(*networks, folder)
    return folder


def assert_same(graph: Path, network: Callable[..., tuple[Tensor, ...]], inputs: dict[str, Tensor]) -> None:
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_inputs()] == [*inputs]
    found = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    with torch.inference_mode():
        wanted = network(*inputs.values())
    assert len(found) == len(wanted)
    for one, other in zip(wanted, found, strict=True):
        assert one.shape == other.shape
        assert relative_error(one.numpy(), other) < 1e-4


def timbre() -> Tensor:
    found = torch.randn(1, SMALL.timbre)
    found[:, -1] = 7.5
    return found


def test_tokens_and_phones(networks: tuple[LatentNet, SourceFilterVocoder], acoustic: Path) -> None:
    inputs = {
        "tokens": torch.randint(0, 40, (1, TOKENS)),
        "timbre": timbre(),
        "phones": torch.randint(0, 30, (1, TOKENS, 2)),
    }
    assert_same(acoustic / "latent.onnx", networks[0].speak, inputs)


@pytest.mark.parametrize("sounds", [1, 90])
def test_sound_of_a_voice_with_residuals(
    networks: tuple[LatentNet, SourceFilterVocoder], acoustic: Path, sounds: int
) -> None:
    inputs = {
        "latent": torch.randn(1, SMALL.latent, FRAMES),
        "timbre": timbre(),
        "f0": 100 + 100 * torch.rand(1, FRAMES),
        "phase": torch.rand(1, FRAMES),
        "noise": torch.randn(1, FRAMES * SMALL.hop),
        "residuals": torch.randn(1, sounds, 2, SMALL.envelope),
    }
    assert_same(acoustic / "vocoder.onnx", lambda *given: (networks[1](*given),), inputs)


def test_what_stage_two_would_say_of_a_recording(
    networks: tuple[LatentNet, SourceFilterVocoder], acoustic: Path
) -> None:
    both = EnvelopePredictor(*networks)
    voiced = torch.rand(1, FRAMES) < 0.6
    inputs = {
        "tokens": torch.randint(0, 40, (1, TOKENS)),
        "timbre": timbre(),
        "f0": (100 + 100 * torch.rand(1, FRAMES)) * voiced,
    }
    assert_same(acoustic / "envelope.onnx", lambda *given: (both(*given),), inputs)


def test_recordings_of_any_length_are_heard(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = ReferenceEncoder(ContentConfig(vocabulary=64, hidden=16, blocks=1)).eval()
    export_reference(network, tmp_path)
    for seconds in (0.9, 2.0, 3.3, 8.0):
        audio = {"audio": 0.1 * torch.randn(1, int(16_000 * seconds))}
        assert_same(tmp_path / "content.onnx", network.hear, audio)
        assert_same(tmp_path / "timbre.onnx", lambda audio: (network(audio)[1],), audio)
