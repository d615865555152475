"""Stage one through onnxruntime: the exported graphs decode the official ids, alone and in batches."""

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from onnxruntime import OrtValue
from torch import Tensor

from tests.helpers.nets_weights import fill, golden_arrays, greedy, relative_error
from timbral.conversion.export.semantic import WEIGHTS, export_semantic
from timbral.models.files import SEMANTIC_PREFILL, SEMANTIC_STEP
from timbral.nets.semantic import SemanticConfig, SemanticTransformer

SMALL = SemanticConfig(hidden=64, layers=2, heads=4, feed_forward=256)


@cache
def small() -> SemanticTransformer:
    model = SemanticTransformer(SMALL).eval()
    fill(model, seed=1)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("semantic")
    export_semantic(small(), path)
    return path


class Decoder:
    """Decodes as an engine would: buffers of fixed capacity, bound as inputs and as outputs."""

    def __init__(self, folder: Path) -> None:
        self.prefill = onnxruntime.InferenceSession(folder / SEMANTIC_PREFILL)
        self.step = onnxruntime.InferenceSession(folder / SEMANTIC_STEP)
        self.names = [
            item.name for item in self.step.get_inputs() if item.name.startswith(("key_", "value_"))
        ]
        self.buffers: dict[str, npt.NDArray[np.float32]] = {}

    def start(self, capacity: int, phones: list[Tensor], bert: list[Tensor], prompts: list[Tensor]) -> Tensor:
        rows, width = len(phones), max(len(row) for row in phones)
        inputs = {
            "phones": np.zeros((rows, width), np.int64),
            "phone_lengths": np.array([len(row) for row in phones]),
            "prompt": np.zeros((rows, max(len(row) for row in prompts)), np.int64),
            "prompt_lengths": np.array([len(row) for row in prompts]),
            "bert": np.zeros((rows, 1024, width), np.float32),
        }
        for row in range(rows):
            inputs["phones"][row, width - len(phones[row]) :] = phones[row]
            inputs["bert"][row, :, width - len(phones[row]) :] = bert[row]
            inputs["prompt"][row, : len(prompts[row])] = prompts[row]
        logits, *caches = self.prefill.run(None, inputs)
        self.positions = inputs["prompt_lengths"].copy()
        self.lengths = inputs["phone_lengths"] + inputs["prompt_lengths"]
        for name, filled in zip(self.names, caches, strict=True):
            heads, size = filled.shape[1], filled.shape[3]
            # What lies beyond a row's length must never be read.
            self.buffers[name] = np.full((rows, heads, capacity, size), np.nan, np.float32)
            for row, length in enumerate(self.lengths):
                self.buffers[name][row, :, :length] = filled[row, :, :length]
        return torch.from_numpy(logits)

    def advance(self, token: Tensor) -> Tensor:
        binding = self.step.io_binding()
        binding.bind_cpu_input("token", token.numpy())
        binding.bind_cpu_input("positions", self.positions)
        binding.bind_cpu_input("cache_lengths", self.lengths.astype(np.int32))
        binding.bind_cpu_input("total_length", np.array([self.lengths.max() + 1], np.int32))
        for name, buffer in self.buffers.items():
            value = OrtValue.ortvalue_from_numpy(buffer)
            binding.bind_ortvalue_input(name, value)
            binding.bind_ortvalue_output(f"{name}_next", value)
        binding.bind_output("logits")
        self.step.run_with_iobinding(binding)
        self.positions += 1
        self.lengths += 1
        return torch.from_numpy(binding.get_outputs()[-1].numpy())


def test_greedy_ids(folder: Path) -> None:
    golden = golden_arrays("s1_small_greedy.npz")
    phones, bert, prompt = list(golden["phones"]), list(golden["bert"]), golden["prompt"]
    decoder = Decoder(folder)
    steps = golden["tokens"].shape[1] - prompt.shape[1]
    logits = decoder.start(100, phones, bert, list(prompt))
    assert torch.equal(
        greedy(logits, prompt, steps, lambda token, _: decoder.advance(token)), golden["tokens"]
    )
    logits = decoder.start(100, phones, bert, [prompt[0, :0]])
    tokens = greedy(logits, prompt[:, :0], steps, lambda token, _: decoder.advance(token))
    assert torch.equal(tokens, golden["tokens_noprompt"].long())


def test_greedy_ids_of_a_batch_with_different_lengths(folder: Path) -> None:
    golden = golden_arrays("s1_small_greedy.npz")
    expected = torch.stack([golden[f"b{row}_tokens"] for row in range(3)])
    prompt = golden["prompt"].expand(3, -1)
    decoder = Decoder(folder)
    logits = decoder.start(
        100,
        [golden[f"b{row}_phones"] for row in range(3)],
        [golden[f"b{row}_bert"] for row in range(3)],
        list(prompt),
    )
    steps = expected.shape[1] - prompt.shape[1]
    assert torch.equal(greedy(logits, prompt, steps, lambda token, _: decoder.advance(token)), expected)


@torch.inference_mode()
def test_logits_of_rows_with_different_prompts(folder: Path) -> None:
    """Every row of a batch whose prompts differ in length gives the logits of teacher forcing."""
    golden = golden_arrays("s1_small_teacher.npz")
    phones, lengths = golden["phones"], golden["phones_len"]
    semantic, semantic_lengths = golden["semantic"], golden["semantic_len"]
    expected = small()(phones, lengths, semantic, semantic_lengths, golden["bert"])
    starts = torch.tensor([7, 4])
    decoder = Decoder(folder)
    logits = decoder.start(
        30,
        [row[-length:] for row, length in zip(phones, lengths, strict=True)],
        [row[:, -length:] for row, length in zip(golden["bert"], lengths, strict=True)],
        [row[:start] for row, start in zip(semantic, starts, strict=True)],
    )
    rows = torch.arange(2)
    for step in range(11):
        assert relative_error(logits, expected[rows, starts + step]) < 1e-3
        logits = decoder.advance(semantic[rows, starts + step][:, None])


def test_buffers_are_updated_in_place(folder: Path) -> None:
    golden = golden_arrays("s1_small_greedy.npz")
    decoder = Decoder(folder)
    decoder.start(40, list(golden["phones"]), list(golden["bert"]), list(golden["prompt"]))
    before = {name: buffer.copy() for name, buffer in decoder.buffers.items()}
    length = int(decoder.lengths[0])
    decoder.advance(torch.tensor([[5]]))
    for name, buffer in decoder.buffers.items():
        assert np.isfinite(buffer[0, :, length]).all()
        buffer[0, :, length] = np.nan
        np.testing.assert_array_equal(buffer, before[name])


def test_each_weight_is_stored_once(folder: Path) -> None:
    weights = sum(tensor.numel() * 4 for tensor in small().state_dict().values())
    assert (folder / WEIGHTS).stat().st_size < 1.1 * weights
    assert sum((folder / name).stat().st_size for name in (SEMANTIC_PREFILL, SEMANTIC_STEP)) < 200_000


def test_graphs_hold_nothing_of_the_machine_that_made_them(folder: Path) -> None:
    for name in (SEMANTIC_PREFILL, SEMANTIC_STEP):
        data = (folder / name).read_bytes()
        assert b".py" not in data
        onnx.checker.check_model(str(folder / name), skip_opset_compatibility_check=True)


def test_a_model_without_bert(tmp_path: Path) -> None:
    config = SemanticConfig(hidden=32, layers=1, heads=2, feed_forward=64, phonemes=50, bert=False)
    export_semantic(SemanticTransformer(config), tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / SEMANTIC_PREFILL)
    assert "bert" not in {item.name for item in session.get_inputs()}
