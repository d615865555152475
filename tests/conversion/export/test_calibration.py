"""8-bit convolutions on the small official vocoder: near the float sound, smaller, and honest about the bar."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from tests.helpers.nets_weights import SMALL_ACOUSTIC, fill, golden_arrays
from timbral.audio.measures import signal_to_noise
from timbral.conversion.export.acoustic import WEIGHTS, Utterance, export_acoustic, vocoder_examples
from timbral.conversion.export.calibration import quantize_convolutions
from timbral.inference.acoustic.networks import open_vocoder
from timbral.inference.acoustic.vocoder_windows import vocode_in_rows, vocode_in_windows
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models.files import VOCODER
from timbral.nets.acoustic import AcousticNetwork

pytestmark = pytest.mark.usefixtures("traced")

HOP = 80
BAR = 30.0


def utterance(seed: int, tokens: int) -> Utterance:
    rng = torch.Generator().manual_seed(seed)
    return Utterance(
        torch.randint(0, 1024, (1, tokens), generator=rng),
        torch.randint(0, 732, (1, tokens), generator=rng),
        golden_arrays("s2_v2_small.npz")["ge"][:, :512, 0],
    )


@pytest.fixture(scope="module")
def network() -> AcousticNetwork:
    model = AcousticNetwork(SMALL_ACOUSTIC).eval()
    fill(model, seed=2)
    return model


@pytest.fixture(scope="module")
def floats(network: AcousticNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fp32")
    export_acoustic(network, path)
    return path


@pytest.fixture(scope="module")
def example(network: AcousticNetwork) -> dict[str, NDArray[np.float32]]:
    """An utterance that calibration has not heard."""
    return dict(vocoder_examples(network, [utterance(9, 60)])[0])


def run(folder: Path, example: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    (audio,) = onnxruntime.InferenceSession(folder / VOCODER).run(None, example)
    return audio


def test_a_calibrated_vocoder_is_near_the_float_one(
    network: AcousticNetwork, floats: Path, example: dict[str, NDArray[np.float32]], tmp_path: Path
) -> None:
    export_acoustic(network, tmp_path, "int8", [utterance(seed, 15) for seed in range(3)])
    assert signal_to_noise(run(floats, example), run(tmp_path, example)) > 30
    assert (tmp_path / WEIGHTS).stat().st_size < 0.55 * (floats / WEIGHTS).stat().st_size
    kinds = [node.op_type for node in onnx.load(tmp_path / VOCODER).graph.node]
    assert kinds.count("QuantizeLinear") > 5


def test_the_bar_decides_how_many_layers_are_rounded(network: AcousticNetwork, floats: Path) -> None:
    model = onnx.load(floats / VOCODER)
    examples = vocoder_examples(network, [utterance(seed, 15) for seed in range(2)])
    expected = [run(floats, dict(example)) for example in examples]
    rounded = []
    for least in (25.0, 38.0):
        small = quantize_convolutions(model, examples, least)
        session = onnxruntime.InferenceSession(small.SerializeToString())
        noise = [
            10 ** (-signal_to_noise(sound, session.run(None, dict(example))[0]) / 10)
            for sound, example in zip(expected, examples, strict=True)
        ]
        assert -10 * np.log10(np.mean(noise)) > least - 0.1
        rounded.append(sum(node.op_type == "QuantizeLinear" for node in small.graph.node))
    assert rounded[0] > rounded[1] > 0
    with pytest.raises(ValueError, match="at least one example"):
        quantize_convolutions(model, [])


@pytest.mark.parametrize(("rows", "threads"), [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (3, 2)])
def test_rows_give_the_sound_of_one_row(
    network: AcousticNetwork, floats: Path, example: dict[str, NDArray[np.float32]], rows: int, threads: int
) -> None:
    options = SessionOptions(device="cpu", threads=threads, engine="onnxruntime")
    vocoder = open_vocoder(floats / VOCODER, ("latent", "timbre"), options, exact=True, apart=True)
    whole = run(floats, example)
    for frames in (120, 119, 30, 1):
        part = {"latent": example["latent"][:, :, :frames], "timbre": example["timbre"]}
        expected = run(floats, part)
        found = vocode_in_rows(vocoder, **part, rows=rows, reach=network.dec.reach, hop=HOP)
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < 1e-5 * np.abs(whole).max()


def test_windows_give_the_sound_of_the_whole(
    network: AcousticNetwork, floats: Path, example: dict[str, NDArray[np.float32]]
) -> None:
    graph = Graph(floats / VOCODER, ("latent", "timbre"), ("audio",), SessionOptions(device="cpu", threads=1))
    for frames, cuts in ((120, [16, 64, 120]), (64, [16, 64]), (63, [16, 63]), (31, [31]), (1, [1])):
        part = {"latent": example["latent"][:, :, :frames], "timbre": example["timbre"]}
        expected = run(floats, part)[0]
        found = list(vocode_in_windows(graph, **part, first=16, rows=2, reach=network.dec.reach, hop=HOP))
        assert list(np.cumsum([len(piece) for piece in found])) == [HOP * cut for cut in cuts]
        assert np.abs(np.concatenate(found) - expected).max() < 1e-5 * np.abs(expected).max()
