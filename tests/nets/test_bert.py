"""BERT against the implementation of huggingface/transformers, with synthetic weights."""

import pytest
import torch
from torch import Tensor

from tests.helpers.nets_weights import fill, golden_arrays, relative_error
from timbral.nets.bert import Bert, BertConfig, bert_state

CONFIGS = {
    "small": BertConfig(vocabulary=300, hidden=64, layers=3, heads=4, feed_forward=128),
    "full": BertConfig(vocabulary=500, layers=2),
}


def bert(size: str) -> Bert:
    model = Bert(CONFIGS[size]).eval()
    fill(model, seed=9)
    return model


@torch.inference_mode()
@pytest.mark.parametrize("size", CONFIGS)
def test_third_last_hidden_state(size: str) -> None:
    golden = golden_arrays(f"bert_{size}.npz")
    features = bert(size)(golden["tokens"], golden["lengths"])
    for row, length in enumerate(golden["lengths"] - 2):
        assert relative_error(features[row, :length], golden["features"][row, :length]) < 1e-4


@torch.inference_mode()
def test_padding_is_not_seen() -> None:
    golden = golden_arrays("bert_small.npz")
    model, tokens, lengths = bert("small"), golden["tokens"], golden["lengths"]
    expected = model(tokens, lengths)
    for row, length in enumerate(lengths):
        alone = model(tokens[row : row + 1, :length], lengths[row : row + 1])
        assert relative_error(expected[row, : length - 2], alone[0]) < 1e-5
    elsewhere = torch.where(torch.arange(tokens.shape[1]) < lengths[:, None], tokens, 7)
    assert torch.equal(model(elsewhere, lengths)[1, :11], expected[1, :11])


def test_names_in_checkpoints() -> None:
    config = CONFIGS["small"]
    expected = bert("small").state_dict()

    def stored(name: str) -> str:
        return "bert." + name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta")

    checkpoint: dict[str, Tensor] = {stored(name): tensor.half() for name, tensor in expected.items()}
    for layer in (3, 4):
        checkpoint[f"bert.encoder.layer.{layer}.output.dense.bias"] = torch.zeros(64)
    checkpoint["bert.embeddings.position_ids"] = torch.arange(512)[None]
    checkpoint["bert.pooler.dense.bias"] = torch.zeros(64)
    checkpoint["cls.predictions.bias"] = torch.zeros(300)
    model = Bert(config)
    model.load_state_dict(bert_state(checkpoint, config))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, expected[name].half().float())
