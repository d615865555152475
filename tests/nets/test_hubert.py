"""HuBERT against the implementation of huggingface/transformers, with synthetic weights."""

import pytest
import torch
from torch import Tensor

from tests.helpers.nets_weights import fill, golden_arrays, relative_error
from timbral.nets.hubert import Hubert, HubertConfig, hubert_state
from timbral.nets.normalization import fold_weight_norm

CONFIGS = {
    "small": HubertConfig(hidden=64, layers=3, heads=4, feed_forward=128, conv_channels=32),
    "full": HubertConfig(layers=3),
}


def hubert(size: str) -> Hubert:
    model = Hubert(CONFIGS[size]).eval()
    fill(model, seed=8)
    return model


@torch.inference_mode()
@pytest.mark.parametrize("size", CONFIGS)
def test_features(size: str) -> None:
    golden = golden_arrays(f"hubert_{size}.npz")
    assert relative_error(hubert(size)(golden["samples"]), golden["features"]) < 1e-4


@torch.inference_mode()
def test_a_plain_convolution_in_the_place_of_weight_norm() -> None:
    golden = golden_arrays("hubert_small.npz")
    model = hubert("small")
    fold_weight_norm(model)
    assert not any(name.endswith("weight_g") for name in model.state_dict())
    assert relative_error(model(golden["samples"]), golden["features"]) < 1e-4


@pytest.mark.parametrize(
    ("prefix", "length", "direction"),
    [
        ("", "weight_g", "weight_v"),
        ("hubert.", "parametrizations.weight.original0", "parametrizations.weight.original1"),
    ],
)
def test_names_in_checkpoints(prefix: str, length: str, direction: str) -> None:
    expected = hubert("small").state_dict()

    def stored(name: str) -> str:
        return prefix + name.replace("weight_g", length).replace("weight_v", direction)

    checkpoint: dict[str, Tensor] = {stored(name): tensor.half() for name, tensor in expected.items()}
    checkpoint[prefix + "masked_spec_embed"] = torch.zeros(64)
    checkpoint["final_proj.weight"] = torch.zeros(2, 64)
    model = Hubert(CONFIGS["small"])
    model.load_state_dict(hubert_state(checkpoint))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, expected[name].half().float())
    assert sum(tensor.numel() for tensor in Hubert(HubertConfig()).state_dict().values()) == 94_370_944
