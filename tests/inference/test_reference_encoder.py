"""References through graphs, and how graphs are opened."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.helpers import engine_graphs as graphs
from timbral.errors import BundleError, SettingError
from timbral.inference.acoustic.residuals import EnvelopePredictor
from timbral.inference.reference_encoder import MOST_RESIDUALS, Recording, ReferenceEncoder
from timbral.inference.sessions import Graph, SessionOptions, open_session, usable_cores, usable_devices
from timbral.models import ReferenceFormat

CPU = SessionOptions(device="cpu", threads=1)
PLAIN = ReferenceFormat(rate=16000)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("reference")
    return graphs.content_graph(folder / "content.onnx"), graphs.timbre_graph(folder / "timbre.onnx")


def opened(
    paths: tuple[Path, Path], audio: ReferenceFormat, envelopes: EnvelopePredictor | None = None
) -> ReferenceEncoder:
    given = ("tokens",) if envelopes is None else ("tokens", "f0")
    content, timbre = Graph(paths[0], ("audio",), given, CPU), Graph(paths[1], ("audio",), ("timbre",), CPU)
    return ReferenceEncoder(content, timbre, audio, envelopes=envelopes)


@pytest.fixture(scope="module")
def encoder(paths: tuple[Path, Path]) -> ReferenceEncoder:
    return opened(paths, PLAIN)


def recording(seconds: float, seed: int) -> Recording:
    return {16000: np.random.default_rng(seed).standard_normal(int(16000 * seconds)).astype(np.float32)}


def residuals(
    encoder: ReferenceEncoder, recordings: list[Recording], timbre: np.ndarray
) -> np.ndarray | None:
    return encoder.residuals(recordings, encoder.hear(recordings), timbre)


def test_content_is_25_tokens_a_second(encoder: ReferenceEncoder) -> None:
    tokens = encoder.tokens(recording(2, 1))
    assert tokens.dtype == np.int64
    assert tokens.shape == (50,)


def test_silence_behind_the_recording_is_heard_too(paths: tuple[Path, Path]) -> None:
    encoder = opened(paths, ReferenceFormat(rate=16000, silence=9600))
    (audio,) = recording(2, 1).values()
    padded = np.concatenate([audio, np.zeros(9600, np.float32)])
    plain = opened(paths, PLAIN)
    tokens = encoder.tokens({16000: audio})
    assert tokens.shape == (65,)
    np.testing.assert_array_equal(tokens, plain.tokens({16000: padded}))
    np.testing.assert_array_equal(encoder.timbre([{16000: audio}]), plain.timbre([{16000: audio}]))


def test_each_graph_hears_the_rate_that_it_is_used_to(paths: tuple[Path, Path]) -> None:
    encoder = opened(paths, ReferenceFormat(rate=16000, timbre_rate=32000))
    assert encoder.rates == (16000, 32000)
    low, high = recording(2, 1)[16000], recording(4, 2)[16000]
    both = {16000: low, 32000: high}
    plain = opened(paths, PLAIN)
    np.testing.assert_array_equal(encoder.tokens(both), plain.tokens({16000: low}))
    np.testing.assert_array_equal(encoder.timbre([both]), plain.timbre([{16000: high}]))
    assert encoder.mel(both) is None


def test_the_timbre_of_several_recordings_is_their_mean(encoder: ReferenceEncoder) -> None:
    recordings = [recording(1, 1), recording(2.5, 2), recording(0.5, 3)]
    single = [encoder.timbre([audio]) for audio in recordings]
    assert single[0].shape == (graphs.TIMBRE,)
    np.testing.assert_allclose(encoder.timbre(recordings), np.mean(single, axis=0), rtol=1e-6)


def test_residuals_of_all_recordings_are_kept(
    paths: tuple[Path, Path], encoder: ReferenceEncoder, tmp_path: Path
) -> None:
    graph = Graph(
        graphs.envelope_graph(tmp_path / "envelope.onnx", 64), ("tokens", "timbre", "f0"), ("envelope",), CPU
    )
    encoder_with_envelopes = opened(paths, PLAIN, EnvelopePredictor(graph, 12_000.0, 4))
    recordings = [recording(1, 1), recording(2.5, 2)]
    timbre = encoder.timbre(recordings)
    assert encoder.residuals(recordings, encoder.hear(recordings), timbre) is None
    both = residuals(encoder_with_envelopes, recordings, timbre)
    single = [residuals(encoder_with_envelopes, [one], timbre) for one in recordings]
    assert both is not None
    assert both.shape == (25 + 62, 2, 64)
    np.testing.assert_array_equal(both, np.concatenate([one for one in single if one is not None]))
    # Noise lacks nothing of a flat envelope, in the mean.
    assert np.abs(both[:, 1].mean(0)).max() < 0.2
    many = residuals(encoder_with_envelopes, [recording(9, seed) for seed in range(9)], timbre)
    assert many is not None
    assert len(many) <= MOST_RESIDUALS


@pytest.mark.parametrize("audio", [np.zeros(0, np.float32), np.zeros((2, 100), np.float32)])
def test_what_is_no_mono_recording_is_refused(encoder: ReferenceEncoder, audio: np.ndarray) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match="mono"):
        encoder.tokens({16000: audio})


def test_a_timbre_needs_a_recording(encoder: ReferenceEncoder) -> None:
    with pytest.raises(ValueError, match="at least one"):
        encoder.timbre([])


def test_swapped_graphs_are_a_clear_error(paths: tuple[Path, Path]) -> None:
    content, timbre = paths
    with pytest.raises(BundleError, match="not what this version"):
        opened((timbre, content), PLAIN)


def test_a_missing_file_and_a_file_that_is_no_graph_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is missing"):
        open_session(tmp_path / "none.onnx", CPU)
    (tmp_path / "text.onnx").write_text("not a graph")
    with pytest.raises(BundleError, match="not a graph") as caught:
        open_session(tmp_path / "text.onnx", CPU)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif("cuda" in usable_devices(), reason="onnxruntime-gpu is installed here")
def test_cuda_that_is_not_there_is_a_clear_error_but_auto_runs(paths: tuple[Path, Path]) -> None:
    with pytest.raises(SettingError, match="onnxruntime-gpu"):
        open_session(paths[0], SessionOptions(device="cuda"))
    assert open_session(paths[0], SessionOptions(device="auto")).get_providers() == ["CPUExecutionProvider"]


def test_options_belong_to_the_session(paths: tuple[Path, Path]) -> None:
    one = Graph(paths[0], ("audio",), ("tokens",), SessionOptions("cpu", threads=1))
    two = Graph(paths[0], ("audio",), ("tokens",), SessionOptions("cpu", threads=2))
    threads = [graph.session.get_session_options().intra_op_num_threads for graph in (one, two)]
    assert threads == [1, 2]
    assert onnxruntime.SessionOptions().intra_op_num_threads == 0


@pytest.mark.parametrize("wrong", [{"device": "gpu"}, {"threads": -1}])
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingError, match="give"):
        SessionOptions(**wrong)  # type: ignore[arg-type]


def test_cores_that_may_be_used() -> None:
    assert usable_cores() >= 1
