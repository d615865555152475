"""The small networks of v3 and v4 whose outputs the golden files hold, and these outputs."""

import json
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from tests.helpers.nets_weights import GOLDENS, fill, golden_arrays
from timbral.nets.bigvgan import BigVgan
from timbral.nets.diffusion_transformer import TransformerConfig
from timbral.nets.hifigan import Generator
from timbral.nets.mel_acoustic import MEL_FAMILIES, MelAcousticConfig, MelAcousticNetwork
from timbral.nets.mel_vocoders import MEL_BANDS


def small_config() -> MelAcousticConfig:
    """Our configuration for the official constructor arguments of the golden files."""
    official = json.loads((GOLDENS / "s2_v3v4_small_config.json").read_text())
    dit = official["dit"]
    return replace(
        MEL_FAMILIES["v3"],
        latent=official["inter_channels"],
        hidden=official["hidden_channels"],
        feed_forward=official["filter_channels"],
        heads=official["n_heads"],
        layers=official["n_layers"],
        kernel=official["kernel_size"],
        dropout=official["p_dropout"],
        timbre=official["gin_channels"],
        transformer=TransformerConfig(
            mel=dit["mel_dim"],
            features=dit["text_dim"],
            width=dit["dim"],
            layers=dit["depth"],
            heads=dit["heads"],
            head_size=dit["dim_head"],
            feed_forward=dit["ff_mult"],
            feature_blocks=dit["conv_layers"],
        ),
    )


@cache
def small_network() -> MelAcousticNetwork:
    """One for v3 and v4: the recipe gives both the same weights, and the rate of mel is outside the network."""
    model = MelAcousticNetwork(small_config()).eval()
    fill(model, seed=3)
    return model


@cache
def golden_of(family: str) -> dict[str, Tensor]:
    return golden_arrays(f"s2_{family}_small.npz")


@cache
def small_vocoder(family: str) -> BigVgan | Generator:
    """A vocoder of few channels with the weights that it starts its training with.

    The golden weights make of BigVGAN a network that magnifies rounding.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if family == "v3":
            return BigVgan(MEL_BANDS, 16, (4, 2), (8, 4), (3,), ((1, 3),)).eval()
        return Generator(MEL_BANDS, 16, (5, 2), (9, 4), (3,), ((1, 3),), timbre=0, output_bias=True).eval()
