"""Stage one's exported graphs through the engine: the official ids, in batches, with flat memory."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.helpers.paths import DATA
from tests.helpers.resident import needs_resident_size, steady_growth_mb
from timbral.config import SamplingConfig
from timbral.errors import BundleError
from timbral.inference.semantic.decoder import SemanticDecoder
from timbral.inference.semantic.onnx_backend import OnnxBackend
from timbral.inference.semantic.sequence import TokenSequence
from timbral.inference.sessions import SessionOptions

pytestmark = pytest.mark.usefixtures("traced")

torch = pytest.importorskip("torch")
GREEDY = SamplingConfig(top_k=1)


def export(folder: Path, precision: str) -> Path:
    from tests.helpers.nets_weights import fill
    from timbral.conversion.export.semantic import export_semantic
    from timbral.nets.semantic import SemanticConfig, SemanticTransformer

    model = SemanticTransformer(SemanticConfig(hidden=64, layers=2, heads=4, feed_forward=256)).eval()
    fill(model, seed=1)
    export_semantic(model, folder, precision)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("semantic"), "fp32")


@pytest.fixture(scope="module", params=[64, 128])
def int8_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With blocks of 128 inputs, as in models of before, kernels round a single row otherwise than several."""
    from timbral.conversion.export import precision

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(precision.BLOCKS, 8, request.param)
        return export(tmp_path_factory.mktemp("semantic"), "int8")


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[np.generic]]:
    with np.load(DATA / "goldens" / "s1_small_greedy.npz") as arrays:
        return dict(arrays)


def open_backend(folder: Path, slots: int = 3, capacity: int = 200) -> OnnxBackend:
    return OnnxBackend.open(
        folder / "semantic_prefill.onnx",
        folder / "semantic_step.onnx",
        SessionOptions(device="cpu", threads=1),
        slots=slots,
        capacity=capacity,
    )


def golden_sequence(golden, row: int | None, limit: int, **more: object) -> TokenSequence:  # type: ignore[no-untyped-def]
    if row is None:
        phones, bert = golden["phones"][0], golden["bert"][0]
    else:
        phones, bert = golden[f"b{row}_phones"], golden[f"b{row}_bert"]
    return TokenSequence(
        phones,
        more.pop("prompt", golden["prompt"][0]),  # type: ignore[arg-type]
        more.pop("sampling", GREEDY),  # type: ignore[arg-type]
        seed=1,
        features=bert.T,
        limit=limit,
        **more,  # type: ignore[arg-type]
    )


def test_greedy_ids_are_the_official_ones(folder: Path, golden) -> None:  # type: ignore[no-untyped-def]
    decoder = SemanticDecoder(open_backend(folder, slots=1))
    tokens = decoder.decode(golden_sequence(golden, None, 61))
    assert [*golden["prompt"][0], *tokens] == golden["tokens"][0].tolist()
    empty = np.zeros(0, np.int64)
    tokens = decoder.decode(golden_sequence(golden, None, 61, prompt=empty))
    assert tokens.tolist() == golden["tokens_noprompt"][0].tolist()


def test_a_batch_with_comings_and_goings_gives_the_official_ids(folder: Path, golden) -> None:  # type: ignore[no-untyped-def]
    """Lines of different length join at different times; one that leaves first makes rows move."""
    decoder = SemanticDecoder(open_backend(folder))
    passer_by = golden_sequence(golden, None, 20)
    decoder.submit(passer_by)
    decoder.wait([passer_by], 5)
    sequences = [golden_sequence(golden, row, 60) for row in range(3)]
    for sequence in sequences:
        decoder.submit(sequence)
        decoder.wait([passer_by], len(passer_by.tokens))
    for row, sequence in enumerate(sequences):
        decoder.wait([sequence], 60)
        assert [*golden["prompt"][0], *sequence.tokens] == golden[f"b{row}_tokens"].tolist()
    assert [*golden["prompt"][0], *passer_by.tokens] == golden["tokens"][0][:30].tolist()


def test_sampled_tokens_do_not_depend_on_the_batch(folder: Path, golden) -> None:  # type: ignore[no-untyped-def]
    together = SemanticDecoder(open_backend(folder))
    sequences = [golden_sequence(golden, row, 60, sampling=SamplingConfig()) for row in range(3)]
    for sequence in sequences:
        together.submit(sequence)
    for row, sequence in enumerate(sequences):
        together.wait([sequence], 60)
        alone = SemanticDecoder(open_backend(folder, slots=1))
        tokens = alone.decode(golden_sequence(golden, row, 60, sampling=SamplingConfig()))
        assert sequence.tokens == tokens.tolist()


def test_8_bit_logits_do_not_depend_on_the_batch(int8_folder: Path, golden) -> None:  # type: ignore[no-untyped-def]
    """To the last bit: where products round otherwise in company, another token is drawn soon."""
    runner = open_backend(int8_folder)
    tokens = np.random.default_rng(0).integers(0, 1024, (20, 3))

    def logits(rows: list[int]) -> NDArray[np.float32]:
        for place, row in enumerate(rows):
            sequence = golden_sequence(golden, row, 60)
            runner.prefill(place, sequence.phones, sequence.features, sequence.prompt)
        return np.stack([runner.step(np.arange(len(rows)), step[rows]).copy() for step in tokens], axis=1)

    alone = [logits([row])[0] for row in range(3)]
    for rows in ([0, 1], [2, 0], [0, 1, 2], [2, 1, 0]):
        for row, values in zip(rows, logits(rows), strict=True):
            np.testing.assert_array_equal(values, alone[row])


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_slots_may_rest_while_others_go_on(folder: Path, int8_folder: Path, golden, precision: str) -> None:  # type: ignore[no-untyped-def]
    runner = open_backend(folder if precision == "fp32" else int8_folder)
    tokens = np.random.default_rng(0).integers(0, 1024, (6, 3))

    def start() -> None:
        for slot in range(3):
            sequence = golden_sequence(golden, slot, 60)
            runner.prefill(slot, sequence.phones, sequence.features, sequence.prompt)

    start()
    expected = np.stack([runner.step(np.arange(3), step).copy() for step in tokens])
    start()
    steps = np.zeros(3, np.int64)
    for slots in ([1], [0, 2], [2], [0, 1, 2], [1, 2]):
        found = runner.step(np.array(slots), tokens[steps[slots], slots])
        np.testing.assert_array_equal(found, expected[steps[slots], slots])
        steps[slots] += 1


def test_rows_can_be_filled_to_the_capacity(folder: Path, golden) -> None:  # type: ignore[no-untyped-def]
    room = 14 + 10 + 60
    decoder = SemanticDecoder(open_backend(folder, slots=2, capacity=room))
    tokens = decoder.decode(golden_sequence(golden, None, 60))
    assert [*golden["prompt"][0], *tokens] == golden["tokens"][0][:70].tolist()


def test_a_missing_or_wrong_graph_is_a_clear_error(folder: Path, tmp_path: Path) -> None:
    options = SessionOptions(device="cpu")
    step, prefill = folder / "semantic_step.onnx", folder / "semantic_prefill.onnx"
    with pytest.raises(BundleError, match="is missing"):
        OnnxBackend.open(tmp_path / "no.onnx", step, options, slots=1, capacity=10)
    with pytest.raises(BundleError, match="not what"):
        OnnxBackend.open(step, prefill, options, slots=1, capacity=10)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(prefill.read_bytes()[:1000])
    with pytest.raises(BundleError, match="not a graph"):
        OnnxBackend.open(broken, step, options, slots=1, capacity=10)


@needs_resident_size
def test_memory_stays_flat_over_requests_of_any_length(folder: Path, golden) -> None:  # type: ignore[no-untyped-def]
    decoder = SemanticDecoder(open_backend(folder, slots=2))

    def run() -> None:
        for number in range(120):
            decoder.decode(golden_sequence(golden, number % 3, 12 + number % 40))

    assert steady_growth_mb(run) < 2
