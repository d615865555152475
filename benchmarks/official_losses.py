#!/usr/bin/env python3
"""Losses and gradients of training beside the official GPT-SoVITS, run from a checkout of it as it is.

    python benchmarks/official_losses.py PATH

PATH is a checkout of https://github.com/RVC-Boss/GPT-SoVITS; it needs what benchmarks/official.py needs.
Networks are small, with the same synthetic weights and random numbers on both sides, in float32, and rows are
of equal length, since the official code treats padding otherwise (docs/training.md). Prints both values of
each loss and their relative difference, and for gradients the norm of the difference over the norm.
"""

import json
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import official_code  # noqa: E402

from tests.helpers import mel_acoustic_models  # noqa: E402
from tests.helpers.nets_weights import GOLDENS, fill  # noqa: E402
from timbral.nets.acoustic import FAMILIES, AcousticConfig, AcousticNetwork  # noqa: E402
from timbral.nets.discriminators import DISCRIMINATORS, Discriminators  # noqa: E402
from timbral.nets.mel_acoustic import MEL_FAMILIES, MelAcousticNetwork  # noqa: E402
from timbral.nets.semantic import SemanticConfig, SemanticTransformer  # noqa: E402
from timbral.nets.spectrogram import normalized  # noqa: E402
from timbral.training.acoustic_examples import AcousticExample  # noqa: E402
from timbral.training.flow_matching import FlowMatchingTask  # noqa: E402
from timbral.training.scaled_adam import ScaledAdam  # noqa: E402
from timbral.training.semantic import SemanticExample, SemanticTask  # noqa: E402
from timbral.training.settings import AcousticSettings, SemanticSettings, defaults  # noqa: E402
from timbral.training.vits import VitsTask  # noqa: E402

TOKENS, HOP, SEGMENT = 20, 640, 32
SMALL_SEMANTIC = {"embedding_dim": 64, "hidden_dim": 64, "head": 4, "n_layer": 2, "vocab_size": 1025} | {
    "phoneme_vocab_size": 732,
    "dropout": 0,
    "EOS": 1024,
}


def show(what: str, official: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> None:
    for name, value in official.items():
        theirs, mine = float(value.detach()), float(ours[name].detach())
        print(f"{what:10} {name:14} {theirs:16.6f} {mine:16.6f} {abs(theirs - mine) / abs(theirs):9.1e}")


def show_gradients(what: str, official: nn.Module, ours: nn.Module) -> None:
    theirs = dict(official.named_parameters())
    pairs = [(theirs[name].grad, weight.grad) for name, weight in ours.named_parameters()]
    assert all((a is None) == (b is None) for a, b in pairs)
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    difference = torch.stack([(a - b).square().sum() for a, b in both]).sum().sqrt()
    norm = torch.stack([a.square().sum() for a, _ in both]).sum().sqrt()
    print(f"{what:10} {'gradient norm':14} {float(norm):16.6f} {'':16} {float(difference / norm):9.1e}")


def semantic(preference: float) -> None:
    from AR.models import t2s_model

    theirs = t2s_model.Text2SemanticDecoder({"model": SMALL_SEMANTIC}).eval()
    fill(theirs, seed=1)
    ours = SemanticTransformer(SemanticConfig(hidden=64, layers=2, heads=4, feed_forward=256)).eval()
    ours.load_state_dict(theirs.state_dict(), strict=False)
    chance = torch.Generator().manual_seed(0)
    examples = [
        SemanticExample(
            torch.randint(0, 732, (9,), generator=chance),
            torch.randint(0, 1024, (TOKENS,), generator=chance),
            torch.randn(9, 1024, generator=chance),
        )
        for _ in range(2)
    ]
    settings = SemanticSettings(
        **defaults("v2", "semantic", "full") | {"preference": preference, "held_out": 0}
    )
    task = SemanticTask(ours, examples, settings)
    ours.eval()
    batch = task.collate([0, 1])
    # The same part of both rows is said twice, so that rows stay of equal length.
    worse = torch.cat([batch["tokens"][:, :12], batch["tokens"][:, 5:]], dim=1), batch["token_lengths"] + 7
    arguments = [batch[name] for name in ("phones", "phone_lengths", "tokens", "token_lengths", "bert")]
    with mock.patch.object(t2s_model, "make_reject_y", return_value=worse):
        loss, _ = (theirs.forward if preference else theirs.forward_old)(*arguments)
    loss.backward()
    with mock.patch("timbral.training.semantic.corrupted_tokens", return_value=worse):
        (found,) = task.loss_steps(batch)
    found.loss.backward()
    what = "S1 DPO" if preference else "S1"
    show(what, {"total": loss}, {"total": found.loss})
    # Their blocks for inference hold the same parameters by other names.
    show_gradients(what, theirs, ours)


def optimizer() -> None:
    from AR.modules.optim import ScaledAdam as Official

    def network() -> nn.Module:
        torch.manual_seed(1)
        generated = nn.Sequential(
            nn.Linear(8, 16), nn.LayerNorm(16), nn.Linear(16, 16), nn.Linear(16, 3), nn.PReLU()
        )
        return generated.double()

    theirs, ours = network(), network()
    names = [[name for name, _ in theirs.named_parameters()]]
    first = Official(
        theirs.parameters(), lr=0.01, betas=(0.9, 0.95), clipping_scale=2.0, parameters_names=names
    )
    second = ScaledAdam(
        ours.parameters(), lr=0.01, betas=(0.9, 0.95), clipping_scale=2.0, clipping_period=1000
    )
    first.param_groups[0]["clipping_update_period"] = 1000
    chance = torch.Generator().manual_seed(2)
    for _ in range(200):
        x = torch.randn(5, 8, generator=chance, dtype=torch.float64)
        for module, stepping in ((theirs, first), (ours, second)):
            stepping.zero_grad()
            (module(x).square().sum() + module(x).sum()).backward()
            stepping.step()
    pairs = list(zip(theirs.parameters(), ours.parameters(), strict=True))
    worst = max(float((a - b).detach().abs().max()) for a, b in pairs)
    print(f"{'ScaledAdam':10} largest difference of a weight after 200 updates: {worst:.1e}")


@contextmanager
def fixed_random(normal: Tensor, uniform: list[Tensor]) -> Iterator[None]:
    """Draws these numbers instead of random ones."""
    with (
        mock.patch.object(torch, "randn_like", return_value=normal),
        mock.patch.object(torch, "rand", side_effect=uniform),
    ):
        yield


def examples_of(family: str, chance: torch.Generator, mel_rate: float = 0) -> list[AcousticExample]:
    generated = []
    for _ in range(2):
        samples = 0.1 * torch.randn(2 * TOKENS * HOP, generator=chance)
        mel = None
        if mel_rate:
            mel = normalized(torch.randn(100, int(2 * TOKENS * mel_rate), generator=chance) * 2 - 5)
        generated.append(
            AcousticExample(
                samples,
                torch.randint(0, 300, (9,), generator=chance),
                torch.randint(0, 1024, (TOKENS,), generator=chance),
                torch.randn(20480, generator=chance) if "Pro" in family else None,
                mel=mel,
            )
        )
    return generated


def spoken_as(network: Any, tokens: Tensor) -> None:
    """Has the official network take these tokens for what it hears."""
    features = network.quantizer.decode(tokens[None])
    network.quantizer.forward = lambda x, layers=None: (features, tokens, torch.zeros(()), None)


def small_network(family: str, config: dict[str, Any]) -> AcousticNetwork:
    """Our network of the sizes of an official configuration."""
    official = FAMILIES[family]
    return AcousticNetwork(
        AcousticConfig(
            phonemes=official.phonemes,
            timbre_bins=official.timbre_bins,
            timbre=official.timbre,
            speaker=official.speaker,
            latent=config["inter_channels"],
            feed_forward=config["filter_channels"],
            layers=config["n_layers"],
            upsample_channels=config["upsample_initial_channel"],
            upsample_kernels=tuple(config["upsample_kernel_sizes"]),
        )
    )


def vits(family: str) -> None:
    from module import commons, losses, models
    from module.mel_processing import mel_spectrogram_torch, spec_to_mel_torch

    config = json.loads((GOLDENS / f"s2_{family}_small_config.json").read_text())
    config |= {"gin_channels": FAMILIES[family].timbre, "p_dropout": 0.0}
    theirs = models.SynthesizerTrn(1025, SEGMENT, n_speakers=300, version=family, **config).eval()
    fill(theirs, seed=2)
    their_discriminators = models.MultiPeriodDiscriminator(False, version=family)
    fill(their_discriminators, seed=9)
    ours = small_network(family, config)
    ours.load_state_dict(theirs.state_dict())
    discriminators = Discriminators(DISCRIMINATORS[family])
    discriminators.load_state_dict(their_discriminators.state_dict())
    chance = torch.Generator().manual_seed(5)
    settings = AcousticSettings(**defaults(family, "acoustic", "full") | {"held_out": 0})
    task = VitsTask(ours, discriminators, examples_of(family, chance), settings)
    ours.eval()
    batch = task.collate([0, 1])
    spoken_as(theirs, batch["tokens"])
    noise, starts = (
        torch.randn(2, config["inter_channels"], 2 * TOKENS, generator=chance),
        torch.tensor([0.3, 0.8]),
    )

    arguments = [batch["spectrum"], batch["frames"], batch["phones"], batch["phone_lengths"]]
    speaker = [batch["speaker"]] if "Pro" in family else []
    with fixed_random(noise, [starts]):
        generated, _, places, _, mask, (_, z_p, m_p, logs_p, _, logs_q), _ = theirs(
            torch.zeros(2, 768, 2 * TOKENS), *arguments, *speaker
        )
    mel = spec_to_mel_torch(batch["spectrum"], 2048, 128, 32000, 0.0, None)
    generated_mel = mel_spectrogram_torch(generated.squeeze(1), 2048, 128, 32000, HOP, 2048, 0.0, None)
    recorded = commons.slice_segments(batch["samples"], places * HOP, SEGMENT * HOP)
    true, false, _, _ = their_discriminators(recorded, generated.detach())
    _, fake_scores, seen, other = their_discriminators(recorded, generated)
    official = {
        "discriminator": losses.discriminator_loss(true, false)[0],
        "adversarial": losses.generator_loss(fake_scores)[0],
        "features": losses.feature_loss(seen, other),
        "mel": 45 * (commons.slice_segments(mel, places, SEGMENT) - generated_mel).abs().mean(),
        "divergence": losses.kl_loss(z_p, logs_q, m_p, logs_p, mask),
    }
    sum(loss for name, loss in official.items() if name != "discriminator").backward()
    with fixed_random(noise, [starts]):
        first, second = task.loss_steps(batch)
    second.loss.backward()
    show(family, official, {**first.values, **second.values})
    show_gradients(family, theirs, ours)


def flow_matching(family: str, *, shortcut: bool) -> None:
    from module import models

    config = json.loads((GOLDENS / "s2_v3v4_small_config.json").read_text())
    dit = config.pop("dit")
    small = {name: size for name, size in dit.items() if name != "dim_head"}
    with mock.patch.object(models, "DiT", return_value=models.DiT(**small)):
        theirs = models.SynthesizerTrnV3(1025, SEGMENT, n_speakers=300, version=family, **config).eval()
    fill(theirs, seed=3)
    rate = MEL_FAMILIES[family].mel_rate
    ours = MelAcousticNetwork(replace(mel_acoustic_models.small_config(), mel_rate=rate))
    ours.load_state_dict(theirs.state_dict())
    chance = torch.Generator().manual_seed(6)
    settings = AcousticSettings(**defaults(family, "acoustic", "full") | {"held_out": 0})
    task = FlowMatchingTask(ours, examples_of(family, chance, rate), settings)
    ours.eval()
    batch = task.collate([0, 1])
    spoken_as(theirs, batch["tokens"])
    noise = torch.randn(batch["mel"].shape, generator=chance)
    prompts, times, powers = torch.tensor([0.2, 0.9]), torch.tensor([0.1, 0.6]), torch.tensor([3, 7])
    with (
        fixed_random(noise, [prompts, times]),
        mock.patch.object(random, "random", return_value=0.0 if shortcut else 1.0),
        mock.patch.object(torch, "randint", return_value=powers),
    ):
        loss = theirs(
            torch.zeros(2, 768, 2 * TOKENS),
            batch["spectrum"],
            batch["mel"],
            batch["frames"],
            batch["frames"],
            batch["phones"],
            batch["phone_lengths"],
            batch["mel_lengths"],
            False,
        )
    loss.backward()
    with fixed_random(noise, [prompts, times]), mock.patch.object(torch, "randint", return_value=powers):
        found = task._loss(batch, shortcut=shortcut)
    found.backward()
    what = f"{family} 2 steps" if shortcut else family
    show(what, {"velocity": loss}, {"velocity": found})
    show_gradients(what, theirs, ours)


def main() -> None:
    torch.set_num_threads(1)
    official_code.make_importable(Path(sys.argv[1]))
    print(f"{'':10} {'':14} {'official':>16} {'ours':>16} {'relative':>9}")
    semantic(0.0)
    semantic(0.2)
    optimizer()
    for family in ("v1", "v2", "v2Pro", "v2ProPlus"):
        vits(family)
    for family in ("v3", "v4"):
        flow_matching(family, shortcut=False)
        flow_matching(family, shortcut=True)


if __name__ == "__main__":
    main()
