"""Keys and values in 8 bits: close to those in float32, left out where they keep to no range, optional for the engine."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.nets_weights import fill
from timbral.audio.measures import relative_error
from timbral.conversion.export.int8_kv_cache import cache_scales
from timbral.conversion.export.semantic import export_semantic
from timbral.inference.semantic import onnx_backend as engine
from timbral.inference.semantic.onnx_backend import OnnxBackend
from timbral.inference.semantic.teacher_forcing import teacher_forced
from timbral.inference.sessions import SessionOptions
from timbral.models.files import SEMANTIC_PREFILL, SEMANTIC_STEP, variant
from timbral.nets.semantic import BERT_CHANNELS, SemanticConfig, SemanticTransformer

pytestmark = pytest.mark.usefixtures("traced")

CONFIG = SemanticConfig(hidden=64, layers=2, heads=4, feed_forward=256)


def network() -> SemanticTransformer:
    made = SemanticTransformer(CONFIG).eval()
    fill(made, seed=1)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("int8_cache")
    export_semantic(network(), path, "int8")
    return path


def open_backend(folder: Path) -> OnnxBackend:
    options = SessionOptions(device="cpu", threads=1)
    return OnnxBackend.open(folder / SEMANTIC_PREFILL, folder / SEMANTIC_STEP, options, slots=1, capacity=200)


def test_logits_stay_close_to_those_of_float_caches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    line = (
        rng.integers(0, 732, 30),
        rng.standard_normal((30, BERT_CHANNELS)).astype(np.float32),
        rng.integers(0, 1024, 90),
        20,
    )
    quantized = teacher_forced(open_backend(folder), *line)
    monkeypatch.setattr(engine, "INT8_CACHE_SINCE", (99, 0))
    wide = teacher_forced(open_backend(folder), *line)
    assert 0 < relative_error(wide, quantized) < 0.02


def test_only_small_precisions_have_int8_caches(folder: Path, tmp_path: Path) -> None:
    export_semantic(network(), tmp_path, "fp32")
    assert {variant(SEMANTIC_PREFILL, "int8_cache"), variant(SEMANTIC_STEP, "int8_cache")} <= {
        path.name for path in folder.iterdir()
    }
    assert not list(tmp_path.glob("*int8_cache*"))


def test_keys_without_a_range_stay_float(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timbral.conversion.export.int8_kv_cache.MARGIN", 0.2)
    assert cache_scales(network()) is None


def test_calibration_leaves_no_trace_in_random_numbers() -> None:
    made = network()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    cache_scales(made)
    assert torch.equal(torch.rand(3), expected)
