"""A LoRA put into its base gives the weights of the official code, and one that does not fit is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.helpers.nets_weights import golden_array
from tests.helpers.official_files import GOLDENS, saved
from timbral.conversion.checkpoints import (
    Checkpoint,
    FlowMatchingSizes,
    Network,
    identify,
    merge_lora,
    read_checkpoint,
)
from timbral.conversion.checkpoints.flow_matching import shapes
from timbral.conversion.checkpoints.tensors import Array
from timbral.errors import CheckpointError

_BASE_SEED, _LORA_SEED = 3, 7
_SIZES = FlowMatchingSizes(
    phonemes=732,
    codes=1024,
    features=768,
    timbre_bins=704,
    latent=192,
    hidden=192,
    feed_forward=64,
    heads=2,
    layers=2,
    kernel=3,
    mrte_hidden=512,
    mrte_heads=4,
    timbre=512,
    mels=100,
    condition=512,
    width=128,
    depth=2,
    attention_heads=2,
    head_size=64,
    expansion=2,
    condition_blocks=2,
)
_CHANGED = "cfm.estimator.transformer_blocks.1.attn.to_q.weight"


def checkpoint(tensors: dict[str, Array], **beside: Any) -> Checkpoint:
    fields = {"path": Path("lora.pth"), "metadata": {"lora_rank": 8}, "mark": "04", "fingerprint": ""}
    return Checkpoint(tensors=tensors, **{**fields, **beside})


@pytest.fixture(scope="module")
def base() -> Network:
    """The small v4 of the goldens; only what the LoRA changes has its values."""
    tensors = {
        name: golden_array(name, shape, _BASE_SEED) if ".attn.to_" in name else np.zeros(shape, np.float16)
        for name, shape in shapes(_SIZES).items()
    }
    network = identify(checkpoint(tensors, path=Path("base.pth"), metadata={}))
    assert network.sizes == _SIZES
    return network


@pytest.fixture
def lora() -> dict[str, Array]:
    """The LoRA of the goldens, by its official names."""
    names = json.loads((GOLDENS / "lora_v4_small_keys.json").read_text("utf-8"))
    return {name: golden_array(name, tuple(shape), _LORA_SEED) for name, shape in names.items()}


def test_as_the_official_code_merges(base: Network, lora: dict[str, Array], tmp_path: Path) -> None:
    weight = {name: torch.from_numpy(tensor) for name, tensor in lora.items()}
    data = saved({"weight": weight, "info": "2epoch", "lora_rank": 8}, mark="04")
    (tmp_path / "lora.pth").write_bytes(data)
    merged = merge_lora(base, identify(read_checkpoint(tmp_path / "lora.pth")))
    assert (merged.kind, merged.version, merged.sizes) == ("flow-matching", "v4", _SIZES)
    assert merged.tensors.keys() == base.tensors.keys()
    with np.load(GOLDENS / "lora_v4_small_merged.npz") as goldens:
        for name in goldens:
            assert merged.tensors[name].dtype == np.float32
            np.testing.assert_allclose(merged.tensors[name], goldens[name], rtol=0, atol=2e-6)
    assert merged.tensors["bridge.0.bias"] is base.tensors["bridge.0.bias"]


def test_half_precision_is_merged_in_single(base: Network, lora: dict[str, Array]) -> None:
    halved = {name: tensor.astype(np.float16) for name, tensor in lora.items()}
    half = replace(base, tensors={name: t.astype(np.float16) for name, t in base.tensors.items()})
    merged = merge_lora(half, identify(checkpoint(halved)))
    official = "cfm.base_model.model.estimator.transformer_blocks.1.attn.to_q.lora_{}.default.weight"
    down, up = (halved[official.format(part)].astype(np.float64) for part in "AB")
    expected = half.tensors[_CHANGED].astype(np.float64) + up @ down
    np.testing.assert_allclose(merged.tensors[_CHANGED], expected, atol=1e-5)


def test_what_was_trained_in_full_replaces_the_base(base: Network, lora: dict[str, Array]) -> None:
    bias = np.ones(512, np.float16)
    rotary = np.ones(32, np.float16)
    full = {"bridge.0.bias": bias, "cfm.base_model.model.estimator.rotary_embed.inv_freq": rotary}
    merged = merge_lora(base, identify(checkpoint({**lora, **full})))
    assert merged.tensors["bridge.0.bias"] is bias
    assert merged.tensors["cfm.estimator.rotary_embed.inv_freq"] is rotary


def test_version_must_be_that_of_the_base(base: Network, lora: dict[str, Array]) -> None:
    with pytest.raises(CheckpointError, match=r"a LoRA of v3 does not fit base\.pth.*of v4"):
        merge_lora(base, identify(checkpoint(lora, mark="03")))
    with pytest.raises(CheckpointError, match="no LoRA"):
        merge_lora(base, base)


def test_names_and_shapes_must_be_those_of_the_base(base: Network, lora: dict[str, Array]) -> None:
    prefix = "cfm.base_model.model.estimator.transformer_blocks"
    pair = {f"{prefix}.9.attn.to_q.lora_{part}.default.weight": np.zeros((8, 8)) for part in "AB"}
    wide = {f"{prefix}.1.attn.to_q.lora_A.default.weight": np.zeros((8, 64))}
    for changes, says in (
        (pair, r"blocks\.9.*base does not have"),
        (wide, r"blocks\.1.*\(128, 64\).*\(128, 128\)"),
        ({"bridge.0.bias": np.zeros(3)}, r"bridge\.0\.bias.*\(3,\)"),
        ({"stranger": np.zeros(3)}, "stranger"),
    ):
        with pytest.raises(CheckpointError, match=says):
            merge_lora(base, identify(checkpoint({**lora, **changes})))


def test_a_lora_must_be_complete(lora: dict[str, Array]) -> None:
    first, second = list(lora)[:2]
    half = {name: tensor for name, tensor in lora.items() if name != second}
    for tensors, rank, says in (
        (half, 8, "incomplete"),
        (lora, 16, "ranks"),
        ({**lora, first: np.zeros((4, 128)), second: np.zeros((128, 4))}, 8, "ranks"),
        ({**lora, first: np.zeros((8, 128), np.int64)}, 8, "int64"),
        (
            {**lora, "cfm.estimator.x": np.zeros(1), "cfm.base_model.model.estimator.x": np.zeros(1)},
            8,
            "same",
        ),
    ):
        with pytest.raises(CheckpointError, match=says):
            identify(checkpoint(tensors, metadata={"lora_rank": rank}))
