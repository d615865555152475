"""Structured pruning: units that do nothing go first, and what is left computes the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

import timbral  # noqa: E402
from tests.helpers.nets_weights import fill  # noqa: E402
from timbral.compression.pruning.embedded import SpokenSample, smaller_source_filter  # noqa: E402
from timbral.compression.pruning.embedded_sizes import pruned_embedded_sizes  # noqa: E402
from timbral.compression.pruning.prune import prune  # noqa: E402
from timbral.compression.pruning.semantic import smaller_semantic  # noqa: E402
from timbral.compression.pruning.settings import PruningSettings  # noqa: E402
from timbral.compression.pruning.vits import VitsSample, smaller_vits, speak  # noqa: E402
from timbral.models import open_bundle, read_bundle  # noqa: E402
from timbral.nets.semantic import SemanticConfig, SemanticTransformer  # noqa: E402
from timbral.nets.source_filter import LatentNet, SourceFilterConfig, SourceFilterVocoder  # noqa: E402
from timbral.training.networks import restore_semantic, restore_vits  # noqa: E402
from timbral.training.semantic import SemanticExample, collate  # noqa: E402

pytestmark = pytest.mark.usefixtures("traced")


def spoken() -> list[SemanticExample]:
    chance = torch.Generator().manual_seed(0)
    return [
        SemanticExample(
            torch.randint(0, 50, (9,), generator=chance), torch.randint(0, 30, (20,), generator=chance)
        )
        for _ in range(3)
    ]


@torch.no_grad()
def test_stage_one_without_silent_heads_and_neurons_says_the_same() -> None:
    config = SemanticConfig(64, 2, 4, 128, vocabulary=31, phonemes=50, bert=False)
    network = SemanticTransformer(config).eval()
    fill(network, 1)
    for layer in network.h.layers:
        layer.self_attn.out_proj.weight[:, 16:32] = 0  # the second head
        layer.linear2.weight[:, 5:69] = 0
    small = smaller_semantic(network, spoken(), layers=2, hidden=64, heads=3, feed_forward=64)
    assert small.config == replace(config, heads=3, feed_forward=64, head_size=16)
    batch = collate(spoken(), bert=False)
    inputs = (batch["phones"], batch["phone_lengths"], batch["tokens"], batch["token_lengths"])
    torch.testing.assert_close(small(*inputs), network(*inputs), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_stage_two_without_silent_neurons_says_the_same() -> None:
    config = SourceFilterConfig(
        vocabulary=17, phonemes=9, hidden=32, latent=16, condition=16, token_blocks=1, frame_blocks=2
    )
    torch.manual_seed(0)
    latent, vocoder = LatentNet(config).eval(), SourceFilterVocoder(config).eval()
    for blocks in (latent.token_blocks, latent.frame_blocks, vocoder.blocks):
        for block in blocks:
            torch.nn.init.normal_(block.down.weight, std=0.1)
            block.down.weight[:, ::3] = 0
    timbre = torch.randn(1, config.timbre)
    timbre[:, -1] = 7
    sample = SpokenSample(torch.arange(12)[None], torch.randint(0, 9, (1, 12, 2)), timbre)
    smaller = smaller_source_filter(
        latent, vocoder, replace(config, expansion=2), [sample], lambda rows: rows
    )
    wanted, f0 = latent(sample.tokens, timbre, sample.phones)
    found, pitch = smaller[0](sample.tokens, timbre, sample.phones)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(pitch, f0, atol=1e-2, rtol=1e-4)
    before, after = vocoder.envelope(wanted, timbre, f0), smaller[1].envelope(wanted, timbre, f0)
    torch.testing.assert_close(after[0], before[0], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_vits_is_read_back_from_its_graphs_and_loses_silent_units_only(
    official_bundles: dict[str, Path],
) -> None:
    network = restore_vits(read_bundle(official_bundles["v2"]))
    config = network.config
    for name, weight in network.named_parameters():
        if ".ffn_layers." in name and name.endswith("conv_2.weight"):
            weight[:, ::2] = 0
    sample = VitsSample(
        torch.randint(0, config.codes, (1, 12)),
        torch.randint(0, 300, (1, 7)),
        torch.randn(1, config.timbre, 1),
    )
    small = smaller_vits(
        network,
        [sample],
        feed_forward=config.feed_forward // 2,
        flow_hidden=config.hidden,
        upsample_channels=config.upsample_channels,
    )
    noise = torch.randn(1, config.latent, 24)
    torch.testing.assert_close(
        speak(small, sample, noise), speak(network, sample, noise), atol=1e-4, rtol=1e-3
    )
    narrow = smaller_vits(network, [sample], feed_forward=16, flow_hidden=16, upsample_channels=32)
    assert torch.isfinite(speak(narrow, sample, noise)).all()


def test_sizes_of_the_embedded_model_have_the_share_that_is_asked_for() -> None:
    sizes = pruned_embedded_sizes(open_bundle(None), 0.4)
    assert sizes.semantic.heads < 6
    assert sizes.semantic.feed_forward % 64 == 0
    assert sizes.acoustic.hidden < 320
    assert sizes.vocabulary == 4096


def test_a_pruned_model_of_an_official_family_speaks(
    official_bundles: dict[str, Path], tmp_path: Path
) -> None:
    settings = PruningSettings(amount=0.5, utterances=8, updates=2, semantic_updates=2, batch_size=2)
    told: list[float] = []
    prune(official_bundles["v2"], tmp_path / "small", settings, lambda what, share: told.append(share))
    bundle = read_bundle(tmp_path / "small")
    assert bundle.manifest.semantic.heads == 1
    assert bundle.manifest.semantic.head_size == 16
    assert restore_semantic(bundle).config.attention == 16
    assert told[-1] == 1.0
    tts = timbral.load(tmp_path / "small", languages=[])
    speech = tts.say("Hello.", timbral.Voice.neutral(tts.manifest), seed=1)
    assert np.isfinite(speech.samples).all()
    assert len(speech.samples) > 8000
