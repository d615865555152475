"""Stage two against the official networks of v1, v2, v2Pro and v2ProPlus, part by part and as a whole."""

import gzip
import json
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.nets_weights import GOLDENS, fill, golden_arrays, random_floats, relative_error
from timbral.nets.acoustic import FAMILIES, AcousticConfig, AcousticNetwork, joined
from timbral.nets.normalization import fold_weight_norm
from timbral.nets.text_encoder import stretched

CASES = [*((family, "small") for family in FAMILIES), ("v2", "full"), ("v2ProPlus", "full")]


def config_of(family: str, size: str) -> AcousticConfig:
    """Our configuration for the official constructor arguments of a golden file."""
    official: dict[str, Any] = json.loads((GOLDENS / f"s2_{family}_{size}_config.json").read_text())
    return replace(
        FAMILIES[family],
        latent=official["inter_channels"],
        hidden=official["hidden_channels"],
        feed_forward=official["filter_channels"],
        heads=official["n_heads"],
        layers=official["n_layers"],
        kernel=official["kernel_size"],
        dropout=official["p_dropout"],
        timbre=official["gin_channels"],
        upsample_channels=official["upsample_initial_channel"],
        upsample_rates=tuple(official["upsample_rates"]),
        upsample_kernels=tuple(official["upsample_kernel_sizes"]),
        block_kernels=tuple(official["resblock_kernel_sizes"]),
        block_dilations=tuple(map(tuple, official["resblock_dilation_sizes"])),
    )


@cache
def network(family: str, size: str) -> AcousticNetwork:
    model = AcousticNetwork(config_of(family, size)).eval()
    fill(model, seed=2)
    return model


@cache
def golden_of(family: str, size: str) -> dict[str, Tensor]:
    """The golden arrays, with the inputs that full-size files leave out."""
    made = {
        "refer": random_floats(42, 1, 1025, 30).abs(),
        "refer2": random_floats(43, 1, 1025, 22).abs(),
        "ssl": random_floats(46, 1, 768, 25),
        "sv_emb_in": torch.cat([random_floats(44, 1, 20480), random_floats(45, 1, 20480)]),
        "encq_spec": random_floats(47, 1, 1025, 24).abs(),
    }
    return made | golden_arrays(f"s2_{family}_{size}.npz")


def timbres(family: str, size: str) -> tuple[Tensor, Tensor]:
    """The timbre of each of the two golden references."""
    model, golden = network(family, size), golden_of(family, size)
    first, second = golden["sv_emb_in"].split(1) if model.config.speaker else (None, None)
    return model.timbre(golden["refer"], first), model.timbre(golden["refer2"], second)


def decode(family: str, size: str, ge: Tensor, frames: int) -> Tensor:
    model, golden = network(family, size), golden_of(family, size)
    prior = model.prior(golden["codes"][0], golden["text"], ge)
    noise = torch.zeros(1, model.config.latent, frames)
    return model.vocode(model.latent(prior, ge, noise), ge)[:, None]


cases = pytest.mark.parametrize(("family", "size"), CASES)


@cases
@torch.no_grad()
def test_timbre(family: str, size: str) -> None:
    golden = golden_of(family, size)
    ge, _ = timbres(family, size)
    assert relative_error(ge, golden["ge"]) < 1e-4


@cases
@torch.no_grad()
def test_codes_of_features(family: str, size: str) -> None:
    model, golden = network(family, size), golden_of(family, size)
    assert torch.equal(model.codes_of(golden["ssl"])[:, None], golden["extract_latent"])
    vectors = model.quantizer.decode(golden["codes"])
    assert relative_error(vectors if size == "small" else vectors[:, ::16], golden["quantized"]) < 1e-4


@cases
@torch.no_grad()
def test_prior_and_speed(family: str, size: str) -> None:
    model, golden = network(family, size), golden_of(family, size)
    frames = model.prior(golden["codes"][0], golden["text"], golden["ge"])
    assert relative_error(frames, golden["encp_y"]) < 1e-4
    for speed, count in (("1", 24), ("1.25", 20), ("0.8", 31)):
        mean, log_deviation = model.enc_p.statistics(stretched(frames, count), torch.ones(1, 1, count))
        assert relative_error(mean, golden[f"encp_m_speed{speed}"]) < 1e-4
        assert relative_error(log_deviation, golden[f"encp_logs_speed{speed}"]) < 1e-4


@cases
@torch.no_grad()
def test_flow_and_posterior(family: str, size: str) -> None:
    model, golden = network(family, size), golden_of(family, size)
    mask, ge = torch.ones(1, 1, 24), golden["ge"]
    z = model.flow.reverse(golden["encp_m_speed1"], mask, ge)
    assert relative_error(z, golden["flow_rev"]) < 1e-4
    assert relative_error(model.flow(z, mask, ge), golden["flow_fwd"]) < 1e-4
    mean, log_deviation = model.enc_q(golden["encq_spec"], mask, ge)
    assert relative_error(mean, golden["encq_m"]) < 1e-4
    assert relative_error(log_deviation, golden["encq_logs"]) < 1e-4
    assert relative_error(mean + golden["encq_eps"] * log_deviation.exp(), golden["encq_z"]) < 1e-4


@cases
@torch.no_grad()
def test_sound(family: str, size: str) -> None:
    model, golden = network(family, size), golden_of(family, size)
    first, second = timbres(family, size)
    assert relative_error(model.vocode(golden["flow_rev"], golden["ge"])[:, None], golden["dec"]) < 1e-4
    assert relative_error(decode(family, size, first, 24), golden["decode"]) < 1e-4
    assert relative_error(decode(family, size, (first + second) / 2, 24), golden["decode_2refs"]) < 1e-4
    assert relative_error(decode(family, size, first, 20), golden["decode_speed1.25"]) < 1e-4


@cases
@torch.no_grad()
def test_streaming(family: str, size: str) -> None:
    model, golden = network(family, size), golden_of(family, size)
    ge, text = golden["ge"], golden["text"]
    noise = torch.zeros(1, model.config.latent, 24)
    first = model.prior(golden["codes"][0], text, ge)
    assert relative_error(first, golden["stream0_latent"]) < 1e-4
    assert relative_error(model.vocode(model.latent(first, ge, noise), ge)[:, None], golden["stream0"]) < 1e-4
    second = joined(model.prior(golden["codes_stream1"][0], text, ge)[:, :, -24:], first[:, :, -4:])
    assert relative_error(second, golden["stream1_latent"]) < 1e-4
    assert (
        relative_error(model.vocode(model.latent(second, ge, noise), ge)[:, None], golden["stream1"]) < 1e-4
    )


@torch.no_grad()
def test_padding_changes_nothing() -> None:
    """A row of a padded batch gives what it gives alone."""
    model, golden = network("v2", "small"), golden_of("v2", "small")
    codes, phones, spectrum = golden["codes"][0], golden["text"], golden["refer"]
    tokens, texts, recordings = torch.tensor([12, 7]), torch.tensor([5, 9]), torch.tensor([30, 21])
    ge = model.timbre(spectrum.expand(2, -1, -1), lengths=recordings)
    frames = model.prior(codes.expand(2, -1), phones.expand(2, -1), ge, tokens, texts)
    noise = random_floats(1, 2, model.config.latent, 24)
    z = model.latent(frames, ge, noise, 2 * tokens)
    for row in range(2):
        n = 2 * int(tokens[row])
        alone = model.timbre(spectrum[:, :, : recordings[row]])
        assert relative_error(ge[row : row + 1], alone) < 1e-4
        expected = model.prior(codes[:, : tokens[row]], phones[:, : texts[row]], alone)
        assert relative_error(frames[row : row + 1, :, :n], expected) < 1e-4
        expected = model.latent(expected, alone, noise[row : row + 1, :, :n])
        assert relative_error(z[row : row + 1, :, :n], expected) < 1e-4
        assert not z[row, :, n:].any()


@torch.no_grad()
def test_folding_weight_norm_changes_nothing() -> None:
    golden = golden_of("v2", "small")
    model = AcousticNetwork(config_of("v2", "small")).eval()
    fill(model, seed=2)
    fold_weight_norm(model)
    assert not any(key.endswith(("weight_g", "weight_v")) for key in model.state_dict())
    assert relative_error(model.vocode(golden["flow_rev"], golden["ge"])[:, None], golden["dec"]) < 1e-4
    z = model.flow.reverse(golden["encp_m_speed1"], torch.ones(1, 1, 24), golden["ge"])
    assert relative_error(z, golden["flow_rev"]) < 1e-4


def test_gradients_reach_every_weight() -> None:
    """All of the network can be trained, but for the codebook, which is learned by averages."""
    model = AcousticNetwork(config_of("v2Pro", "small"))
    golden = golden_of("v2Pro", "small")
    ge = model.timbre(golden["refer"], golden["sv_emb_in"][:1])
    mask = torch.ones(1, 1, 24)
    mean, log_deviation = model.enc_p.statistics(model.prior(golden["codes"][0], golden["text"], ge), mask)
    posterior, posterior_deviation = model.enc_q(golden["encq_spec"], mask, ge)
    difference = model.flow(posterior, mask, ge) - mean
    sound = model.vocode(posterior, ge).square().mean()
    (difference.square().mean() + log_deviation.mean() + posterior_deviation.mean() + sound).backward()
    without = {name for name, weight in model.named_parameters() if weight.grad is None}
    assert without == {"ssl_proj.weight", "ssl_proj.bias"}


@pytest.mark.parametrize("family", FAMILIES)
def test_official_names_and_shapes(family: str) -> None:
    with gzip.open(GOLDENS / "state_dict_manifest.json.gz", "rt") as file:
        official = json.load(file)[f"s2_{family}"]
    with torch.device("meta"):
        state = AcousticNetwork(FAMILIES[family]).state_dict()
        published = AcousticNetwork(replace(FAMILIES[family], posterior=False)).state_dict()
    shapes = {key: shape for key, (shape, _) in official.items()}
    assert {key: list(tensor.shape) for key, tensor in state.items()} == shapes
    assert set(published) == {key for key in shapes if not key.startswith("enc_q.")}


def test_configurations_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="mrte_hidden"):
        AcousticConfig(timbre=256)
    with pytest.raises(ValueError, match="speaker embedding"):
        network("v2Pro", "small").timbre(golden_of("v2Pro", "small")["refer"])
