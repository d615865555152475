"""Stage two by OpenVINO: onnxruntime's sound, alone and in company, with a voice's changes, and a clear line where it cannot."""

import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import timbral
from tests.helpers.paths import DATA
from timbral.audio.measures import log_mel_distance, signal_to_noise
from timbral.errors import InstallationError, SettingError, TimbralWarning
from timbral.inference import openvino_graph
from timbral.inference.acoustic.networks import open_network, open_vocoder
from timbral.inference.acoustic.vocoder_windows import RowByRow
from timbral.inference.openvino_graph import SHAPES, OpenVinoGraph
from timbral.inference.sessions import Engine, Graph, SessionOptions
from timbral.models import embedded_path
from timbral.models.files import VOCODER
from timbral.models.weights import Adapter, LowRank, read_parameters

CPU = SessionOptions(device="cpu", threads=2)
Arrays = dict[str, NDArray[Any]]
needs_openvino = pytest.mark.skipif(not openvino_graph.is_installed(), reason="openvino is not installed")


def vocoder_inputs(frames: int) -> Arrays:
    rng = np.random.default_rng(frames)
    return {"mel": rng.standard_normal((1, 100, frames)).astype(np.float32) / 2}


def said_by(bundle: Path, engine: Engine) -> tuple[NDArray[np.float32], str]:
    tts = timbral.load(bundle, engine=engine, languages=(), threads=2)
    voice = tts.clone(
        DATA / "chinese.flac", text="你好。" if tts.manifest.acoustic.kind != "source-filter" else None
    )
    return tts.say("你好。", voice, seed=3).samples, tts.engine


@needs_openvino
def test_the_embedded_model_sounds_the_same() -> None:
    """Not to the sample: onnxruntime rounds what goes into 8-bit products, which shifts F0 and so the phase."""
    expected, _ = said_by(embedded_path(), "onnxruntime")
    found, engine = said_by(embedded_path(), "openvino")
    assert engine == "openvino f32"
    assert log_mel_distance(expected, found, 24_000) < 1


@needs_openvino
@pytest.mark.parametrize("family", ["v2", "v2Pro", "v3", "v4"])
def test_official_families_sound_the_same(
    family: str, official_bundles: Mapping[str, Path], recwarn: pytest.WarningsRecorder
) -> None:
    expected, _ = said_by(official_bundles[family], "onnxruntime")
    found, engine = said_by(official_bundles[family], "openvino")
    assert engine == "openvino f32"
    assert signal_to_noise(expected, found) > 40
    assert not [each for each in recwarn if "in place of OpenVINO" in str(each.message)]


@needs_openvino
@pytest.mark.parametrize(("exact", "least"), [(True, 80.0), (False, 20.0)])
def test_a_graph_gives_the_same_numbers(mel_graphs: dict[str, Path], exact: bool, least: float) -> None:
    for family in ("v3", "v4"):
        path, inputs = mel_graphs[family] / VOCODER, vocoder_inputs(30)
        graph = OpenVinoGraph(path, ("mel",), ("audio",), CPU, exact=exact)
        expected = Graph(path, ("mel",), ("audio",), CPU)(inputs)[0]
        assert signal_to_noise(expected, graph(inputs)[0]) > least


@needs_openvino
def test_samples_depend_neither_on_other_callers_nor_on_earlier_shapes(mel_graphs: dict[str, Path]) -> None:
    path = mel_graphs["v4"] / VOCODER
    graph = OpenVinoGraph(path, ("mel",), ("audio",), CPU, exact=False)
    alone = {frames: graph(vocoder_inputs(frames))[0] for frames in range(10, 10 + SHAPES)}
    lengths = [*range(5, 10), *alone] * 2
    with ThreadPoolExecutor(4) as pool:
        together = pool.map(lambda frames: graph(vocoder_inputs(frames))[0], lengths)
        for frames, found in zip(lengths, together, strict=True):
            assert frames not in alone or np.array_equal(found, alone[frames])


@needs_openvino
def test_a_fine_tuned_voice_changes_the_graph(mel_graphs: dict[str, Path]) -> None:
    path, inputs = mel_graphs["v4"] / VOCODER, vocoder_inputs(20)
    parameters = read_parameters(path)
    name = next(name for name in parameters if "resblocks" in name and name.endswith("weight"))
    outputs, *rest = parameters[name].shape
    rng = np.random.default_rng(0)
    down, up = (rng.standard_normal(shape).astype(np.float16) for shape in ((1, np.prod(rest)), (outputs, 1)))
    options = replace(CPU, adapter=Adapter({"vocoder": {name: LowRank(down, up)}}))
    plain, changed = (
        OpenVinoGraph(path, ("mel",), ("audio",), each, exact=True)(inputs)[0] for each in (CPU, options)
    )
    expected = Graph(path, ("mel",), ("audio",), options)(inputs)[0]
    assert signal_to_noise(expected, changed) > 60
    assert signal_to_noise(expected, plain) < 40


@needs_openvino
def test_what_openvino_cannot_run_is_left_to_onnxruntime_and_said(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    node = onnx.helper.make_node("CDist", ["x", "x"], ["y"], domain="com.microsoft")
    values = [onnx.helper.make_tensor_value_info(name, 1, ["N", "M"]) for name in ("x", "y")]
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "distances", values[:1], values[1:]),
        opset_imports=[onnx.helper.make_opsetid("", 20), onnx.helper.make_opsetid("com.microsoft", 1)],
        ir_version=10,
    )
    (tmp_path / VOCODER).write_bytes(model.SerializeToString())
    options = replace(CPU, engine="openvino")
    with pytest.warns(TimbralWarning, match="onnxruntime runs"):
        network = open_network(tmp_path / VOCODER, ("x",), ("y",), options, exact=True)
    assert isinstance(network, Graph)


def test_auto_takes_what_is_installed(mel_graphs: dict[str, Path]) -> None:
    path = mel_graphs["v4"] / VOCODER
    network = open_vocoder(path, ("mel",), CPU, exact=True)
    assert isinstance(network, OpenVinoGraph if openvino_graph.is_installed() else Graph)
    options = replace(CPU, engine="onnxruntime")
    assert isinstance(open_vocoder(path, ("mel",), options, exact=True), Graph)
    assert isinstance(open_vocoder(path, ("mel",), options, exact=True, apart=True), RowByRow)
    with pytest.raises(SettingError, match="no kernel runs"):
        open_vocoder(path, ("mel",), replace(CPU, engine="native"), exact=True)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(SettingError, match="engine is 'torch': give auto, native, onnxruntime, openvino"):
        SessionOptions(engine="torch")  # type: ignore[arg-type]


def test_without_the_package_one_line_says_what_to_do(tmp_path: Path) -> None:
    """In a process in which nothing of that name can be imported."""
    code = "import sys; sys.modules['openvino'] = None; from timbral.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [
        sys.executable,
        "-c",
        code,
        "say",
        "One.",
        "--engine",
        "openvino",
        "-o",
        str(tmp_path / "a.wav"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert "pip install 'timbral[openvino]'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert InstallationError.__name__ not in done.stderr
