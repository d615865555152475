"""The compiled vocoder: near the float sound, the same for any number of threads and callers, with the changes of a voice."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from timbral.audio.measures import signal_to_noise
from timbral.inference.acoustic.networks import open_vocoder, open_vocoder_kernel
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models.files import VOCODER
from timbral.models.weights import Adapter, LowRank
from timbral.native.binding import vocoder_variants
from timbral.native.vocoder import VocoderKernel, VocoderWeights

torch = pytest.importorskip("torch")

from tests.helpers.nets_weights import SMALL_ACOUSTIC, fill  # noqa: E402
from timbral.conversion.export import acoustic  # noqa: E402
from timbral.conversion.export.calibration import quantize_convolutions  # noqa: E402
from timbral.conversion.export.conv2d import convolutions_to_2d  # noqa: E402
from timbral.conversion.export.weights import write_graphs  # noqa: E402
from timbral.nets.acoustic import AcousticNetwork  # noqa: E402
from timbral.nets.normalization import fold_weight_norm  # noqa: E402

pytestmark = pytest.mark.skipif(
    not vocoder_variants(), reason="no kernel of the vocoder runs on this processor"
)
CPU = SessionOptions(device="cpu", threads=2)
Floats = NDArray[np.float32]
WIDTHS = {"whole tiles": 64, "half a tile left over": 96}
"""Channels before the first upsampling; the residual blocks have a half and a quarter of them."""


@pytest.fixture(scope="module", params=WIDTHS.values(), ids=list(WIDTHS))
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the graphs of one network in `fp32` and `int8`."""
    network = AcousticNetwork(replace(SMALL_ACOUSTIC, upsample_channels=request.param)).eval()
    fill(network, seed=2)
    fold_weight_norm(network)
    convolutions_to_2d(network.dec)
    floats = acoustic._vocoder(network)
    folder = tmp_path_factory.mktemp("vocoder")
    for name, graph in (("fp32", floats), ("int8", quantize_convolutions(floats, [example(30)], 30.0))):
        write_graphs(folder / name, {VOCODER: graph}, acoustic.WEIGHTS, name)
    return folder


@pytest.fixture(params=vocoder_variants())
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def example(frames: int) -> dict[str, Floats]:
    rng = np.random.default_rng(frames)
    return {
        "latent": rng.standard_normal((1, 16, frames)).astype(np.float32),
        "timbre": rng.standard_normal((1, 512)).astype(np.float32) / 8,
    }


def expected(folder: Path, inputs: dict[str, Floats], options: SessionOptions = CPU) -> Floats:
    return Graph(folder / VOCODER, ("latent", "timbre"), ("audio",), options)(inputs)[0]


def opened(folder: Path, variant: str, options: SessionOptions = CPU) -> VocoderKernel:
    kernel = open_vocoder_kernel(folder / VOCODER, options, variant)
    assert kernel is not None
    return kernel


def test_it_is_near_the_float_sound(folders: Path, variant: str) -> None:
    kernel = opened(folders / "int8", variant)
    for frames in (1, 2, 31, 120):
        inputs = example(frames)
        sound = expected(folders / "fp32", inputs)
        (found,) = kernel(inputs)
        assert found.shape == sound.shape == (1, 80 * frames)
        assert signal_to_noise(sound[0], found[0]) > 25


def test_samples_depend_neither_on_threads_nor_on_other_callers(folders: Path, variant: str) -> None:
    kernel = opened(folders / "int8", variant, SessionOptions(device="cpu", threads=3))
    alone = opened(folders / "int8", variant, SessionOptions(device="cpu", threads=1))
    lengths = (70, 9, 44, 121) * 3
    sounds = {frames: alone(example(frames))[0] for frames in set(lengths)}
    with ThreadPoolExecutor(4) as pool:
        for frames, (found,) in zip(lengths, pool.map(lambda n: kernel(example(n)), lengths), strict=True):
            assert np.array_equal(found, sounds[frames])


@pytest.mark.skipif("amx" not in vocoder_variants(), reason="this processor has no registers for matrices")
def test_matrix_registers_give_the_samples_of_vectors(folders: Path) -> None:
    for frames in (1, 17, 120):
        by_matrices, by_vectors = (
            opened(folders / "int8", name)(example(frames)) for name in ("amx", "avx512")
        )
        assert np.array_equal(by_matrices, by_vectors)


def test_a_fine_tuned_voice_changes_it(folders: Path, variant: str) -> None:
    weights = VocoderWeights.of(folders / "int8" / VOCODER)
    assert weights is not None
    rng = np.random.default_rng(0)
    changes = {}
    for name in ("dec.resblocks.0.convs1.0", "dec.ups.1"):
        outputs, *rest = weights.weight(name).shape
        matrices = (
            rng.standard_normal(shape).astype(np.float16) for shape in ((1, np.prod(rest)), (outputs, 1))
        )
        down, up = matrices
        changes[f"{name}.weight"] = LowRank(down / 4, up / 4)
    options = replace(CPU, adapter=Adapter({"vocoder": changes}))
    inputs = example(40)
    changed = expected(folders / "fp32", inputs, options)
    assert signal_to_noise(changed[0], expected(folders / "fp32", inputs)[0]) < 15
    assert signal_to_noise(changed[0], opened(folders / "int8", variant, options)(inputs)[0][0]) > 25


def test_it_takes_8_bit_vocoders_only(folders: Path) -> None:
    assert open_vocoder_kernel(folders / "fp32" / VOCODER, CPU) is None
    network = open_vocoder(folders / "int8" / VOCODER, ("latent", "timbre"), CPU, exact=False)
    assert isinstance(network, VocoderKernel)


def test_other_shapes_are_refused(folders: Path, variant: str) -> None:
    inputs = example(5)
    with pytest.raises(ValueError, match="16 channels"):
        opened(folders / "int8", variant)({"latent": inputs["latent"][:, :9], "timbre": inputs["timbre"]})
