"""Stage one in every precision: runs, stays near float32, holds each weight once; and what the measures of loss say."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from tests.helpers.nets_weights import fill
from timbral.audio.measures import log_mel_distance, relative_error, signal_to_noise
from timbral.conversion.export.fp16 import to_fp16
from timbral.conversion.export.precision import Precision
from timbral.conversion.export.semantic import WEIGHTS, export_semantic
from timbral.conversion.export.weights import write_graphs
from timbral.inference.semantic.onnx_backend import OnnxBackend
from timbral.inference.semantic.teacher_forcing import argmax_agreement, teacher_forced
from timbral.inference.sessions import Device, SessionOptions
from timbral.models.files import SEMANTIC_PREFILL, SEMANTIC_STEP, variant
from timbral.nets.semantic import SemanticConfig, SemanticTransformer

pytestmark = pytest.mark.usefixtures("traced")

ERROR: dict[Precision, float] = {"fp32": 0.0, "fp16": 0.002, "int8": 0.03, "int4": 0.2}
"""Largest relative error of the logits."""
AGREEMENT: dict[Precision, float] = {"fp32": 1.0, "fp16": 0.95, "int8": 0.9, "int4": 0.5}
"""Smallest share of equal argmaxes; random weights have no clear favourites."""
SIZE: dict[Precision, float] = {"fp32": 1.0, "fp16": 0.51, "int8": 0.30, "int4": 0.24}
"""Largest share of the float32 weights, of which tables are a third here."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Precision, Path]:
    model = SemanticTransformer(SemanticConfig(hidden=128, layers=2, heads=4, feed_forward=512)).eval()
    fill(model, seed=1)
    found: dict[Precision, Path] = {"fp32": tmp_path_factory.mktemp("fp32")}
    export_semantic(model, found["fp32"])
    for precision in ("fp16", "int8", "int4"):
        found[precision] = tmp_path_factory.mktemp(precision)
        graphs = {name: onnx.load(found["fp32"] / name) for name in (SEMANTIC_PREFILL, SEMANTIC_STEP)}
        write_graphs(found[precision], graphs, WEIGHTS, precision)
    return found


def logits(folder: Path, device: Device = "cpu") -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    options = SessionOptions(device=device, threads=1)
    runner = OnnxBackend.open(
        folder / SEMANTIC_PREFILL, folder / SEMANTIC_STEP, options, slots=1, capacity=100
    )
    features = rng.standard_normal((20, 1024)).astype(np.float32)
    return teacher_forced(runner, rng.integers(0, 732, 20), features, rng.integers(0, 1024, 50), prompt=10)


@pytest.mark.parametrize("precision", ["fp16", "int8", "int4"])
def test_near_float32_and_small(folders: dict[Precision, Path], precision: Precision) -> None:
    reference, found = logits(folders["fp32"]), logits(folders[precision])
    assert found.shape == (41, 1025)
    assert 0 < relative_error(reference, found) < ERROR[precision]
    assert argmax_agreement(reference, found) > AGREEMENT[precision]
    sizes = [(folders[name] / WEIGHTS).stat().st_size for name in ("fp32", precision)]
    assert sizes[1] / sizes[0] < SIZE[precision]


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "int4"])
def test_both_graphs_point_to_the_same_weights(folders: dict[Precision, Path], precision: Precision) -> None:
    places = []
    for name in (SEMANTIC_PREFILL, SEMANTIC_STEP):
        model = onnx.load(folders[precision] / name, load_external_data=False)
        places.append(
            {
                next(entry.value for entry in tensor.external_data if entry.key == "offset")
                for tensor in model.graph.initializer
                if tensor.external_data
            }
        )
    assert len(places[1]) > 8
    assert places[1] <= places[0], "prefill has all that step has, and bert_proj"
    stored = sum((folders[precision] / name).stat().st_size for name in (SEMANTIC_PREFILL, SEMANTIC_STEP))
    assert stored < 0.1 * (folders["fp32"] / WEIGHTS).stat().st_size


def test_on_cuda_stage_one_computes_in_half_over_the_same_weights(
    tmp_path: Path, folders: dict[Precision, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which graphs a runner would open there, run by the CPU."""
    model = SemanticTransformer(SemanticConfig(hidden=128, layers=2, heads=4, feed_forward=512)).eval()
    fill(model, seed=1)
    export_semantic(model, tmp_path, "fp16")
    assert (tmp_path / WEIGHTS).stat().st_size < 1.05 * (folders["fp16"] / WEIGHTS).stat().st_size
    on_cpu = logits(tmp_path)
    np.testing.assert_array_equal(on_cpu, logits(folders["fp16"]))
    monkeypatch.setattr(
        "timbral.inference.semantic.onnx_backend.on_cuda", lambda options: options.device != "cpu"
    )
    found = logits(tmp_path, device="auto")
    assert 0 < relative_error(on_cpu, found) < 0.01
    half = onnx.load(tmp_path / variant(SEMANTIC_STEP, "fp16"), load_external_data=False)
    types = {item.name: item.type.tensor_type.elem_type for item in (*half.graph.input, *half.graph.output)}
    assert types["logits"] == TensorProto.FLOAT
    assert types["key_0"] == types["value_1_next"] == TensorProto.FLOAT16


def test_prefill_computes_in_half(folders: dict[Precision, Path]) -> None:
    model = onnx.load(folders["fp32"] / SEMANTIC_PREFILL)
    rng = np.random.default_rng(0)
    inputs = {
        "phones": rng.integers(0, 732, (1, 20)),
        "phone_lengths": np.array([17]),
        "prompt": rng.integers(0, 1024, (1, 9)),
        "prompt_lengths": np.array([9]),
        "bert": rng.standard_normal((1, 1024, 20)).astype(np.float32),
    }
    reference, found = (
        onnxruntime.InferenceSession(graph.SerializeToString()).run(["logits"], inputs)[0]
        for graph in (model, to_fp16(model))
    )
    assert relative_error(reference, found) < 0.01


def test_quantising_leaves_logging_alone(folders: dict[Precision, Path]) -> None:
    import logging

    assert logging.getLogger().level == logging.WARNING
    assert logging.root.manager.disable == logging.NOTSET


def test_measures_of_waveforms() -> None:
    rng = np.random.default_rng(0)
    sound = rng.standard_normal(32_000).astype(np.float32)
    noise = rng.standard_normal(32_000).astype(np.float32)
    assert signal_to_noise(sound, sound) == np.inf
    assert signal_to_noise(sound, sound + 0.01 * noise) == pytest.approx(40, abs=0.2)
    assert log_mel_distance(sound, sound, 32_000) == 0
    assert log_mel_distance(sound, 10 * sound, 32_000) == pytest.approx(20, abs=0.01)
    assert argmax_agreement(np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32)[::-1]) == 0
