"""Stage one, compiled: the network's own logits, whoever else is in the batch and however many threads there are."""

import gc
import platform
import shutil
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from timbral.errors import BundleError
from timbral.inference.semantic.backend import Backend, open_backend
from timbral.inference.semantic.native_backend import NativeBackend
from timbral.inference.semantic.onnx_backend import OnnxBackend
from timbral.inference.sessions import SessionOptions
from timbral.models.weights import read_parameters
from timbral.models.weights.graph_file import read_graph_file
from timbral.native.binding import library, usable_variants

pytestmark = pytest.mark.usefixtures("traced")

torch = pytest.importorskip("torch")
CPU = SessionOptions(device="cpu", threads=2)
ROWS, CAPACITY = 9, 90
CASES = {
    "8 bits": ("int8", 64, 16, 8, True),
    "8 bits, blocks of 128, large heads, no features": ("int8", 128, 64, 2, False),
    "8 bits, heads narrower than the stream": ("int8", 64, 16, 4, False),
    "4 bits": ("int4", 32, 32, 4, True),
}
"""Precision, block, head size, heads, and whether the model takes features."""
needs_kernels = pytest.mark.skipif(not usable_variants(), reason="no kernel runs on this processor")


@pytest.fixture(scope="module", params=CASES.values(), ids=list(CASES))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.helpers.nets_weights import fill
    from timbral.conversion.export import precision
    from timbral.conversion.export.semantic import export_semantic
    from timbral.nets.semantic import SemanticConfig, SemanticTransformer

    kind, block, size, heads, features = request.param
    config = SemanticConfig(128, 3, heads, 256, bert=features, head_size=size)
    model = SemanticTransformer(config).eval()
    fill(model, seed=1)
    found = tmp_path_factory.mktemp("kernels")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(precision.BLOCKS, 8 if kind == "int8" else 4, block)
        export_semantic(model, found, kind)
    return found


@pytest.fixture(params=usable_variants())
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def paths(folder: Path) -> tuple[Path, Path]:
    return folder / "semantic_prefill.onnx", folder / "semantic_step.onnx"


def open_kernel(folder: Path, variant: str, options: SessionOptions = CPU) -> NativeBackend:
    runner = NativeBackend.open(*paths(folder), options, slots=ROWS, capacity=CAPACITY, variant=variant)
    assert runner is not None
    return runner


def lines(folder: Path) -> list[tuple[NDArray[np.int64], NDArray[np.float32] | None, NDArray[np.int64]]]:
    """Phones, features and prompt of every row; the first has neither features nor prompt."""
    rng = np.random.default_rng(0)
    features = "bert_proj.bias" in read_parameters(paths(folder)[0])
    return [
        (
            rng.integers(0, 732, 3 + 2 * row),
            rng.standard_normal((3 + 2 * row, 1024)).astype(np.float32) if features and row else None,
            rng.integers(0, 1024, 5 * row),
        )
        for row in range(ROWS)
    ]


def spoken(runner: Backend, folder: Path, rows: list[int], steps: int = 20) -> NDArray[np.float32]:
    """Logits [rows, steps + 1, vocabulary] of those lines in the first rows, with the same tokens whoever is there."""
    tokens = np.random.default_rng(1).integers(0, 1024, (steps, ROWS))
    all_lines = lines(folder)
    found = [np.stack([runner.prefill(place, *all_lines[row]) for place, row in enumerate(rows)])]
    found += [runner.step(np.arange(len(rows)), step[rows]).copy() for step in tokens]
    return np.stack(found, axis=1)


def exact(folder: Path, row: int, steps: int = 20) -> NDArray[np.float32]:
    """The same of torch, with the weights as they are stored."""
    from timbral.nets.semantic import SemanticConfig, SemanticTransformer

    weights = read_parameters(paths(folder)[0])
    heads = read_graph_file(paths(folder)[1]).heads
    assert heads is not None
    size = weights["h.layers.0.self_attn.in_proj_weight"].shape[0] // (3 * heads)
    features_in = "bert_proj.bias" in weights
    network = SemanticTransformer(SemanticConfig(128, 3, heads, 256, bert=features_in, head_size=size)).eval()
    state = network.state_dict()
    for name, tensor in state.items():
        tensor.copy_(torch.from_numpy(np.ascontiguousarray(weights[name].read())).reshape(tensor.shape))
    phones, features, prompt = lines(folder)[row]
    tokens = np.random.default_rng(1).integers(0, 1024, (steps, ROWS))[:, row]
    if network.config.bert and features is None:
        features = np.zeros((len(phones), 1024), np.float32)
    with torch.inference_mode():
        logits = network(
            torch.from_numpy(phones)[None],
            torch.tensor([len(phones)]),
            torch.from_numpy(np.concatenate([prompt, tokens]))[None],
            torch.tensor([len(prompt) + steps]),
            None if features is None else torch.from_numpy(features.T.copy())[None],
        )
    found: NDArray[np.float32] = logits[0, len(prompt) :].numpy()
    return found


def error(expected: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def test_they_are_compiled_wherever_they_can_be() -> None:
    if sys.platform == "linux" and platform.machine() == "x86_64" and shutil.which("c++"):
        assert library() is not None


@needs_kernels
def test_logits_are_those_of_the_network_with_these_weights(folder: Path, variant: str) -> None:
    """But for inputs, keys and values of 8 bits; nearer than onnxruntime, which rounds the same."""
    rows = list(range(ROWS))
    found = spoken(open_kernel(folder, variant), folder, rows)
    graphs = OnnxBackend.open(*paths(folder), CPU, slots=ROWS, capacity=CAPACITY)
    others = spoken(graphs, folder, rows)
    for row in rows:
        expected = exact(folder, row)
        assert 0 < error(expected, found[row]) < 0.02
        assert error(expected, found[row]) < 1.5 * error(expected, others[row])


@needs_kernels
def test_logits_do_not_depend_on_the_batch_nor_on_threads(folder: Path, variant: str) -> None:
    """To the last bit: where sums round otherwise in company, another token is drawn soon."""
    runner = open_kernel(folder, variant)
    alone = [spoken(runner, folder, [row])[0] for row in range(ROWS)]
    for rows in ([0, 1], [2, 0, 5], [8, 7, 6, 5], [6, 1, 2, 3, 4], list(range(ROWS))):
        for row, values in zip(rows, spoken(runner, folder, rows), strict=True):
            np.testing.assert_array_equal(values, alone[row])
    for threads in (1, 3, 8):
        other = open_kernel(folder, variant, replace(CPU, threads=threads))
        np.testing.assert_array_equal(spoken(other, folder, [3])[0], alone[3])


@pytest.mark.skipif("amx" not in usable_variants(), reason="this processor has no registers for matrices")
def test_matrix_registers_give_the_logits_of_vectors(folder: Path) -> None:
    rows = list(range(ROWS))
    by_matrices, by_vectors = (spoken(open_kernel(folder, name), folder, rows) for name in ("amx", "avx512"))
    np.testing.assert_array_equal(by_matrices, by_vectors)


@needs_kernels
def test_sleeping_threads_are_woken(folder: Path, variant: str) -> None:
    """Those that wait for no time at all sleep between steps."""
    patient, hasty = (open_kernel(folder, variant, replace(CPU, spin_us=spin)) for spin in (500, 0))
    np.testing.assert_array_equal(
        spoken(patient, folder, [4, 2], steps=60), spoken(hasty, folder, [4, 2], steps=60)
    )


@needs_kernels
def test_a_row_that_is_moved_goes_on_from_where_it_was(folder: Path, variant: str) -> None:
    runner = open_kernel(folder, variant)
    expected = spoken(runner, folder, [3])[0]
    tokens = np.random.default_rng(1).integers(0, 1024, (20, ROWS))[:, 3]
    runner.move(0, 5, back=8)
    runner.move(5, 1)
    for step in range(12, 20):
        found = runner.step(np.array([0, 1]), np.array([7, tokens[step]]))[1]
        np.testing.assert_array_equal(found, expected[step + 1])


@needs_kernels
def test_rows_may_rest_while_others_go_on(folder: Path, variant: str) -> None:
    runner = open_kernel(folder, variant)
    expected = spoken(runner, folder, [0, 1, 2, 3])
    tokens = np.random.default_rng(1).integers(0, 1024, (20, ROWS))
    for place, line in enumerate(lines(folder)[:4]):
        runner.prefill(place, *line)
    steps = np.zeros(ROWS, np.int64)
    for slots in ([1, 3], [3], [0, 1, 3], [0, 2], [1, 2, 3], [0, 1, 2, 3]):
        found = runner.step(np.array(slots), tokens[steps[slots], slots])
        steps[slots] += 1
        np.testing.assert_array_equal(found, expected[slots, steps[slots]])


@needs_kernels
def test_rows_can_be_filled_to_the_capacity_and_no_further(folder: Path, variant: str) -> None:
    runner = open_kernel(folder, variant)
    places = -(-CAPACITY // 16) * 16
    runner.prefill(0, np.arange(20), None, np.arange(places - 21))
    assert np.isfinite(runner.step(np.array([0]), np.array([1]))).all()
    with pytest.raises(ValueError, match="places"):
        runner.step(np.array([0]), np.array([1]))
    with pytest.raises(ValueError, match="places"):
        runner.prefill(0, np.arange(20), None, np.arange(places - 19))


@needs_kernels
def test_ids_beyond_the_tables_are_refused(folder: Path, variant: str) -> None:
    runner = open_kernel(folder, variant)
    with pytest.raises(IndexError):
        runner.prefill(0, np.array([732]), None, np.zeros(0, np.int64))
    runner.prefill(0, np.array([731]), None, np.zeros(0, np.int64))
    with pytest.raises(IndexError):
        runner.step(np.array([0]), np.array([1025]))


@needs_kernels
def test_runners_come_and_go(folder: Path, variant: str) -> None:
    """Threads end with their runner."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("nothing tells how many threads there are")

    def count() -> int:
        return int(status.read_text().split("Threads:")[1].split()[0])

    spoken(open_kernel(folder, variant), folder, [0])
    gc.collect()
    before = count()
    for _ in range(5):
        runner = open_kernel(folder, variant, replace(CPU, threads=4))
        runner.prefill(0, np.arange(3), None, np.arange(3))
        del runner
    gc.collect()
    assert count() <= before


@needs_kernels
def test_few_bits_are_run_by_a_kernel(folder: Path) -> None:
    assert isinstance(open_backend(*paths(folder), CPU, slots=1, capacity=20), NativeBackend)


def test_other_precisions_are_run_by_onnxruntime(tmp_path: Path) -> None:
    from timbral.conversion.export.semantic import export_semantic
    from timbral.nets.semantic import SemanticConfig, SemanticTransformer

    export_semantic(SemanticTransformer(SemanticConfig(64, 1, 2, 128)).eval(), tmp_path, "fp32")
    assert isinstance(open_backend(*paths(tmp_path), CPU, slots=1, capacity=20), OnnxBackend)


@pytest.fixture
def tampered(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "bundle"))


@needs_kernels
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("h.layers.1.linear1.bias", [16]),
        ("h.layers.2.norm2.weight", [64]),
        ("h.layers.0.self_attn.in_proj_weight.T_Q", [96, 2, 64]),
        ("h.layers.0.linear2.weight.T_scales", [8]),
        ("h.layers.1.self_attn.out_proj.weight.T_Q", [128, 4, 32]),
        ("ar_audio_embedding.word_embeddings.weight_rows", [512, 128]),
    ],
)
def test_shapes_that_do_not_go_together_never_reach_a_kernel(
    tampered: Path, name: str, shape: list[int]
) -> None:
    import onnx

    path = paths(tampered)[0]
    graph = onnx.load(path, load_external_data=False)
    for constant in graph.graph.initializer:
        if constant.name.startswith(name):
            constant.dims[:] = shape
    onnx.save(graph, path)
    with suppress(BundleError):
        assert NativeBackend.open(*paths(tampered), CPU, slots=1, capacity=20) is None


@needs_kernels
def test_matrices_stored_the_other_way_round_never_reach_a_kernel(tampered: Path) -> None:
    import onnx

    path = paths(tampered)[0]
    graph = onnx.load(path, load_external_data=False)
    names = [constant.name for constant in graph.graph.initializer if ".linear1.weight.T_Q" in constant.name]
    for item in (*graph.graph.initializer, *graph.graph.node):
        if isinstance(item, onnx.TensorProto):
            item.name = item.name.replace(".linear1.weight.T_", ".linear1.weight_")
        else:
            item.input[:] = [name.replace(".linear1.weight.T_", ".linear1.weight_") for name in item.input]
    onnx.save(graph, path)
    assert names
    assert NativeBackend.open(*paths(tampered), CPU, slots=1, capacity=20) is None


@needs_kernels
def test_nothing_to_read_is_refused(folder: Path, variant: str) -> None:
    nothing = np.zeros(0, np.int64)
    with pytest.raises(ValueError, match="places"):
        open_kernel(folder, variant).prefill(0, nothing, None, nothing)


@needs_kernels
def test_missing_weights_are_a_clear_error(tampered: Path) -> None:
    import onnx

    path = paths(tampered)[0]
    graph = onnx.load(path, load_external_data=False)
    kept = [constant for constant in graph.graph.initializer if constant.name != "h.layers.1.norm1.bias"]
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(kept)
    onnx.save(graph, path)
    with pytest.raises(BundleError, match=r"no h\.layers\.1\.norm1\.bias"):
        NativeBackend.open(*paths(tampered), CPU, slots=1, capacity=20)
