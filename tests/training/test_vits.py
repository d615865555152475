"""Stage two of every kind takes steps that lead somewhere, alone and against its adversaries; codebooks are learned."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers import training_networks as networks
from tests.helpers.import_files import mel_acoustic
from timbral.errors import TrainingError
from timbral.nets.discriminators import DISCRIMINATORS, Discriminators
from timbral.nets.mel_acoustic import MelAcousticNetwork
from timbral.nets.quantizer import Quantizer
from timbral.training.acoustic_examples import collate
from timbral.training.acoustic_task import GENERATOR
from timbral.training.codebooks import quantize
from timbral.training.curves import read_curves
from timbral.training.flow_matching import FlowMatchingTask
from timbral.training.loop import train
from timbral.training.settings import AcousticSettings, defaults
from timbral.training.vits import DISCRIMINATOR, VitsTask


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def settings(version: str = "v2", method: str = "full", **changes: Any) -> AcousticSettings:
    small = {
        "rank": 4,
        "epochs": 8,
        "batch_size": 2,
        "least": 0,
        "held_out": 0,
        "clip": 10.0,
        "schedule": {"kind": "constant"},
    }
    return AcousticSettings(**defaults(version, "acoustic", method) | small | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("family", ["v2", "v2Pro"])
def test_it_learns_against_adversaries(tmp_path: Path, family: str) -> None:
    chosen = settings(family, rate=3e-3, epochs=5)
    judges = Discriminators(networks.JUDGES)
    task = VitsTask(networks.acoustic(family), judges, networks.sounded(2, family), chosen)
    before = [weight.clone() for weight in judges.parameters()]
    train(task, chosen, tmp_path, device="cpu")
    rows = read_curves(tmp_path)
    assert rows[-1]["mel"] < 0.95 * rows[0]["mel"]
    assert {"discriminator", "adversarial", "features", "divergence"} <= rows[0].keys()
    assert all(not torch.equal(a, b) for a, b in zip(before, judges.parameters(), strict=True))
    groups = task.optimizers[GENERATOR].param_groups
    assert groups[1]["lr"] == pytest.approx(0.4 * groups[0]["lr"])
    assert all(weight.requires_grad for weight in judges.parameters())


def test_low_rank_changes_learn_and_the_rest_stays(tmp_path: Path) -> None:
    network = networks.acoustic()
    chosen = settings(method="lora", rate=1e-2, adversary=False, epochs=5)
    task = VitsTask(network, None, networks.sounded(), chosen)
    before = {n: w.clone() for n, w in network.named_parameters() if not w.requires_grad}
    train(task, chosen, tmp_path, device="cpu")
    rows = read_curves(tmp_path)
    assert rows[-1]["mel"] < 0.95 * rows[0]["mel"]
    assert all(torch.equal(w, before[n]) for n, w in network.named_parameters() if n in before)


def test_a_new_posterior_encoder_is_trained_by_any_method() -> None:
    task = VitsTask(
        networks.acoustic(), None, networks.sounded(), settings(method="lora"), new_posterior=True
    )
    learning = {n for n, w in task.network.named_parameters() if w.requires_grad}
    assert "enc_q.pre.weight" in learning
    assert "dec.conv_pre.weight" not in learning


def test_adversaries_learn_from_their_own_loss_only() -> None:
    judges = Discriminators(networks.JUDGES)
    task = VitsTask(networks.acoustic(), judges, networks.sounded(), settings())
    passes = iter(task.loss_steps(task.collate([0, 1])))
    first = next(passes)
    assert first.network == DISCRIMINATOR
    first.loss.backward()
    assert task.network.dec.conv_pre.weight.grad is None
    judges.zero_grad()
    second = next(passes)
    assert second.network == GENERATOR
    second.loss.backward()
    assert all(weight.grad is None for weight in judges.parameters())
    assert task.network.dec.conv_pre.weight.grad is not None


def test_segments_are_those_of_the_recording() -> None:
    """What is compared with a made segment is the recording in the same place."""
    task = VitsTask(networks.acoustic(), None, networks.sounded(), settings(segment=6400))
    batch = task.collate([0, 1])
    _, recorded, _ = task._segments(batch)
    for row, segment in zip(batch["samples"][:, 0], recorded[:, 0], strict=True):
        places = [p for p in range(0, len(row) - 6399, 640) if torch.equal(row[p : p + 6400], segment)]
        assert len(places) == 1


def test_recordings_shorter_than_a_segment_are_left_out() -> None:
    short = replace(networks.sounded(1)[0], samples=torch.randn(9000))
    task = VitsTask(networks.acoustic(), None, [short, *networks.sounded()], settings())
    assert len(task.examples) == 2
    with pytest.raises(TrainingError, match="between"):
        VitsTask(networks.acoustic(), None, [short], settings())


def test_samples_say_what_is_held_out() -> None:
    task = VitsTask(networks.acoustic(), None, networks.sounded(5), settings(held_out=0.2))
    task.network.eval()
    with torch.no_grad():
        said = task.samples()
    (sound,) = said.values()
    assert (len(sound.samples), sound.rate) == (2 * networks.TOKENS * 640, 32000)


def test_discriminators_have_the_official_names_and_sizes() -> None:
    with torch.device("meta"):
        judges = Discriminators(DISCRIMINATORS["v2"])
        more = Discriminators(DISCRIMINATORS["v2Pro"])
    state = judges.state_dict()
    assert state["discriminators.0.convs.4.weight_v"].shape == (1024, 4, 41)
    assert state["discriminators.0.conv_post.weight_g"].shape == (1, 1, 1)
    assert state["discriminators.5.convs.1.weight_v"].shape == (128, 32, 5, 1)
    assert state["discriminators.5.convs.1.weight_g"].shape == (128, 1, 1, 1)
    assert sum(weight.numel() for weight in judges.parameters()) == 46_747_132
    assert len(more.discriminators) == 8


@pytest.mark.parametrize("method", ["lora", "full"])
def test_flow_matching_learns(tmp_path: Path, method: str) -> None:
    torch.manual_seed(0)
    network = MelAcousticNetwork(mel_acoustic().config)
    examples = []
    for example in networks.sounded(2):
        mel = torch.tanh(torch.randn(100, 1)).expand(-1, 75).clone()
        examples.append(replace(example, mel=mel))
    chosen = settings("v3", method, rate=5e-3, epochs=16, whole=("cfm.estimator.proj_out.*",))
    task = FlowMatchingTask(network, examples, chosen)
    train(task, chosen, tmp_path, device="cpu")
    # Shortcuts have losses of their own, which are tiny in a network that has learned nothing.
    losses = [row["velocity"] for row in read_curves(tmp_path) if row["velocity"] > 0.1]
    assert sum(losses[-4:]) < 0.95 * sum(losses[:4])


def test_codebooks_are_learned_layer_by_layer() -> None:
    torch.manual_seed(0)
    quantizer = Quantizer(8, 16, 2).train()
    centres = 3 * torch.randn(24, 16)
    valid = torch.ones(4, 50, dtype=torch.bool)
    valid[3, 25:] = False
    distances = []
    for step in range(400):
        if step == 10:  # the features change, and the codes follow
            centres += 5
        frames = centres[torch.randint(0, 24, (4, 50))] + 0.1 * torch.randn(4, 50, 16)
        frames[~valid] = 1e4
        features = frames.transpose(1, 2).requires_grad_()
        found, distance = quantize(quantizer, features, valid)
        distances.append(float(distance.detach()))
    assert distances[-1] < 1.4 * distances[0] < 0.6 * distances[10]
    found.sum().backward()
    assert torch.equal(features.grad, torch.ones_like(features))

    quantizer.eval()
    wanted = features.detach()
    first, _ = quantize(quantizer, wanted, valid, 1)
    both, _ = quantize(quantizer, wanted, valid)
    errors = [(made - wanted).transpose(1, 2)[valid].square().mean() for made in (first, both)]
    assert errors[1] < 0.7 * errors[0]
    codes = quantizer.encode(wanted)
    assert torch.allclose(quantizer.decode(codes), both, atol=1e-3, rtol=1e-3)
    assert torch.allclose(quantizer.decode(codes[:, :1]), first, atol=1e-3, rtol=1e-3)


def test_training_from_scratch_learns_the_codebooks(tmp_path: Path) -> None:
    network = networks.acoustic(quantizers=2)
    chosen = settings(freeze=(), adversary=False, rate=1e-3, epochs=3)
    task = VitsTask(network, None, networks.sounded(content=True), chosen)
    train(task, chosen, tmp_path, device="cpu")
    assert float(network.quantizer.vq.layers[0]._codebook.inited) == 1
    assert all("commitment" in row for row in read_curves(tmp_path))
    with pytest.raises(TrainingError, match="from Python only"):
        VitsTask(network, None, networks.sounded(), chosen)


def test_all_parts_of_a_batch_keep_one_clock() -> None:
    long, short = networks.sounded(2)
    short = replace(short, samples=short.samples[: 33 * 640 + 100])
    batch = collate([long, short])
    assert batch["frames"].tolist() == [40, 32]
    assert batch["spectrum"].shape == (2, 1025, 40)
    assert batch["tokens"].shape == (2, 20)
    assert (batch["samples"][1, 0, 32 * 640 :] == 0).all()
