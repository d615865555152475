"""Stage one learns its recordings, by every method and with every regulariser, and measures what is held out."""

from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers import training_networks as networks
from timbral.errors import TrainingError
from timbral.training.batch_sampler import batches_by_length, split_held_out
from timbral.training.curves import read_curves
from timbral.training.loop import train
from timbral.training.semantic import SemanticExample, SemanticTask, collate
from timbral.training.settings import SemanticSettings, defaults


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def settings(method: str = "lora", **changes: Any) -> SemanticSettings:
    small = {
        "rank": 4,
        "rate": 0.02,
        "epochs": 10,
        "batch_size": 4,
        "accumulation": 1,
        "least": 0,
        "patience": 0,
    }
    return SemanticSettings(**defaults("v2", "semantic", method) | small | {"held_out": 0} | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"method": "full", "rate": 0.01},
        {"method": "full", "optimizer": "adamw", "rate": 0.003, "freeze": ("ar_text_embedding.*",)},
        {"preference": 0.2, "precision": "bf16"},
        {
            "mixup": 0.2,
            "masking": 0.1,
            "stochastic_depth": 0.1,
            "dropout": 0.05,
            "checkpointing": True,
            "ema": 0.5,
        },
    ],
    ids=["lora", "scaled-adam", "frozen", "preference", "regularisers"],
)
def test_it_learns(tmp_path: Path, changes: dict[str, Any]) -> None:
    network = networks.semantic()
    chosen = settings(**changes)
    train(SemanticTask(network, networks.spoken(), chosen), chosen, tmp_path, device="cpu")
    losses = [row["cross_entropy"] for row in read_curves(tmp_path)]
    assert losses[-1] < 0.95 * losses[0]


def test_only_what_is_to_learn_is_changed(tmp_path: Path) -> None:
    network = networks.semantic()
    before = {name: weight.clone() for name, weight in network.named_parameters()}
    chosen = settings("full", freeze=("ar_text_embedding.*", "h.layers.0.*"), epochs=1)
    train(SemanticTask(network, networks.spoken(), chosen), chosen, tmp_path, device="cpu")
    for name, weight in network.named_parameters():
        frozen = name.startswith(("ar_text_embedding.", "h.layers.0."))
        assert torch.equal(weight, before[name]) == frozen, name


def test_padding_changes_nothing() -> None:
    """A batch has the loss of its rows alone."""
    network = networks.semantic(bert=True)
    examples = networks.spoken(3, bert=True)
    task = SemanticTask(network, examples, settings(targets=("h.*.in_proj_weight",)))
    network.eval()
    (together,) = task.loss_steps(task.collate([0, 1, 2]))
    alone = [next(iter(task.loss_steps(task.collate([i])))).loss for i in range(3)]
    assert float(together.loss.detach()) == pytest.approx(float(sum(alone).detach()), rel=1e-5)  # type: ignore[union-attr]


def test_mixing_with_oneself_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    network = networks.semantic()
    chosen = settings(targets=("h.*.in_proj_weight",), mixup=0.4)
    task = SemanticTask(network, networks.spoken(1), chosen)
    network.eval()
    (mixed,) = task.loss_steps(task.collate([0]))
    plain = SemanticTask(
        networks.semantic().eval(), networks.spoken(1), chosen.model_copy(update={"mixup": 0.0})
    )
    (own,) = plain.loss_steps(plain.collate([0]))
    # The end is not mixed: rows end in different places.
    assert float(mixed.loss.detach()) <= float(own.loss.detach())
    assert float(mixed.values["cross_entropy"].detach()) == pytest.approx(
        float(own.values["cross_entropy"].detach()), rel=1e-5
    )


def test_held_out_recordings_are_measured_and_not_trained_on(tmp_path: Path) -> None:
    network = networks.semantic()
    chosen = settings(held_out=0.25, epochs=3, patience=1)
    task = SemanticTask(network, networks.spoken(8), chosen)
    assert (len(task.examples), len(task.held_out)) == (6, 2)
    outcome = train(task, chosen, tmp_path, device="cpu")
    told = [row["held_out_cross_entropy"] for row in read_curves(tmp_path) if "held_out_cross_entropy" in row]
    assert outcome.best == min(told)
    network.eval()
    with torch.no_grad():
        assert task.validate()["cross_entropy"] == pytest.approx(outcome.best, rel=1e-5)


def test_recordings_that_do_not_fit_their_text_are_left_out() -> None:
    good = networks.spoken(1)[0]
    hasty = SemanticExample(torch.zeros(60, dtype=torch.long), good.tokens)
    long = SemanticExample(torch.zeros(9, dtype=torch.long), torch.zeros(80 * 25, dtype=torch.long))
    silent = SemanticExample(good.phones, torch.zeros(0, dtype=torch.long))
    task = SemanticTask(networks.semantic(), [good, hasty, long, silent], settings())
    assert len(task.examples) == 1
    with pytest.raises(TrainingError, match="none of 3"):
        SemanticTask(networks.semantic(), [hasty, long, silent], settings())


def test_phones_are_padded_in_front_and_tokens_behind() -> None:
    batch = collate(networks.spoken(2, bert=True), bert=True)
    assert batch["phones"].shape == (2, 12)
    assert (batch["phones"][0, :2] == 0).all()
    assert (batch["bert"][0, :, :2] == 0).all()
    assert (batch["tokens"][0, 20:] == 0).all()


def test_the_order_follows_from_seed_and_epoch() -> None:
    lengths = [1.0, 9.0, 1.5, 8.5, 3.0, 3.5, 1.2, 9.5]
    first = batches_by_length(lengths, 2, 2.0, 7, 0)
    assert first == batches_by_length(lengths, 2, 2.0, 7, 0)
    assert first != batches_by_length(lengths, 2, 2.0, 7, 1)
    assert first != batches_by_length(lengths, 2, 2.0, 8, 0)
    assert sorted(chain(*first)) == list(range(8))
    wide = [max(lengths[i] for i in u) - min(lengths[i] for i in u) for u in first]
    assert sum(width < 2.5 for width in wide) >= 3
    assert sorted(chain(*batches_by_length([1.0] * 30, 4, 2.0, 0, 0, least=100))) == sorted(
        list(range(30)) * 3
    )


def test_few_recordings_are_all_trained_on() -> None:
    assert split_held_out(4, 0.2, 0) == ([0, 1, 2, 3], [])
    trained, kept = split_held_out(10, 0.1, 0)
    assert len(kept) == 1
    assert sorted(trained + kept) == list(range(10))
