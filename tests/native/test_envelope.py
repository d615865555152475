"""The vocoder of sovits-tiny, compiled: near the network with its weights, and the same for any callers."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from timbral.audio.measures import relative_error, signal_to_noise
from timbral.inference.acoustic.source_filter_vocoder import CompiledVocoder, open_compiled
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models import SourceFilter
from timbral.models.files import VOCODER
from timbral.models.weights import Adapter, LowRank, read_parameters
from timbral.native.binding import usable_variants

torch = pytest.importorskip("torch")

from tests.helpers.broken_bundles import append_to_output  # noqa: E402
from tests.helpers.graph_precisions import write_precisions  # noqa: E402
from tests.helpers.nets_weights import fill  # noqa: E402
from timbral.conversion.export.source_filter import vocoder_graph  # noqa: E402
from timbral.nets.source_filter import SourceFilterConfig, SourceFilterVocoder  # noqa: E402

pytestmark = [
    pytest.mark.skipif(not usable_variants(), reason="no kernel runs on this processor"),
    pytest.mark.usefixtures("traced"),
]
CPU = SessionOptions(device="cpu", threads=1)
INPUTS = ("latent", "timbre", "f0", "phase", "noise", "residuals")
Floats = NDArray[np.float32]
CONFIG = SourceFilterConfig(
    hidden=64, latent=24, vocoder_blocks=2, condition=64, envelope=40, rate=16_000, hop=160
)
SHAPE = SourceFilter(
    kind="source-filter",
    hop=CONFIG.hop,
    frames_per_token=4,
    context_tokens=8,
    chunk_tokens=24,
    timbre_size=CONFIG.timbre,
    envelope=CONFIG.envelope,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the graph of one network in `fp32` and `int8`."""
    vocoder = SourceFilterVocoder(CONFIG).eval()
    fill(vocoder, seed=4)
    folder = tmp_path_factory.mktemp("vocoder")
    return write_precisions(folder, VOCODER, vocoder_graph(vocoder), ("fp32", "int8"))


@pytest.fixture(params=usable_variants())
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def opened(folder: Path, variant: str, options: SessionOptions = CPU) -> CompiledVocoder:
    vocoder = open_compiled(folder / "int8" / VOCODER, SHAPE, CONFIG.rate, options, variant)
    assert vocoder is not None
    return vocoder


def example(frames: int = 60) -> dict[str, Floats]:
    rng = np.random.default_rng(frames)
    timbre = rng.standard_normal((1, CONFIG.timbre)) / 4
    timbre[0, 256:336] -= 6
    f0 = 150 + 40 * np.sin(np.arange(frames) / 9)
    drawn = {
        "latent": rng.standard_normal((1, CONFIG.latent, frames)),
        "timbre": timbre,
        "f0": f0[None],
        "phase": np.cumsum(f0 * CONFIG.hop / CONFIG.rate)[None] % 1,
        "noise": rng.standard_normal((1, frames * CONFIG.hop)),
        "residuals": rng.standard_normal((1, 7, 2, CONFIG.envelope)) / 4,
    }
    return {name: values.astype(np.float32) for name, values in drawn.items()}


def graph_audio(folder: Path, options: SessionOptions = CPU) -> Floats:
    return Graph(folder / "int8" / VOCODER, INPUTS, ("audio",), options)(example())[0]


def test_it_computes_the_network_with_these_weights(folder: Path, variant: str) -> None:
    """But for inputs of 8 bits; nearer to it than onnxruntime, which rounds frequencies as well."""
    network = SourceFilterVocoder(CONFIG).eval()
    weights = read_parameters(folder / "int8" / VOCODER)
    for name, tensor in network.state_dict().items():
        tensor.copy_(torch.from_numpy(np.ascontiguousarray(weights[name].read())).reshape(tensor.shape))
    with torch.inference_mode():
        expected = network(*(torch.from_numpy(example()[name]) for name in INPUTS)).numpy()
    (found,) = opened(folder, variant)(example())
    assert found.shape == expected.shape
    assert relative_error(found, expected) < max(1.2 * relative_error(graph_audio(folder), expected), 1e-3)
    assert signal_to_noise(expected[0], found[0]) > 20


def test_any_number_of_frames_and_callers(folder: Path, variant: str) -> None:
    vocoder = opened(folder, variant)
    lengths = (1, 2, 47, 49, 120)
    alone = {frames: vocoder(example(frames))[0] for frames in lengths}
    assert all(audio.shape == (1, frames * CONFIG.hop) for frames, audio in alone.items())
    with ThreadPoolExecutor(4) as pool:
        for frames, (audio,) in zip(lengths * 3, pool.map(vocoder, map(example, lengths * 3)), strict=True):
            assert np.array_equal(audio, alone[frames])
    for wrong in ({"latent": np.zeros((1, 5, 60), np.float32)}, {"f0": np.ones((1, 59), np.float32)}):
        with pytest.raises(ValueError, match="was given"):
            vocoder({**example(), **wrong})


def test_a_fine_tuned_voice_changes_it(folder: Path, variant: str) -> None:
    rng = np.random.default_rng(0)
    down, up = (rng.standard_normal(shape).astype(np.float16) for shape in ((1, 64), (192, 1)))
    options = replace(CPU, adapter=Adapter({"vocoder": {"blocks.1.up.weight": LowRank(down / 4, up / 4)}}))
    before, changed = opened(folder, variant)(example())[0], graph_audio(folder, options)
    assert signal_to_noise(changed[0], before[0]) < 15
    assert signal_to_noise(changed[0], opened(folder, variant, options)(example())[0][0]) > 20


def test_graphs_with_other_weights_are_left_to_onnxruntime(folder: Path) -> None:
    assert open_compiled(folder / "fp32" / VOCODER, SHAPE, CONFIG.rate, CPU) is None
    assert (
        open_compiled(folder / "int8" / VOCODER, SHAPE, CONFIG.rate, replace(CPU, engine="onnxruntime"))
        is None
    )
    other = SHAPE.model_copy(update={"envelope": 64})
    assert open_compiled(folder / "int8" / VOCODER, other, CONFIG.rate, CPU) is None


def test_graphs_that_compute_something_else_as_well_are_left_to_onnxruntime(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder / "int8", tmp_path / "model")
    append_to_output(tmp_path / "model" / VOCODER, "audio", ("Mul", {"factor": np.array(0, np.float32)}))
    assert open_compiled(tmp_path / "model" / VOCODER, SHAPE, CONFIG.rate, CPU) is None
