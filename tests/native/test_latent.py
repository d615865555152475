"""The latent network of sovits-tiny, compiled: near the network with its weights, whichever frames are asked for."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from timbral.audio.measures import relative_error
from timbral.inference.acoustic.latent_network import LatentGraph, open_latent_kernel
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models import SourceFilter
from timbral.models.files import LATENT
from timbral.models.weights import Adapter, LowRank, read_parameters
from timbral.native.binding import usable_variants
from timbral.native.latent import LatentKernel

torch = pytest.importorskip("torch")

from tests.helpers.graph_precisions import write_precisions  # noqa: E402
from tests.helpers.nets_weights import fill  # noqa: E402
from timbral.conversion.export.source_filter import latent_graph  # noqa: E402
from timbral.nets.source_filter import LatentNet, SourceFilterConfig  # noqa: E402

pytestmark = [
    pytest.mark.skipif(not usable_variants(), reason="no kernel runs on this processor"),
    pytest.mark.usefixtures("traced"),
]
CPU = SessionOptions(device="cpu", threads=1)
TOKENS, TIMBRE, PHONES = 40, 417, 30
Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
SMALL = SourceFilterConfig(
    vocabulary=50,
    phonemes=PHONES,
    timbre=TIMBRE,
    hidden=128,
    latent=24,
    token_blocks=2,
    frame_blocks=2,
    vocoder_blocks=1,
    condition=64,
)
CONFIGS = {
    "two passes": SMALL,
    "without phones": replace(SMALL, phonemes=0),
    "one pass, other sizes": replace(
        SMALL, passes=1, hidden=64, expansion=4, kernel=5, token_kernel=3, frames_per_token=2
    ),
}


def shape_of(config: SourceFilterConfig) -> SourceFilter:
    return SourceFilter(
        kind="source-filter",
        hop=config.hop,
        frames_per_token=config.frames_per_token,
        context_tokens=config.context_tokens,
        chunk_tokens=24,
        timbre_size=config.timbre,
        phones=bool(config.phonemes),
        passes=config.passes,
    )


@pytest.fixture(scope="module", params=CONFIGS.values(), ids=list(CONFIGS))
def config(request: pytest.FixtureRequest) -> SourceFilterConfig:
    config: SourceFilterConfig = request.param
    return config


@pytest.fixture(scope="module")
def folders(config: SourceFilterConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the graphs of one network in `fp32`, `int8` and `int4`."""
    latent = LatentNet(config).eval()
    fill(latent, seed=3)
    folder = tmp_path_factory.mktemp("latent")
    return write_precisions(folder, LATENT, latent_graph(latent), ("fp32", "int8", "int4"))


@pytest.fixture(params=usable_variants())
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def example(config: SourceFilterConfig, seed: int = 0) -> tuple[Ids, Ids | None, Floats]:
    rng = np.random.default_rng(seed)
    timbre = rng.standard_normal((1, TIMBRE)).astype(np.float32) / 4
    timbre[0, -1] = 7.5
    phones = rng.integers(0, PHONES, (TOKENS, 2)) if config.phonemes else None
    return rng.integers(0, config.vocabulary, TOKENS), phones, timbre


def opened(
    folder: Path, config: SourceFilterConfig, variant: str, options: SessionOptions = CPU
) -> LatentKernel:
    kernel = open_latent_kernel(folder / LATENT, shape_of(config), options, variant)
    assert kernel is not None
    return kernel


def exact(folder: Path, config: SourceFilterConfig) -> tuple[Floats, Floats]:
    """Latent and F0 of torch, with the weights as they are stored."""
    network = LatentNet(config).eval()
    weights = read_parameters(folder / LATENT)
    for name, tensor in network.state_dict().items():
        tensor.copy_(torch.from_numpy(np.ascontiguousarray(weights[name].read())).reshape(tensor.shape))
    tokens, phones, timbre = example(config)
    given = torch.from_numpy(tokens)[None], torch.from_numpy(timbre)
    with torch.inference_mode():
        if phones is None:
            latent, f0 = network(*given)
        else:
            latent, f0 = network.speak(*given, torch.from_numpy(phones)[None])
    return latent.numpy(), f0.numpy()


def all_frames(config: SourceFilterConfig) -> slice:
    return slice(0, TOKENS * config.frames_per_token)


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_it_computes_the_network_with_these_weights(
    folders: Path, config: SourceFilterConfig, variant: str, precision: str
) -> None:
    """But for inputs of 8 bits; as near to it as onnxruntime, which rounds the same."""
    latent, f0 = exact(folders / precision, config)
    inputs = ("tokens", "timbre", *(("phones",) if config.phonemes else ()))
    graph = Graph(folders / precision / LATENT, inputs, ("latent", "f0"), CPU)
    rounded, melody = LatentGraph(graph, PHONES if config.phonemes else None)(
        *example(config), all_frames(config)
    )
    found, pitch = opened(folders / precision, config, variant)(*example(config), all_frames(config))
    assert found.shape == latent.shape
    assert pitch.shape == f0.shape
    assert relative_error(found, latent) < max(1.5 * relative_error(rounded, latent), 1e-3)
    assert np.abs(np.log2(pitch / f0)).mean() < max(1.5 * np.abs(np.log2(melody / f0)).mean(), 1e-4)


def test_a_frame_is_the_same_whatever_is_asked_for_with_it(
    folders: Path, config: SourceFilterConfig, variant: str
) -> None:
    """To the last bit: windows of a stream must fit."""
    kernel, given = opened(folders / "int8", config, variant), example(config)
    latent, f0 = kernel(*given, all_frames(config))
    for first, end in ((0, 1), (0, 30), (7, 8), (11, 52), (61, 80), (79, 80)):
        some, pitch = kernel(*given, slice(first, end))
        assert np.array_equal(some, latent[..., first:end])
        assert np.array_equal(pitch, f0[:, first:end])
    for first, end in ((0, 0), (5, 4), (-1, 3), (0, all_frames(config).stop + 1)):
        with pytest.raises(ValueError, match="there are no frames"):
            kernel(*given, slice(first, end))


def test_callers_do_not_disturb_each_other(folders: Path, config: SourceFilterConfig, variant: str) -> None:
    kernel = opened(folders / "int8", config, variant)
    alone = [kernel(*example(config, seed), all_frames(config))[0] for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = pool.map(lambda seed: kernel(*example(config, seed % 4), all_frames(config))[0], range(24))
        assert all(np.array_equal(found, alone[index % 4]) for index, found in enumerate(together))


def test_phones_that_are_not_known_have_a_number_of_their_own(
    folders: Path, config: SourceFilterConfig, variant: str
) -> None:
    tokens, phones, timbre = example(config)
    if phones is None:
        pytest.skip("this network has no phones")
    kernel, frames = opened(folders / "int8", config, variant), all_frames(config)
    unknown = kernel(tokens, np.full_like(phones, PHONES), timbre, frames)[0]
    assert np.array_equal(kernel(tokens, None, timbre, frames)[0], unknown)
    assert not np.array_equal(kernel(tokens, phones, timbre, frames)[0], unknown)


def test_a_fine_tuned_voice_changes_it(folders: Path, config: SourceFilterConfig, variant: str) -> None:
    rng = np.random.default_rng(0)
    changes = {}
    for name in ("frame_blocks.1.up.weight", "spread.weight"):
        outputs, inputs = read_parameters(folders / "int8" / LATENT)[name].shape
        down, up = (rng.standard_normal(shape).astype(np.float16) for shape in ((1, inputs), (outputs, 1)))
        changes[name] = LowRank(down / 8, up / 8)
    options = replace(CPU, adapter=Adapter({"latent": changes}))
    inputs = ("tokens", "timbre", *(("phones",) if config.phonemes else ()))
    graph = LatentGraph(
        Graph(folders / "int8" / LATENT, inputs, ("latent", "f0"), options),
        PHONES if config.phonemes else None,
    )
    given = *example(config), all_frames(config)
    before, changed = opened(folders / "int8", config, variant)(*given)[0], graph(*given)[0]
    assert relative_error(before, changed) > 0.1
    assert relative_error(opened(folders / "int8", config, variant, options)(*given)[0], changed) < 0.05


def test_graphs_with_other_weights_are_left_to_onnxruntime(folders: Path, config: SourceFilterConfig) -> None:
    shape = shape_of(config)
    assert open_latent_kernel(folders / "fp32" / LATENT, shape, CPU) is None
    assert open_latent_kernel(folders / "int8" / LATENT, shape, replace(CPU, engine="onnxruntime")) is None
    other = shape.model_copy(update={"timbre_size": 100})
    assert open_latent_kernel(folders / "int8" / LATENT, other, CPU) is None
