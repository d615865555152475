"""Stage two through onnxruntime: the exported graphs give the official sound, whole, faster and streamed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.helpers.nets_weights import fill, golden_arrays, random_floats, relative_error
from timbral.conversion.export.acoustic import WEIGHTS, _timbre, export_acoustic
from timbral.models.files import LATENT, TIMBRE, VOCODER
from timbral.nets.acoustic import FAMILIES, AcousticNetwork
from timbral.nets.spectrogram import linear_spectrogram

FAMILY = "v2ProPlus"
SMALL = replace(
    FAMILIES[FAMILY], latent=16, feed_forward=64, layers=2, timbre=64, upsample_channels=64, posterior=False
)


class Decoder:
    """The two graphs, as an engine runs them; without noise."""

    def __init__(self, folder: Path, timbre: Tensor, phones: Tensor) -> None:
        self.latent = onnxruntime.InferenceSession(folder / LATENT)
        self.vocoder = onnxruntime.InferenceSession(folder / VOCODER)
        self.timbre = timbre[:, :, 0].numpy()
        self.phones = phones.numpy()

    def __call__(
        self, tokens: Tensor, select: NDArray[np.int64], frames: int, overlap: NDArray[np.float32]
    ) -> tuple[Tensor, NDArray[np.float32]]:
        """Samples [1, 1, n], and the frames that the next piece continues."""
        inputs = {
            "tokens": tokens.numpy(),
            "phones": self.phones,
            "timbre": self.timbre,
            "select": select,
            "overlap": overlap,
            "noise": np.zeros((1, 16, frames), np.float32),
        }
        latent, spoken = self.latent.run(None, inputs)
        (audio,) = self.vocoder.run(None, {"latent": latent, "timbre": self.timbre})
        return torch.from_numpy(audio)[:, None], spoken


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    return golden_arrays(f"s2_{FAMILY}_small.npz")


@pytest.fixture(scope="module")
def network() -> AcousticNetwork:
    model = AcousticNetwork(SMALL).eval()
    fill(model, seed=2)
    return model


@pytest.fixture(scope="module")
def folder(network: AcousticNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("acoustic")
    export_acoustic(network, path)
    return path


@pytest.fixture(scope="module")
def decoder(folder: Path, golden: dict[str, Tensor]) -> Decoder:
    return Decoder(folder, golden["ge"], golden["text"])


NOTHING = np.zeros((1, 192, 0), np.float32)


def test_sound_and_speed(decoder: Decoder, golden: dict[str, Tensor]) -> None:
    codes = golden["codes"][0]
    audio, frames = decoder(codes, np.arange(24), 24, NOTHING)
    assert relative_error(torch.from_numpy(frames), golden["encp_y"]) < 1e-3
    assert relative_error(audio, golden["decode"]) < 1e-3
    audio, _ = decoder(codes, np.arange(24), 20, NOTHING)
    assert relative_error(audio, golden["decode_speed1.25"]) < 1e-3


def test_streaming(decoder: Decoder, golden: dict[str, Tensor]) -> None:
    audio, frames = decoder(golden["codes"][0], np.arange(24), 24, NOTHING)
    assert relative_error(audio, golden["stream0"]) < 1e-3
    audio, frames = decoder(golden["codes_stream1"][0], np.arange(20, 44), 24, frames[:, :, -4:])
    assert relative_error(torch.from_numpy(frames), golden["stream1_latent"]) < 1e-3
    assert relative_error(audio, golden["stream1"]) < 1e-3


@torch.inference_mode()
def test_any_length_and_noise(network: AcousticNetwork, decoder: Decoder, golden: dict[str, Tensor]) -> None:
    """Sequences shorter than the attention's window and longer than the example that was traced."""
    for tokens, phones in ((1, 1), (3, 2), (90, 70)):
        codes = torch.arange(tokens)[None] * 11 % 1024
        decoder.phones = (np.arange(phones)[None] * 7) % 732
        expected = network.prior(codes, torch.from_numpy(decoder.phones), golden["ge"])
        z = network.latent(expected, golden["ge"], torch.zeros(1, 16, 2 * tokens))
        audio, _ = decoder(codes, np.arange(2 * tokens), 2 * tokens, NOTHING)
        assert relative_error(audio[:, 0], network.vocode(z, golden["ge"])) < 1e-3


@torch.inference_mode()
def test_timbre(network: AcousticNetwork, folder: Path) -> None:
    """With a speaker embedding exactly where the family has one."""
    pro = onnxruntime.InferenceSession(folder / TIMBRE)
    speaker = random_floats(44, 1, SMALL.speaker)
    for samples in (705, 50_000):
        audio = random_floats(samples, 1, samples) * 0.1
        (timbre,) = pro.run(None, {"audio": audio.numpy(), "speaker": speaker.numpy()})
        expected = network.timbre(linear_spectrogram(audio), speaker)[:, :, 0]
        assert relative_error(torch.from_numpy(timbre), expected) < 1e-3

    first = AcousticNetwork(replace(SMALL, timbre_bins=1025, timbre=512, speaker=0)).eval()
    fill(first, seed=2)
    graph = _timbre(first).SerializeToString()
    (timbre,) = onnxruntime.InferenceSession(graph).run(None, {"audio": audio.numpy()})
    expected = first.timbre(linear_spectrogram(audio))[:, :, 0]
    assert relative_error(torch.from_numpy(timbre), expected) < 1e-3


def test_weights_are_beside_the_graphs_and_folded(folder: Path, network: AcousticNetwork) -> None:
    speaking = [
        tensor.numel() * 4
        for name, tensor in network.state_dict().items()
        if name.startswith(("enc_p", "dec", "flow", "ge_to512", "quantizer", "ref_enc", "sv_emb"))
        and not name.endswith("embed_avg")
    ]
    size = (folder / WEIGHTS).stat().st_size + sum(
        (folder / name).stat().st_size for name in (TIMBRE, LATENT, VOCODER)
    )
    assert size < 1.15 * sum(speaking)
    assert any(name.endswith("weight_g") for name in network.state_dict()), (
        "the network itself is not changed"
    )
