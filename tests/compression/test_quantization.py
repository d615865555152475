"""Quantised models: the weights that they say they have, the size that was asked for, and speech."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import timbral
from timbral.errors import CompressionError
from timbral.inference.semantic.native_backend import NativeBackend
from timbral.inference.semantic.onnx_backend import OnnxBackend
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle, embedded_path, files, read_bundle, write_manifest
from timbral.models.weights import read_parameters
from timbral.native.binding import usable_variants

pytest.importorskip("torch")
pytest.importorskip("onnx")

from timbral.compression.quantization.float_graphs import (
    FloatModel,
    Weight,
    read_float_model,
)
from timbral.compression.quantization.formats import (
    FORMATS,
    PRECISIONS,
    Format,
    Rounded,
    nearest,
)
from timbral.compression.quantization.gptq import gptq, output_error
from timbral.compression.quantization.quantize import quantize
from timbral.compression.quantization.rewriting import write_model
from timbral.compression.quantization.search import Candidate, within_bytes, within_loss
from timbral.compression.quantization.settings import QuantizationSettings

CPU = SessionOptions(device="cpu", threads=2)


def quiet(what: str, share: float) -> None:
    pass


@pytest.fixture(scope="module")
def embedded() -> tuple[Bundle, FloatModel]:
    bundle = read_bundle(embedded_path())
    return bundle, read_float_model(bundle)


def test_files_with_several_links_are_read(embedded: tuple[Bundle, FloatModel], tmp_path: Path) -> None:
    """As uv makes them, which links packages to its cache; onnx itself refuses them."""
    bundle, model = embedded
    for name in (*bundle.manifest.files, files.MANIFEST):
        (tmp_path / name).hardlink_to(bundle.folder / name)
    linked = read_float_model(read_bundle(tmp_path, verify=False))
    assert linked.graphs.keys() == model.graphs.keys()
    for name, graph in model.graphs.items():
        assert linked.graphs[name].model == graph.model


def written(
    folder: Path, embedded: tuple[Bundle, FloatModel], formats: dict[str, Format]
) -> dict[str, Rounded]:
    bundle, model = embedded
    folder.mkdir()
    rounded = {key: nearest(weight, formats[key]) for key, weight in model.weights.items()}
    write_model(folder, model, rounded)
    for name in bundle.manifest.files:
        if not (folder / name).exists():
            (folder / name).write_bytes((bundle.folder / name).read_bytes())
    write_manifest(folder, bundle.manifest.model_dump(exclude={"format", "files"}))
    return rounded


@pytest.fixture(scope="module")
def mixed(
    embedded: tuple[Bundle, FloatModel], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Rounded]]:
    """The embedded model with a format of each kind in turn, those of a file of its own beside each other."""
    folder = tmp_path_factory.mktemp("mixed") / "model"
    formats = {}
    for number, (key, weight) in enumerate(sorted(embedded[1].weights.items())):
        possible = [each for each in FORMATS[weight.kind] if each.block <= 64]
        formats[key] = possible[number % len(possible)]
    return folder, written(folder, embedded, formats)


def test_the_weights_of_graphs_are_the_rounded_ones(
    embedded: tuple[Bundle, FloatModel], mixed: tuple[Path, dict[str, Rounded]]
) -> None:
    folder, rounded = mixed
    forms = set()
    for name, graph in embedded[1].graphs.items():
        parameters = read_parameters(folder / name)
        for own, key in graph.weights.items():
            parameter = parameters[own.removesuffix(".T")]
            forms.add(parameter.form)
            value = rounded[key].value
            read = parameter.read()
            assert np.array_equal(read if read.shape == value.shape else read.T, value)
    assert forms == {"_half", "_rows", "_halves", "_Q8", "_Q4"}


def test_weights_of_every_format_can_be_changed_by_an_adapter(mixed: tuple[Path, dict[str, Rounded]]) -> None:
    for graph in (files.SEMANTIC_PREFILL, files.LATENT):
        for parameter in read_parameters(mixed[0] / graph).values():
            if parameter.form in ("_Q4", "_Q8", "_halves", "_rows") and parameter.exchangeable:
                value = parameter.read()
                again = parameter.read(parameter.packed(value))
                assert np.abs(again - value).max() <= 0.08 * np.abs(value).max()


@pytest.mark.skipif(not usable_variants(), reason="no kernel runs on this processor")
def test_kernels_read_a_stage_one_of_several_formats(mixed: tuple[Path, dict[str, Rounded]]) -> None:
    paths = mixed[0] / files.SEMANTIC_PREFILL, mixed[0] / files.SEMANTIC_STEP
    kernel = NativeBackend.open(*paths, CPU, slots=2, capacity=100)
    assert kernel is not None
    graphs = OnnxBackend.open(*paths, CPU, slots=2, capacity=100)
    phones, tokens = np.arange(20) * 7, np.arange(12) * 11
    for backend in (kernel, graphs):
        backend.prefill(0, phones, None, tokens)
    pair = [
        kernel.step(np.array([0]), np.array([5]))[0].copy(),
        graphs.step(np.array([0]), np.array([5]))[0].copy(),
    ]
    assert np.linalg.norm(pair[0] - pair[1]) < 0.05 * np.linalg.norm(pair[1])


def test_a_mixture_speaks(mixed: tuple[Path, dict[str, Rounded]]) -> None:
    report = timbral.load(mixed[0], languages=()).say("The mixture of all formats speaks.", seed=1).report
    assert 1 < report.audio_s < 6


@pytest.mark.parametrize(("precision", "share"), [("int8", 0.97), ("int4", 0.65)])
def test_one_precision_for_all(tmp_path: Path, precision: str, share: float) -> None:
    settings = QuantizationSettings(precision=precision, rounding="nearest")
    quantize(embedded_path(), tmp_path / "out", settings, quiet)
    bundle, parent = read_bundle(tmp_path / "out"), read_bundle(embedded_path())
    assert bundle.size < share * parent.size
    assert bundle.manifest.precision == precision
    assert bundle.manifest.base == parent.manifest.base, "voices that were fine-tuned on the parent fit"


@pytest.mark.parametrize("family", ["v2", "v2Pro", "v3", "v4"])
def test_every_family_is_measured_and_meets_a_loss(
    official_bundles: dict[str, Path], tmp_path: Path, family: str
) -> None:
    quantize(official_bundles[family], tmp_path / "out", QuantizationSettings(loss=0.5), quiet)
    bundle, parent = read_bundle(tmp_path / "out"), read_bundle(official_bundles[family])
    assert bundle.size < parent.size
    forms = {
        parameter.form
        for name in bundle.manifest.files
        if name.endswith(".onnx")
        for parameter in read_parameters(bundle.folder / name).values()
    }
    assert forms & {"_Q4", "_Q8"}
    timbral.load(bundle.folder, languages=())


def test_a_size_that_cannot_be_is_refused(official_bundles: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(CompressionError, match="at best"):
        quantize(official_bundles["v2"], tmp_path / "out", QuantizationSettings(size=1000), quiet)
    assert not (tmp_path / "out").exists()


@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 50), st.floats(0, 10)), min_size=1, max_size=3),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 150),
)
def test_the_search_keeps_its_bound(items: list[list[tuple[int, float]]], most: int) -> None:
    candidates = {
        str(number): [Candidate(Format(4), size, loss) for size, loss in each]
        for number, each in enumerate(items)
    }
    least = sum(min(each.bytes for each in weight) for weight in candidates.values())
    chosen = within_bytes(candidates, most)
    assert sum(each.bytes for each in chosen.values()) <= max(most, least)
    best = sum(min(each.loss for each in weight) for weight in candidates.values())
    everything = within_bytes(candidates, 10**6)
    assert sum(each.loss for each in everything.values()) == pytest.approx(best)
    lossy = within_loss(candidates, best + 1)
    assert sum(each.loss for each in lossy.values()) <= best + 1 + 1e-9


def test_gptq_has_less_error_than_rounding_to_the_nearest() -> None:
    """On inputs that depend on each other, as activations do."""
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((2000, 24)) @ rng.standard_normal((24, 200)) + 0.1 * rng.standard_normal(
        (2000, 200)
    )
    moments = (inputs.T @ inputs).astype(np.float32)
    weight = Weight("w", "product", rng.standard_normal((48, 200)).astype(np.float32))
    for wanted in (Format(4, 32), Format(3, 128)):
        plain = output_error(weight, nearest(weight, wanted), moments)
        assert output_error(weight, gptq(weight, wanted, moments), moments) < 0.6 * plain
    dead = np.zeros_like(moments)
    assert np.array_equal(gptq(weight, Format(4, 32), dead).value, nearest(weight, Format(4, 32)).value), (
        "inputs that never come"
    )


def test_the_formats_of_a_precision_are_those_of_the_importer(embedded: tuple[Bundle, FloatModel]) -> None:
    """Stage one, which was exported in int8, loses at most half a step by being written in int8 again."""
    weights = [each for each in embedded[1].weights.values() if each.users[0][0].startswith("semantic")]
    assert len(weights) > 20
    for weight in weights:
        rounded = nearest(weight, PRECISIONS["int8"][weight.kind])
        assert np.abs(rounded.value - weight.value).max() <= 6e-3 * max(1e-9, np.abs(weight.value).max())
