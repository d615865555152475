"""Stage one against the official network: teacher-forced logits, greedy decoding, names of the weights."""

import gzip
import json
from functools import cache

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from tests.helpers.nets_weights import GOLDENS, fill, golden_arrays, greedy, relative_error
from timbral.nets.semantic import SemanticConfig, SemanticTransformer

CONFIGS = {"small": SemanticConfig(hidden=64, layers=2, heads=4, feed_forward=256), "full": SemanticConfig()}


@cache
def network(size: str) -> SemanticTransformer:
    model = SemanticTransformer(CONFIGS[size]).eval()
    if size == "small":
        model.load_state_dict(load_file(GOLDENS / "s1_small.safetensors"), strict=True)
    else:
        fill(model, seed=1)
    return model


def left_padded(rows: list[Tensor], width: int) -> Tensor:
    """Stacks rows of different length (last dimension), padded on the left."""
    return torch.stack([functional.pad(row, (width - row.shape[-1], 0)) for row in rows])


@torch.inference_mode()
def decode(
    model: SemanticTransformer, phones: list[Tensor], bert: list[Tensor], prompt: Tensor, steps: int
) -> Tensor:
    """Greedy tokens [batch, prompt + steps] of phones and BERT features of different length."""
    lengths = torch.tensor([len(row) for row in phones])
    width = int(lengths.max())
    prompt_lengths = torch.full((len(phones),), prompt.shape[1])
    logits, cache = model.prefill(
        left_padded(phones, width), lengths, prompt, prompt_lengths, left_padded(bert, width)
    )
    cache = cache.grown(width + prompt.shape[1] + steps)

    def advance(token: Tensor, step: int) -> Tensor:
        return model.step(token, prompt_lengths + step, cache, lengths + prompt_lengths + step)[0]

    return greedy(logits, prompt, steps, advance)


@pytest.mark.parametrize("size", ["small", "full"])
@torch.inference_mode()
def test_logits_under_teacher_forcing(size: str) -> None:
    model, golden = network(size), golden_arrays(f"s1_{size}_teacher.npz")
    rows, columns = golden["phones"].shape
    logits, attention = model.forward_with_attention(
        golden["phones"],
        golden["phones_len"],
        golden["semantic"],
        golden["semantic_len"],
        golden["bert"],
        layers=[1],
        phone_positions=torch.arange(columns).expand(rows, columns),
    )
    targets = model.targets(golden["semantic"], golden["semantic_len"])
    assert torch.equal(targets, golden["targets"])
    loss = functional.cross_entropy(logits.transpose(1, 2), targets, reduction="sum")
    assert relative_error(loss[None], golden["loss_sum"]) < 1e-4
    assert relative_error(logits if size == "small" else logits[:, :, ::8], golden["logits"]) < 1e-4
    assert attention[1].shape == (rows, model.config.heads, golden["semantic"].shape[1], columns)
    assert not attention[1][1, :, :, :3].any(), "tokens look at padding"


@pytest.mark.parametrize("size", ["small", "full"])
def test_greedy_ids(size: str) -> None:
    golden = golden_arrays(f"s1_{size}_greedy.npz")
    phones, bert, prompt = list(golden["phones"]), list(golden["bert"]), golden["prompt"]
    steps = golden["tokens"].shape[1] - prompt.shape[1]
    assert torch.equal(decode(network(size), phones, bert, prompt, steps), golden["tokens"])
    without_prompt = decode(network(size), phones, bert, prompt[:, :0], steps)
    assert torch.equal(without_prompt, golden["tokens_noprompt"].long())


@pytest.mark.parametrize("size", ["small", "full"])
def test_greedy_ids_of_a_batch_with_different_lengths(size: str) -> None:
    golden = golden_arrays(f"s1_{size}_greedy.npz")
    phones = [golden[f"b{row}_phones"] for row in range(3)]
    bert = [golden[f"b{row}_bert"] for row in range(3)]
    expected = torch.stack([golden[f"b{row}_tokens"] for row in range(3)])
    prompt = golden["prompt"].expand(3, -1)
    assert torch.equal(
        decode(network(size), phones, bert, prompt, expected.shape[1] - prompt.shape[1]), expected
    )


@torch.inference_mode()
def test_decoding_continues_what_training_saw() -> None:
    """Rows of different length, and steps after a prefill, give the logits of one pass over everything."""
    model, golden = network("small"), golden_arrays("s1_small_teacher.npz")
    phones, lengths, bert = golden["phones"], golden["phones_len"], golden["bert"]
    semantic, semantic_lengths = golden["semantic"], golden["semantic_len"]
    expected = model(phones, lengths, semantic, semantic_lengths, bert)
    prompt_lengths = torch.tensor([7, 4])
    logits, cache = model.prefill(phones, lengths, semantic[:, :7], prompt_lengths, bert)
    cache = cache.grown(40)
    rows = torch.arange(2)
    for step in range(11):
        positions = prompt_lengths + step
        assert relative_error(logits, expected[rows, positions]) < 1e-4
        logits, cache = model.step(semantic[rows, positions][:, None], positions, cache, lengths + positions)


def test_official_names_and_shapes() -> None:
    with torch.device("meta"):
        state = SemanticTransformer(SemanticConfig()).state_dict()
    with gzip.open(GOLDENS / "state_dict_manifest.json.gz", "rt") as file:
        official = json.load(file)["s1_s1longer-v2"]
    assert {f"model.{key}": list(tensor.shape) for key, tensor in state.items()} == {
        key: shape for key, (shape, _) in official.items()
    }


def test_a_model_without_bert_has_no_projection_and_takes_no_features() -> None:
    model = SemanticTransformer(SemanticConfig(hidden=16, layers=1, heads=2, feed_forward=32, bert=False))
    assert not any(key.startswith("bert_proj") for key in model.state_dict())
    phones, semantic = torch.zeros(1, 4, dtype=torch.long), torch.zeros(1, 3, dtype=torch.long)
    lengths = torch.tensor([4]), torch.tensor([3])
    assert model(phones, lengths[0], semantic, lengths[1]).shape == (1, 4, 1025)
    with pytest.raises(ValueError, match="BERT"):
        model(phones, lengths[0], semantic, lengths[1], torch.zeros(1, 1024, 4))
