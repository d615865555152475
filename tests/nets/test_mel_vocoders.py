"""The vocoders of v3 and v4 against the official ones."""

import gzip
import json

import torch

from tests.helpers.nets_weights import GOLDENS, fill, golden_arrays, relative_error
from timbral.nets.mel_vocoders import v3_vocoder, v4_vocoder
from timbral.nets.normalization import fold_weight_norm


@torch.no_grad()
def test_sound_of_v4() -> None:
    golden = golden_arrays("vocoders_small.npz")
    model = v4_vocoder(channels=64)
    fill(model, seed=4)
    assert relative_error(model(golden["mel"]), golden["v4_wav"]) < 1e-4


@torch.no_grad()
def test_sound_of_v3() -> None:
    """In double precision and turned down, against the official network in double precision, turned down too.

    Under synthetic weights BigVGAN clips nearly everything and magnifies rounding: in single precision the
    official code is 3e-3 away from itself in double precision.
    """
    golden = golden_arrays("vocoders_small.npz")
    model = v3_vocoder(channels=64)
    fill(model, seed=5)
    assert relative_error(model(golden["mel"]), golden["v3_wav"]) < 1e-2
    exact = golden_arrays("bigvgan_double.npz")["v3_wav"].double()
    model.double().conv_post.weight_g.fill_(0.01)
    assert relative_error(model(golden["mel"].double()), exact) < 1e-6
    fold_weight_norm(model)
    assert relative_error(model(golden["mel"].double()), exact) < 1e-6


def test_official_names_and_shapes() -> None:
    with gzip.open(GOLDENS / "state_dict_manifest.json.gz", "rt") as file:
        official = json.load(file)["vocoder_v4_no_weight_norm"]
    with torch.device("meta"):
        state = v4_vocoder().state_dict()
    assert {key: list(tensor.shape) for key, tensor in state.items()} == {
        key: shape for key, (shape, _) in official.items()
    }


def test_names_and_size_of_bigvgan() -> None:
    """Names as the published checkpoint has them, and its 112 million parameters."""
    with torch.device("meta"):
        model = v3_vocoder()
    names = set(model.state_dict())
    assert {
        "conv_pre.weight_g",
        "conv_post.weight_v",
        "ups.5.0.weight_g",
        "resblocks.17.convs2.2.bias",
        "resblocks.0.activations.5.act.beta",
        "resblocks.0.activations.0.upsample.filter",
        "activation_post.downsample.lowpass.filter",
    } <= names
    assert "conv_post.bias" not in names
    assert 111e6 < sum(weight.numel() for weight in model.parameters()) < 114e6
