"""A small network of every kind, random, and its checkpoint in the official layout, for tests of importing.

Weights have the values that half precision holds, so that a file in half precision is exact. What the official sizes
fix (tokens, hops, mel bands, the width of BERT) is kept, the rest is as small as it can be.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from tests.helpers.g2pw_model import VOCABULARY, write_model
from tests.helpers.nets_weights import fill
from tests.helpers.official_files import HParams, saved
from timbral.nets.acoustic import AcousticConfig, AcousticNetwork
from timbral.nets.bert import Bert, BertConfig
from timbral.nets.bigvgan import BigVgan
from timbral.nets.diffusion_transformer import TransformerConfig
from timbral.nets.eres2net import SpeakerConfig, SpeakerNetwork
from timbral.nets.hifigan import Generator
from timbral.nets.hubert import Hubert, HubertConfig
from timbral.nets.mel_acoustic import MelAcousticConfig, MelAcousticNetwork
from timbral.nets.normalization import fold_weight_norm
from timbral.nets.semantic import SemanticConfig, SemanticTransformer

RANK = 4
SPEAKER = SpeakerConfig(channels=8, blocks=(1, 1, 1, 1), scale=2)
MARKS = {"v2Pro": "05", "v2ProPlus": "06"}

_PRIOR: dict[str, Any] = {
    "features": 64,
    "latent": 16,
    "hidden": 32,
    "feed_forward": 32,
    "layers": 1,
    "mrte_hidden": 64,
    "timbre": 64,
}
_V2 = AcousticConfig(
    **_PRIOR, upsample_channels=32, block_kernels=(3,), block_dilations=((1,),), posterior=False
)
ACOUSTIC = {
    "v1": replace(_V2, phonemes=322, timbre_bins=1025),
    "v2": _V2,
    "v2Pro": replace(_V2, timbre=96, speaker=SPEAKER.embedding),
}
_TRANSFORMER = TransformerConfig(features=64, width=64, layers=1, heads=1, feature_blocks=1)
_MEL = MelAcousticConfig(**{**_PRIOR, "latent": 32}, transformer=_TRANSFORMER)
_CHANGED = "transformer_blocks.0.attn.to_q"

Module = TypeVar("Module", bound=nn.Module)


def _halved(make: Callable[[], Module], seed: int = 0) -> Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = make().eval()
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.half().float())
    return network


@cache
def semantic(symbols: str) -> SemanticTransformer:
    sizes = SemanticConfig(
        hidden=32, layers=1, heads=2, feed_forward=32, phonemes=512 if symbols == "v1" else 732
    )
    return _halved(lambda: SemanticTransformer(sizes))


@cache
def acoustic(version: str) -> AcousticNetwork:
    return _halved(lambda: _filled(AcousticNetwork(ACOUSTIC[version])))


@cache
def mel_acoustic() -> MelAcousticNetwork:
    """One for v3 and v4, as in the files it does not say which it is."""
    return _halved(lambda: _filled(MelAcousticNetwork(_MEL)))


@cache
def vocoder(version: str) -> BigVgan | Generator:
    if version == "v3":
        rates, kernels = (4, 4, 2, 2, 2, 2), (8, 8, 4, 4, 4, 4)
        return _halved(lambda: BigVgan(100, 64, rates, kernels, (3,), ((1,),)))
    rates, kernels = (10, 6, 2, 2, 2), (20, 12, 4, 4, 4)
    return _halved(lambda: _folded(_quiet(Generator(100, 32, rates, kernels, (3,), ((1, 3, 5),), 0, True))))


@cache
def hubert() -> Hubert:
    sizes = HubertConfig(hidden=64, layers=1, heads=1, feed_forward=32, conv_channels=16, position_kernel=16)
    return _halved(lambda: _filled(Hubert(sizes)))


@cache
def bert() -> Bert:
    """With the layers that are not read."""
    sizes = BertConfig(vocabulary=len(VOCABULARY), layers=3, feed_forward=32, positions=32)
    return _halved(lambda: Bert(sizes))


@cache
def speaker() -> SpeakerNetwork:
    return _halved(lambda: SpeakerNetwork(SPEAKER))


def lora() -> dict[str, Tensor]:
    """Changes the queries of the only transformer block."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        pair = {"A": torch.randn(RANK, 64), "B": torch.randn(64, RANK)}
    name = f"cfm.base_model.model.estimator.{_CHANGED}.lora_{{}}.default.weight"
    return {name.format(part): (0.2 * matrix).half() for part, matrix in pair.items()}


def merged() -> MelAcousticNetwork:
    """The network with the LoRA put in."""
    network = _halved(lambda: MelAcousticNetwork(_MEL))
    network.load_state_dict(mel_acoustic().state_dict())
    down, up = (matrix.float() for matrix in lora().values())
    with torch.no_grad():
        network.cfm.estimator.get_parameter(f"{_CHANGED}.weight").add_(up @ down)
    return network


def write(folder: Path) -> dict[str, str]:
    """Writes every file; their paths by short names."""
    files = {
        "s1-v1.ckpt": _semantic_file("v1"),
        "s1-v2.ckpt": _semantic_file("v2"),
        **{f"s2-{version}.pth": _acoustic_file(version) for version in ACOUSTIC},
        "s2-v3.pth": saved(_weights(mel_acoustic(), model={"version": "v3"})),
        "s2-v4.pth": saved(_weights(mel_acoustic(), model={})),
        "lora-v3.pth": saved({"weight": lora(), "info": "2epoch", "lora_rank": RANK}, mark="03"),
        "lora-v4.pth": saved({"weight": lora(), "info": "2epoch", "lora_rank": RANK}, mark="04"),
        "bigvgan.pt": saved(
            {"generator": vocoder("v3").state_dict(), "config": {"model": {"resblock_dilation_sizes": [[1]]}}}
        ),
        "vocoder.pth": saved(vocoder("v4").state_dict()),
        "eres2net.ckpt": saved(_speaker_state()),
        "hubert/pytorch_model.bin": saved({**hubert().state_dict(), "masked_spec_embed": torch.zeros(64)}),
        "bert/pytorch_model.bin": saved(_bert_state()),
        "bert/tokenizer.json": json.dumps(
            {"model": {"vocab": {token: at for at, token in enumerate(VOCABULARY)}}}
        ).encode(),
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(data)
    (folder / "g2pw").mkdir()
    write_model(folder / "g2pw")
    names = {name.split("/")[0].split(".")[0]: name.split("/")[0] for name in [*files, "g2pw"]}
    return {short: str(folder / name) for short, name in names.items()}


def _semantic_file(symbols: str) -> bytes:
    weight = {f"model.{name}": tensor.half() for name, tensor in semantic(symbols).state_dict().items()}
    return saved({"weight": weight, "config": {"model": {"head": 2, "n_layer": 1}}, "info": "GPT-e15"})


def _acoustic_file(version: str) -> bytes:
    model = {"upsample_rates": [10, 8, 2, 2, 2], "resblock_dilation_sizes": [[1]]}
    return saved(_weights(acoustic(version), model=model), mark=MARKS.get(version, ""))


def _weights(network: nn.Module, *, model: dict[str, Any]) -> dict[str, Any]:
    weight = {name: tensor.half() for name, tensor in network.state_dict().items()}
    return {"weight": weight, "config": HParams(model=model, train={"epochs": 8}), "info": "8epoch"}


def _speaker_state() -> dict[str, Tensor]:
    top = {
        "seg_1.weight": torch.zeros(192, 2 * SPEAKER.embedding, dtype=torch.half),
        "seg_1.bias": torch.zeros(192),
    }
    return {**speaker().state_dict(), **top}


def _bert_state() -> dict[str, Tensor]:
    state = {f"bert.{name}": tensor.half() for name, tensor in bert().state_dict().items()}
    return {**state, "cls.predictions.bias": torch.zeros(len(VOCABULARY))}


def _quiet(network: Generator) -> Generator:
    """Filled, and with less gain: rounding of the mel stays rounding of the sound."""
    for name, tensor in _filled(network).state_dict().items():
        if name.endswith("weight_g") or name == "conv_post.weight":
            tensor.mul_(0.6)
    return network


def _folded(network: Generator) -> Generator:
    fold_weight_norm(network)
    return network


def _filled(network: Module) -> Module:
    """With weights so large that what is heard differs from frame to frame."""
    fill(network, seed=8)
    return network
