"""What a checkpoint is, its version and sizes, is told by its tensors; wrong ones are named."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.official_files import (
    SMALL_ACOUSTIC,
    SMALL_SEMANTIC,
    acoustic_checkpoint,
    as_floats,
    manifest,
    saved,
    semantic_checkpoint,
)
from timbral.conversion.checkpoints import (
    AcousticSizes,
    BertSizes,
    Checkpoint,
    FlowMatchingSizes,
    HubertSizes,
    LoraSizes,
    SemanticSizes,
    SpeakerSizes,
    VocoderSizes,
    identify,
    read_checkpoint,
)
from timbral.conversion.checkpoints.encoders import bert_shapes, hubert_shapes
from timbral.conversion.checkpoints.shapes import Shapes
from timbral.conversion.checkpoints.vocoders import GeneratorSizes, bigvgan_shapes
from timbral.errors import CheckpointError
from timbral.nets.acoustic import FAMILIES, AcousticConfig, AcousticNetwork
from timbral.nets.semantic import SemanticConfig, SemanticTransformer

_MANIFEST = manifest()


def checkpoint(shapes: Shapes, **beside: Any) -> Checkpoint:
    """A checkpoint with zeros, which take no memory, in these shapes."""
    tensors = {name: np.broadcast_to(np.float16(0), shape) for name, shape in shapes.items()}
    fields = {"path": Path("voice.pth"), "metadata": {}, "mark": None, "fingerprint": ""}
    return Checkpoint(tensors=tensors, **{**fields, **beside})


def official(name: str) -> Shapes:
    """Shapes of an official network."""
    return {key: tuple(shape) for key, (shape, _) in _MANIFEST[name].items()}


@pytest.mark.parametrize("version", FAMILIES)
def test_official_stage_two(version: str) -> None:
    network = identify(checkpoint(official(f"s2_{version}")))
    assert (network.kind, network.version) == ("acoustic", version)
    assert isinstance(network.sizes, AcousticSizes)
    assert not any(name.startswith("enc_q.") for name in network.tensors)
    dropout = FAMILIES[version].dropout
    assert AcousticConfig(**asdict(network.sizes), dropout=dropout) == FAMILIES[version]


def test_official_stage_one() -> None:
    network = identify(checkpoint(official("s1_s1longer-v2")))
    assert (network.kind, network.version) == ("semantic", "v2")
    assert isinstance(network.sizes, SemanticSizes)
    assert SemanticConfig(**asdict(network.sizes)) == SemanticConfig()


def test_stage_one_of_v1_has_its_own_phones() -> None:
    shapes = official("s1_s1longer-v2")
    assert (
        identify(checkpoint({**shapes, "model.ar_text_embedding.word_embeddings.weight": (512, 512)})).version
        == "v1"
    )


def test_official_stage_two_of_v4() -> None:
    network = identify(checkpoint(official("s2_v3_v4")), version="v4")
    assert (network.kind, network.version) == ("flow-matching", "v4")
    assert isinstance(network.sizes, FlowMatchingSizes)
    sizes = network.sizes
    assert (sizes.width, sizes.depth, sizes.attention_heads, sizes.mels) == (1024, 22, 16, 100)


def test_official_lora() -> None:
    shapes = official("s2_v3_v4_lora_r32_trained_keys")
    network = identify(checkpoint(shapes, mark="04", metadata={"lora_rank": 32}))
    assert (network.kind, network.version) == ("lora", "v4")
    assert isinstance(network.sizes, LoraSizes)
    assert (network.sizes.rank, len(network.sizes.changed)) == (32, 88)


def test_official_encoder_of_speakers_and_vocoder() -> None:
    speaker = identify(checkpoint(official("sv_eres2netv2")))
    assert speaker.kind == "speaker"
    assert speaker.sizes == SpeakerSizes(64, (3, 4, 6, 3), 24, 4, 4, 192, 40960)
    vocoder = identify(checkpoint(official("vocoder_v4_no_weight_norm")))
    assert (vocoder.kind, vocoder.version) == ("vocoder", "v4")
    assert isinstance(vocoder.sizes, VocoderSizes)
    assert vocoder.sizes.generator.upsample_rates == (10, 6, 2, 2, 2)


@pytest.mark.parametrize("normed", [True, False])
def test_bigvgan(normed: bool) -> None:
    rates, kernels, dilations = (4, 4, 2, 2, 2, 2), (8, 8, 4, 4, 4, 4), ((1, 3, 5),) * 3
    generator = GeneratorSizes(1536, rates, kernels, (3, 7, 11), dilations)
    sizes = VocoderSizes(100, generator, normed=normed, output_bias=False)
    network = identify(checkpoint(bigvgan_shapes(sizes)))
    assert (network.kind, network.version, network.sizes) == ("vocoder", "v3", sizes)


@pytest.mark.parametrize("names", [("weight_g", "weight_v"), ("parametrizations.weight.original0",) * 2])
@pytest.mark.parametrize("prefix", ["", "hubert."])
def test_hubert(names: tuple[str, str], prefix: str) -> None:
    if names[0] == names[1]:
        names = (names[0], "parametrizations.weight.original1")
    kernels = (10, 3, 3, 3, 3, 2, 2)
    sizes = HubertSizes(768, 12, 12, 3072, 512, kernels, 128, 16, names)
    shapes = {f"{prefix}{name}": shape for name, shape in hubert_shapes(sizes).items()}
    network = identify(checkpoint({**shapes, f"{prefix}masked_spec_embed": (768,)}))
    assert (network.kind, network.sizes) == ("hubert", sizes)
    assert not any(name.startswith("hubert.") for name in network.tensors)


@pytest.mark.parametrize("old", [False, True])
def test_bert(old: bool) -> None:
    sizes = BertSizes(1024, 24, 16, 4096, 21128, 512, 2)
    shapes = {f"bert.{name}": shape for name, shape in bert_shapes(sizes).items()}
    if old:
        shapes = {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
                "LayerNorm.bias", "LayerNorm.beta"
            ): shape
            for name, shape in shapes.items()
        }
    extra = {"bert.pooler.dense.bias": (1024,), "cls.predictions.bias": (21128,)}
    network = identify(checkpoint({**shapes, **extra}))
    assert (network.kind, network.sizes) == ("bert", sizes)
    assert network.tensors.keys() == bert_shapes(sizes).keys()


def test_from_file_to_network_stage_one(tmp_path: Path) -> None:
    expected = semantic_checkpoint()
    (tmp_path / "s1.ckpt").write_bytes(saved(expected))
    network = identify(read_checkpoint(tmp_path / "s1.ckpt"))
    assert isinstance(network.sizes, SemanticSizes)
    config = SemanticConfig(**asdict(network.sizes))
    assert config == SMALL_SEMANTIC
    assert network.tensors.keys() == SemanticTransformer(config).state_dict().keys()


def test_from_file_to_network_stage_two(tmp_path: Path) -> None:
    expected = acoustic_checkpoint()
    (tmp_path / "s2.pth").write_bytes(saved(expected))
    network = identify(read_checkpoint(tmp_path / "s2.pth"))
    assert isinstance(network.sizes, AcousticSizes)
    config = AcousticConfig(**asdict(network.sizes), posterior=False)
    assert config == SMALL_ACOUSTIC
    assert network.tensors.keys() == AcousticNetwork(config).state_dict().keys()
    for name, tensor in expected["weight"].items():
        assert np.array_equal(network.tensors[name].astype(np.float32), as_floats(tensor))


@pytest.mark.parametrize(
    ("beside", "version"),
    [
        ({"mark": "02"}, "v3"),
        ({"mark": "03"}, "v3"),
        ({"mark": "04"}, "v4"),
        ({"metadata": {"config": {"model": {"version": "v3"}}}}, "v3"),
        ({"metadata": {"config": {"model": {"version": "v4"}}}}, "v4"),
        ({"mark": "04", "metadata": {"config": {"model": {"version": "v3"}}}}, "v4"),
        ({"fingerprint": "43797be674a37c1c83ee81081941ed0f"}, "v3"),
        ({"fingerprint": "4f26b9476d0c5033e04162c486074374"}, "v4"),
    ],
)
def test_v3_and_v4_are_told_apart_by_what_stands_beside(beside: dict[str, Any], version: str) -> None:
    for name in ("s2_v3_v4", "s2_v3_v4_lora_r32_trained_keys"):
        assert identify(checkpoint(official(name), **beside)).version == version


def test_v3_or_v4_has_to_be_said_where_the_file_does_not() -> None:
    with pytest.raises(CheckpointError, match="say which"):
        identify(checkpoint(official("s2_v3_v4")))
    with pytest.raises(CheckpointError, match="not of v3"):
        identify(checkpoint(official("s2_v3_v4"), mark="04"), version="v3")


@pytest.mark.parametrize("name", [n for n in _MANIFEST if "lora" not in n])
def test_missing_unexpected_and_misshapen_tensors_are_named(name: str) -> None:
    shapes = official(name)
    bias = next(key for key in shapes if key.endswith(".bias") and not key.startswith(("enc_q", "conv_post")))
    broken = [
        ({**shapes, "surplus.weight": (3,)}, "surplus.weight"),
        ({key: shape for key, shape in shapes.items() if key != bias}, bias),
        ({**shapes, bias: (3, 3)}, bias),
    ]
    for changed, named in broken:
        with pytest.raises(CheckpointError, match=named.removeprefix("model.")) as error:
            identify(checkpoint(changed), version="v3")
        assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"enc_p.text_embedding.weight": (500, 192)}, "500 phones"),
        ({"enc_p.encoder_text.attn_layers.0.emb_rel_k": (1, 9, 500)}, "contradict"),
        ({"enc_p.text_embedding.weight": (0, 192)}, "shape"),
        ({"dec.ups.0.weight_v": (512, 256, 99)}, "no official version"),
        ({"prelu.weight": (1024,)}, "sv_emb.weight"),
    ],
)
def test_sizes_that_no_network_has(changes: Shapes, says: str) -> None:
    with pytest.raises(CheckpointError, match=says):
        identify(checkpoint({**official("s2_v2"), **changes}))


@pytest.mark.parametrize(
    "model",
    [
        {"upsample_rates": [10, 8]},
        {"upsample_rates": "10"},
        {"upsample_rates": [10, 8, 2, 2, -2]},
        {"resblock_dilation_sizes": [[1], [1], [1]]},
        {"resblock_dilation_sizes": [1, 2, 3]},
    ],
)
def test_configuration_that_does_not_fit(model: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError):
        identify(checkpoint(official("s2_v2"), metadata={"config": {"model": model}}))


def test_strangers() -> None:
    with pytest.raises(CheckpointError, match="s2G"):
        identify(checkpoint({"discriminators.0.conv_post.weight": (1, 1)}))
    with pytest.raises(CheckpointError, match="no network that is known"):
        identify(checkpoint({"a": (1,), "b": (2,)}))


def test_whole_numbers_are_no_weights() -> None:
    whole = checkpoint(official("vocoder_v4_no_weight_norm"))
    tensors = {**whole.tensors, "conv_post.bias": np.zeros(1, np.int64)}
    with pytest.raises(CheckpointError, match="int64"):
        identify(replace(whole, tensors=tensors))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_by_name(value: float) -> None:
    for name, given in (("s2_v2", {}), ("s2_v3_v4_lora_r32_trained_keys", {"version": "v3"})):
        whole = checkpoint(official(name))
        broken = next(key for key in whole.tensors if "enc_p" in key or "lora_A" in key)
        tensor = np.zeros(whole.tensors[broken].shape, np.float32)
        tensor.flat[-1] = value
        with pytest.raises(CheckpointError, match=r"has 1 values that are infinite or no numbers"):
            identify(replace(whole, tensors={**whole.tensors, broken: tensor}), **given)


def test_numbers_beyond_float32_are_refused() -> None:
    whole = checkpoint(official("vocoder_v4_no_weight_norm"))
    tensors = {**whole.tensors, "conv_post.bias": np.full(1, 1e300)}
    with pytest.raises(CheckpointError, match=r"conv_post\.bias"):
        identify(replace(whole, tensors=tensors))


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "module._orig_mod."])
def test_names_under_the_prefix_of_a_wrapper(tmp_path: Path, wrapper: str) -> None:
    expected = acoustic_checkpoint()
    weight = {f"{wrapper}{name}": tensor for name, tensor in expected["weight"].items()}
    (tmp_path / "s2.pth").write_bytes(saved({**expected, "weight": weight}))
    assert identify(read_checkpoint(tmp_path / "s2.pth")).version == "v2"


def test_a_stage_two_whose_phones_were_cut_is_not_of_v1() -> None:
    cut = {**official("s2_v2"), "enc_p.text_embedding.weight": (322, 192)}
    with pytest.raises(CheckpointError, match=r"322 phones of v1, but .* 704 bins instead of 1025"):
        identify(checkpoint(cut))
    cut = {**official("s2_v3_v4"), "enc_p.text_embedding.weight": (322, 192)}
    with pytest.raises(CheckpointError, match="322 phones of v1"):
        identify(checkpoint(cut), version="v3")


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"phoneme_vocab_size": 512}, "phoneme_vocab_size is 732, and 512 in its configuration"),
        ({"n_layer": 25}, "n_layer is 24, and 25"),
        ({"vocab_size": 1024}, "vocab_size is 1025, and 1024"),
    ],
)
def test_a_stage_one_that_was_cut_contradicts_its_configuration(entry: dict[str, int], says: str) -> None:
    beside = {"metadata": {"config": {"model": entry}}}
    with pytest.raises(CheckpointError, match=says):
        identify(checkpoint(official("s1_s1longer-v2"), **beside))
