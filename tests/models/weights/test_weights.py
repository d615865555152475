"""Weights of a bundle by their names: read back in every form, exchanged for a voice, and refused where they do not fit."""

import tempfile
import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import timbral
from tests.helpers.nets_weights import SMALL_ACOUSTIC, fill
from timbral.audio.measures import relative_error
from timbral.conversion.export.acoustic import Utterance, export_acoustic
from timbral.conversion.export.semantic import export_semantic
from timbral.errors import BundleError, VoiceError
from timbral.inference.semantic.backend import Backend, open_backend
from timbral.inference.semantic.onnx_backend import OnnxBackend
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models import Precision, open_bundle
from timbral.models.files import SEMANTIC_PREFILL, SEMANTIC_STEP, VOCODER
from timbral.models.weights import Adapter, LowRank, read_parameters
from timbral.nets.acoustic import AcousticNetwork
from timbral.nets.normalization import fold_weight_norm
from timbral.nets.semantic import SemanticConfig, SemanticTransformer
from timbral.training.networks import restore_reference, restore_source_filter

pytestmark = pytest.mark.usefixtures("traced")

PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8", "int4")
FORMS = {
    "fp32": {""},
    "fp16": {"", "_half"},
    "int8": {"", "_half", "_rows", "_Q8"},
    "int4": {"", "_half", "_rows", "_Q4"},
}
NOISE: dict[Precision, float] = {"fp32": 0.0, "fp16": 5e-4, "int8": 0.01, "int4": 0.12}
"""Largest relative error of a weight that was stored and read again."""
CPU = SessionOptions(device="cpu", threads=1)
CHANGED = ("h.layers.0.linear1.weight", "h.layers.1.self_attn.in_proj_weight", "ar_predict_layer.weight")
LINE = "Hello there, this is a test."


def change(outputs: int, inputs: int, size: float, seed: int = 0) -> LowRank:
    rng = np.random.default_rng(seed)
    up = size * rng.standard_normal((outputs, 4))
    return LowRank(rng.standard_normal((4, inputs)).astype(np.float16), up.astype(np.float16))


@pytest.fixture(scope="module")
def network() -> SemanticTransformer:
    model = SemanticTransformer(SemanticConfig(hidden=256, layers=2, heads=4, feed_forward=512)).eval()
    fill(model, seed=1)
    return model


@pytest.fixture(scope="module")
def folders(network: SemanticTransformer, tmp_path_factory: pytest.TempPathFactory) -> dict[Precision, Path]:
    found = {precision: tmp_path_factory.mktemp(precision) for precision in PRECISIONS}
    for precision, folder in found.items():
        export_semantic(network, folder, precision)
    return found


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_network_is_read_back_from_its_graphs(
    network: SemanticTransformer, folders: dict[Precision, Path], precision: Precision
) -> None:
    held = read_parameters(folders[precision] / SEMANTIC_STEP) | read_parameters(
        folders[precision] / SEMANTIC_PREFILL
    )
    for name, tensor in network.state_dict().items():
        value = held[name].read()
        assert value.shape == tensor.shape
        assert relative_error(tensor.numpy(), value) <= NOISE[precision], name
    assert {parameter.form for parameter in held.values()} == FORMS[precision]


def test_equal_weights_keep_their_own_names(tmp_path: Path) -> None:
    """Before any training all layer norms are alike, and their biases."""
    torch.manual_seed(0)
    model = SemanticTransformer(SemanticConfig(hidden=64, layers=2, heads=2, feed_forward=128)).eval()
    export_semantic(model, tmp_path)
    held = read_parameters(tmp_path / SEMANTIC_STEP) | read_parameters(tmp_path / SEMANTIC_PREFILL)
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(held[name].read().reshape(tensor.shape), tensor.numpy())
    runner = OnnxBackend.open(
        tmp_path / SEMANTIC_PREFILL, tmp_path / SEMANTIC_STEP, CPU, slots=1, capacity=40
    )
    runner.prefill(0, np.arange(10), None, np.arange(5))
    assert np.isfinite(runner.step(np.array([0]), np.array([7]))).all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_packing_what_was_read_gives_what_was_stored(
    folders: dict[Precision, Path], precision: Precision
) -> None:
    for parameter in read_parameters(folders[precision] / SEMANTIC_STEP).values():
        for name, constant in parameter.packed(parameter.read()).items():
            stored = parameter.stored if name == parameter.constant else parameter.stored_scales
            np.testing.assert_array_equal(constant, stored.read())


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("opened", [OnnxBackend.open, open_backend], ids=["onnxruntime", "fastest"])
def test_a_graph_with_exchanged_weights_is_that_of_the_changed_network(
    network: SemanticTransformer,
    folders: dict[Precision, Path],
    precision: Precision,
    opened: Callable[..., Backend],
    tmp_path: Path,
) -> None:
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    changes = {
        name: change(state[name].shape[0], state[name].shape[1], 0.02, n) for n, name in enumerate(CHANGED)
    }
    for name, each in changes.items():
        state[name] = torch.from_numpy(each.added_to(state[name].numpy()))
    changed = SemanticTransformer(network.config).eval()
    changed.load_state_dict(state)
    export_semantic(changed, tmp_path, precision)
    adapter = Adapter({"semantic": changes})

    def logits(folder: Path, options: SessionOptions) -> np.ndarray:
        runner = opened(folder / SEMANTIC_PREFILL, folder / SEMANTIC_STEP, options, slots=1, capacity=40)
        runner.prefill(0, np.arange(10), None, np.arange(5))
        return runner.step(np.array([0]), np.array([7])).copy()

    plain, wanted = logits(folders[precision], CPU), logits(tmp_path, CPU)
    found = logits(folders[precision], replace(CPU, adapter=adapter))
    assert relative_error(wanted, found) < max(1e-5, 0.6 * relative_error(wanted, plain))
    assert relative_error(wanted, found) < {"fp32": 1e-5, "fp16": 2e-3, "int8": 0.05, "int4": 0.4}[precision]


def test_calibrated_convolutions_are_exchanged(tmp_path: Path) -> None:
    model = AcousticNetwork(SMALL_ACOUSTIC).eval()
    fill(model, seed=2)
    rng = torch.Generator().manual_seed(0)
    voice = Utterance(
        torch.randint(0, 1024, (1, 8), generator=rng),
        torch.randint(0, 732, (1, 8), generator=rng),
        torch.randn(1, 512, generator=rng),
    )
    export_acoustic(model, tmp_path, "int8", [voice])
    held = read_parameters(tmp_path / VOCODER)
    fold_weight_norm(model)
    weights = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
    rounded = [name for name, parameter in held.items() if parameter.form == "_quantized"]
    assert rounded
    for name in rounded:
        assert relative_error(weights[name].reshape(held[name].read().shape), held[name].read()) < 0.02
    name = max((name for name in rounded if held[name].exchangeable), key=lambda name: weights[name].size)
    outputs, inputs = len(weights[name]), weights[name][0].size
    feed = {"latent": np.ones((1, model.config.latent, 12), np.float32), "timbre": voice.timbre.numpy()}

    def sound(size: float) -> np.ndarray:
        adapter = Adapter({"vocoder": {name: change(outputs, inputs, size)}})
        options = replace(CPU, adapter=adapter)
        return Graph(tmp_path / VOCODER, ("latent", "timbre"), ("audio",), options)(feed)[0]

    plain = Graph(tmp_path / VOCODER, ("latent", "timbre"), ("audio",), CPU)(feed)[0]
    np.testing.assert_array_equal(sound(0.0), plain)
    assert relative_error(plain, sound(0.05)) > 0.01


def test_the_embedded_model_is_read_back_in_torch() -> None:
    """The student hears the same tokens as its graph, but for what rounding does to close calls."""
    bundle = open_bundle(None)
    audio = np.random.default_rng(0).standard_normal((1, 32_000)).astype(np.float32)
    encoder = restore_reference(bundle)
    tokens, timbre = encoder(torch.from_numpy(audio))
    (heard,) = Graph(bundle.path("content.onnx"), ("audio",), ("tokens",), CPU)({"audio": audio})
    (who,) = Graph(bundle.path("timbre.onnx"), ("audio",), ("timbre",), CPU)({"audio": audio})
    assert (heard == tokens.numpy()).mean() > 0.9
    assert relative_error(who, timbre.detach().numpy()) < 0.01
    latent, _ = restore_source_filter(bundle)
    phones = np.random.default_rng(1).integers(0, 732, (*heard.shape, 2))
    made, f0 = latent.speak(torch.from_numpy(heard), torch.from_numpy(who), torch.from_numpy(phones))
    found = Graph(bundle.path("latent.onnx"), ("tokens", "timbre", "phones"), ("latent", "f0"), CPU)(
        {"tokens": heard, "timbre": who, "phones": phones}
    )
    assert relative_error(found[0], made.detach().numpy()) < 0.05
    assert relative_error(found[1], f0.detach().numpy()) < 0.01


@given(st.integers(0, 4000))
def test_a_cut_graph_is_refused_or_read(cut: int) -> None:
    whole = (open_bundle(None).path("semantic_step.onnx")).read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cut.onnx"
        path.write_bytes(whole[: len(whole) * cut // 4000])
        try:
            held = read_parameters(path)
        except BundleError:
            return
        assert held.keys() <= read_parameters(open_bundle(None).path("semantic_step.onnx")).keys()


def test_a_graph_that_points_out_of_its_folder_is_refused(
    folders: dict[Precision, Path], tmp_path: Path
) -> None:
    model = onnx.load(folders["fp32"] / SEMANTIC_STEP, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../../etc/passwd"
    onnx.save(model, tmp_path / "step.onnx")
    with pytest.raises(BundleError, match="out of its folder"):
        read_parameters(tmp_path / "step.onnx")


@pytest.fixture(scope="module")
def tts() -> timbral.Synthesizer:
    return timbral.load(languages=())


@pytest.fixture(scope="module")
def heard(tts: timbral.Synthesizer) -> timbral.Voice:
    return tts.clone("examples/english.flac")


def tuned(tts: timbral.Synthesizer, voice: timbral.Voice, size: float, seed: int = 0) -> timbral.Voice:
    adapter = Adapter(
        {
            "semantic": {"h.layers.0.linear1.weight": change(1536, 384, size, seed)},
            "latent": {f"frame_blocks.{n}.up.weight": change(960, 320, 5 * size, seed) for n in range(5)},
            "vocoder": {"from_latent.weight": change(320, 193 * 7, size, seed)},
        }
    )
    return replace(voice, adapter=adapter, base=tts.manifest.base)


def test_a_tuned_voice_survives_its_file_and_speaks(
    tts: timbral.Synthesizer, heard: timbral.Voice, tmp_path: Path
) -> None:
    plain = tts.say(LINE, heard, seed=3).samples
    unchanged = tts.say(LINE, tuned(tts, heard, 0.0), seed=3).samples
    np.testing.assert_array_equal(plain, unchanged)
    tuned(tts, heard, 0.002).save(tmp_path / "me.voice")
    voice = timbral.Voice.load(tmp_path / "me.voice")
    other = tts.say(LINE, voice, seed=3).samples
    assert np.isfinite(other).all()
    assert other.shape != plain.shape or not np.allclose(other, plain, atol=0.01)
    np.testing.assert_array_equal(timbral.load(languages=()).say(LINE, voice, seed=3).samples, other)


def test_tuned_voices_speak_at_once_without_meeting(tts: timbral.Synthesizer, heard: timbral.Voice) -> None:
    voices = [heard, *(tuned(tts, heard, 0.002, seed) for seed in range(5))]
    alone = [tts.say(LINE, voice, seed=3).samples for voice in voices]
    together: list[np.ndarray] = [np.zeros(0)] * len(voices)

    def speak(number: int) -> None:
        together[number] = tts.say(LINE, voices[number], seed=3).samples

    threads = [threading.Thread(target=speak, args=(number,)) for number in range(len(voices))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for expected, found in zip(alone, together, strict=True):
        np.testing.assert_array_equal(expected, found)


def test_a_voice_tuned_on_other_weights_is_refused(tts: timbral.Synthesizer, heard: timbral.Voice) -> None:
    with pytest.raises(VoiceError, match="fine-tuned"):
        tts.say(LINE, replace(tuned(tts, heard, 0.0), base="0123456789abcdef"))


def test_changes_of_another_shape_are_refused(tts: timbral.Synthesizer, heard: timbral.Voice) -> None:
    adapter = Adapter({"latent": {"frame_blocks.0.up.weight": change(960, 300, 0.1)}})
    with pytest.raises(VoiceError, match="another shape"):
        tts.say(LINE, replace(heard, adapter=adapter, base=tts.manifest.base))


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        (
            lambda tensors: {name: t for name, t in tensors.items() if not name.endswith("/up")},
            "not a change",
        ),
        (
            lambda tensors: {n: t.astype(np.float32) if "/down" in n else t for n, t in tensors.items()},
            "float16",
        ),
        (lambda tensors: {n: t[:2] if "/down" in n else t for n, t in tensors.items()}, "two ranks"),
        (
            lambda tensors: {n: np.full_like(t, np.nan) if "/down" in n else t for n, t in tensors.items()},
            "finite",
        ),
        (
            lambda tensors: {n: np.full_like(t, np.inf) if "/up" in n else t for n, t in tensors.items()},
            "out of range",
        ),
        (lambda tensors: {n: t for n, t in tensors.items() if "adapter" not in n}, "belong together"),
    ],
)
def test_damaged_changes_are_refused(
    tts: timbral.Synthesizer, heard: timbral.Voice, tmp_path: Path, spoiled: object, message: str
) -> None:
    path = tmp_path / "me.voice"
    tuned(tts, heard, 0.002).save(path)
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    assert callable(spoiled)
    save_file(spoiled(tensors), path, metadata)
    with pytest.raises(VoiceError, match=message):
        timbral.Voice.load(path)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[SemanticTransformer, dict[Precision, Path]]:
    """A network whose weights and scales have far less than a page, in all precisions."""
    model = SemanticTransformer(SemanticConfig(hidden=32, layers=1, heads=2, feed_forward=48)).eval()
    fill(model, seed=1)
    folders = {precision: tmp_path_factory.mktemp(precision) for precision in PRECISIONS}
    for precision, folder in folders.items():
        export_semantic(model, folder, precision)
    return model, folders


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_voice_fits_every_precision_of_a_model_however_small(
    small: tuple[SemanticTransformer, dict[Precision, Path]], precision: Precision
) -> None:
    model, folders = small
    matrices = {name: weight for name, weight in model.named_parameters() if weight.ndim > 1}
    changes = {name: change(*weight.shape, 0.01) for name, weight in matrices.items()}
    options = replace(CPU, adapter=Adapter({"semantic": changes}))
    folder = folders[precision]
    held = read_parameters(folder / SEMANTIC_STEP) | read_parameters(folder / SEMANTIC_PREFILL)
    assert all(held[name].exchangeable for name in matrices)
    runner = OnnxBackend.open(
        folder / SEMANTIC_PREFILL, folder / SEMANTIC_STEP, options, slots=1, capacity=40
    )
    runner.prefill(0, np.arange(10), None, np.arange(5))
    assert np.isfinite(runner.step(np.array([0]), np.array([7]))).all()


def test_a_change_of_another_shape_is_not_multiplied(folders: dict[Precision, Path]) -> None:
    """A file of 200 kB would ask for 10 GB."""
    sides = np.ones((1, 50_000), np.float16)
    adapter = Adapter({"semantic": {CHANGED[0]: LowRank(sides, sides.T)}})
    tracemalloc.start()
    try:
        with pytest.raises(VoiceError, match="another shape"):
            adapter.constants(folders["int8"] / SEMANTIC_STEP)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_a_change_that_half_precision_cannot_hold_is_refused(folders: dict[Precision, Path]) -> None:
    name = "ar_text_embedding.word_embeddings.weight"
    huge = LowRank(np.full((1, 256), 6e4, np.float16), np.full((732, 1), 6e4, np.float16))
    with pytest.raises(VoiceError, match="cannot hold"):
        Adapter({"semantic": {name: huge}}).constants(folders["fp16"] / SEMANTIC_PREFILL)
