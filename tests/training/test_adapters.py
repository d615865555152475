"""Low-rank changes: how few parameters they train, what they change, and what comes out as a file."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.helpers import training_networks as networks
from timbral.errors import TrainingError
from timbral.nets.acoustic import FAMILIES, AcousticNetwork
from timbral.nets.mel_acoustic import MEL_FAMILIES, MelAcousticNetwork
from timbral.nets.normalization import folded_copy
from timbral.nets.semantic import SemanticConfig, SemanticTransformer
from timbral.training import regularizers
from timbral.training.adapters import (
    add_low_rank,
    freeze,
    low_rank_of,
    merge_low_rank,
    parameter_counts,
)
from timbral.training.settings import defaults
from timbral.training.trained_weights import TrainedWeights


def official(stage: str, version: str) -> nn.Module:
    """The network at official size, without its weights."""
    with torch.device("meta"):
        if stage == "semantic":
            return SemanticTransformer(SemanticConfig())
        if version in MEL_FAMILIES:
            return MelAcousticNetwork(MEL_FAMILIES[version])
        return folded_copy(AcousticNetwork(FAMILIES[version]))


def test_stage_one_trains_under_a_hundredth_of_its_parameters() -> None:
    network = official("semantic", "v2")
    settings = defaults("v2", "semantic", "lora")
    add_low_rank(network, settings["targets"], settings["rank"])
    trained, total = parameter_counts(network)
    assert total == 77_606_402
    assert trained == 589_824 < total / 100


@pytest.mark.parametrize(("version", "megabytes"), [("v2", 13), ("v2Pro", 13), ("v2ProPlus", 16), ("v3", 24)])
def test_changes_of_stage_two_are_small(version: str, megabytes: float) -> None:
    network = official("acoustic", version)
    settings = defaults(version, "acoustic", "lora")
    add_low_rank(network, settings["targets"], settings["rank"])
    trained, total = parameter_counts(network)
    assert trained * 4e-6 < megabytes
    assert trained < total / 16


def test_v3_is_changed_where_the_official_lora_changes_it() -> None:
    network = official("acoustic", "v3")
    settings = defaults("v3", "acoustic", "lora")
    add_low_rank(network, settings["targets"], settings["rank"])
    changed = low_rank_of(network)
    assert len(changed) == 88  # the official file has a pair of tensors for each
    assert parameter_counts(network)[0] == 5_767_168  # rank 32


def test_updates_begin_at_zero_and_merge_into_the_weights() -> None:
    network = networks.acoustic("v2")
    network = folded_copy(network)
    base = copy.deepcopy(network)
    add_low_rank(network, ("dec.*.weight", "flow.*.weight"), 2, ("enc_q.*",))
    frames = torch.randn(1, 16, 4)
    ge = torch.randn(1, 64, 1)
    plain = network.dec(frames, ge)
    changes = low_rank_of(network)
    assert {"dec.ups.0.weight", "dec.conv_pre.weight", "flow.flows.0.pre.weight"} <= changes.keys()
    for _, up in changes.values():
        nn.init.normal_(up)
    changed = network.dec(frames, ge)
    assert not torch.allclose(plain, changed)
    assert torch.equal(base.dec(frames, ge), plain)
    merge_low_rank(base, changes)
    assert torch.allclose(base.dec(frames, ge), changed, atol=1e-5)


def test_packed_attention_is_changed_like_any_weight() -> None:
    network = networks.semantic()
    add_low_rank(network, ("h.*.in_proj_weight",), 2)
    name = "h.layers.0.self_attn.in_proj_weight"
    down, up = low_rank_of(network)[name]
    assert (down.shape, up.shape) == ((2, 32), (96, 2))
    phones, tokens = torch.randint(0, 732, (1, 5)), torch.randint(0, 1024, (1, 9))
    logits = network(phones, torch.tensor([5]), tokens, torch.tensor([9]))
    logits.sum().backward()
    learning = {n for n, w in network.named_parameters() if w.grad is not None}
    assert learning
    assert all(".parametrizations.in_proj_weight.0." in n for n in learning)


def test_a_pattern_that_fits_nothing_is_said() -> None:
    with pytest.raises(TrainingError, match="decoder"):
        add_low_rank(networks.semantic(), ("decoder.*",), 2)
    with pytest.raises(TrainingError, match="nothing"):
        freeze(networks.semantic(), ("nothing.*",))


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_result_is_the_network_that_was_trained(tmp_path: Path, method: str) -> None:
    network = networks.acoustic("v2")
    if method == "lora":
        network = folded_copy(network)
        add_low_rank(network, ("dec.*.weight",), 2, ("enc_q.*", "ref_enc.*"))
    with torch.no_grad():
        for weight in network.parameters():
            if weight.requires_grad:
                weight += 0.01 * torch.randn_like(weight)
    TrainedWeights.of(network, "acoustic", "0123").save(tmp_path / "acoustic.safetensors")
    result = TrainedWeights.load(tmp_path / "acoustic.safetensors")
    assert (result.stage, result.base) == ("acoustic", "0123")
    assert not any(name.startswith("enc_q.") for name in (*result.low_rank, *result.replaced))
    again = folded_copy(networks.acoustic("v2"))
    result.apply(again)
    frames, ge = torch.randn(1, 16, 4), torch.randn(1, 64, 1)
    assert torch.allclose(again.dec(frames, ge), network.dec(frames, ge), atol=2e-3)
    spectrum = torch.rand(1, 1025, 30)
    again.eval(), network.eval()
    assert torch.allclose(again.timbre(spectrum), network.timbre(spectrum), atol=2e-3)


def test_a_result_of_another_network_is_refused(tmp_path: Path) -> None:
    network = networks.semantic()
    add_low_rank(network, ("h.*.in_proj_weight",), 2)
    result = TrainedWeights.of(network, "semantic", "")
    with pytest.raises(TrainingError, match="another network"):
        result.apply(networks.acoustic())
    (tmp_path / "x.safetensors").write_bytes(b"no")
    with pytest.raises(TrainingError, match="cannot be read"):
        TrainedWeights.load(tmp_path / "x.safetensors")


def test_checkpointing_gives_the_same_gradient() -> None:
    torch.manual_seed(0)
    phones, tokens = torch.randint(0, 732, (2, 5)), torch.randint(0, 1024, (2, 9))
    gradients = []
    for again in (False, True):
        network = networks.semantic(dropout=0.2).train()
        if again:
            regularizers.add_checkpointing(list(network.h.layers))
        torch.manual_seed(1)
        network(phones, torch.tensor([5, 5]), tokens, torch.tensor([9, 9])).square().sum().backward()
        gradients.append(network.h.layers[0].linear1.weight.grad)
    assert torch.equal(*gradients)


def test_rows_skip_layers_in_training_only() -> None:
    layer = nn.Linear(3, 3)
    regularizers.add_stochastic_depth([nn.Identity(), layer], 0.5)
    x = torch.randn(400, 2, 3)
    torch.manual_seed(0)
    skipped = (layer(x) == x).all(2).all(1).float().mean()
    assert 0.4 < float(skipped) < 0.6
    layer.eval()
    assert not (layer(x) == x).all(2).all(1).any()


def test_masking_leaves_most_and_no_padding() -> None:
    torch.manual_seed(0)
    tokens, lengths = torch.full((4, 50), 7), torch.tensor([50, 30, 50, 10])
    masked = regularizers.masked_tokens(tokens, lengths, 0.2, 5, 1024)
    for row, length in zip(masked, lengths.tolist(), strict=True):
        assert 0 < int((row != 7).sum()) <= 0.2 * length
        assert (row[length:] == 7).all()
    spectrum = torch.rand(2, 40, 60)
    shown = regularizers.masked_spectrum(spectrum, torch.tensor([60, 30]), 10, 5)
    assert torch.equal(shown[1, :, 30:], spectrum[1, :, 30:])
    assert 0 < int((shown != spectrum).sum()) < spectrum.numel() / 2


def test_dropout_is_set_everywhere() -> None:
    network = networks.semantic(dropout=0.1)
    regularizers.set_dropout(network, 0.3)
    assert {m.p for m in network.modules() if isinstance(m, nn.Dropout)} == {0.3}
    assert network.h.layers[0].self_attn.attention_dropout == 0.3
