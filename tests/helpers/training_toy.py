"""A small task with everything that a run can have: two networks, dropout, noise, held-out examples, an average.

`python training_toy.py FOLDER` trains once, `python training_toy.py FOLDER KILLS SEED` in processes that it
kills.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from timbral.training.loop import Outcome, train
from timbral.training.loop_settings import LoopSettings
from timbral.training.schedule import WarmupCosine
from timbral.training.task import Batch, LossStep, Task

SETTINGS = LoopSettings(
    epochs=16,
    batch_size=4,
    rate=0.01,
    schedule=WarmupCosine(warmup=5, end=0.001),
    clip=5.0,
    ema=0.9,
    save_every=1,
    validate_every=2,
)


class Toy(Task):
    """A generator and its critic."""

    result = "maker"

    def __init__(self, count: int = 24) -> None:
        torch.manual_seed(0)
        self.maker = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.2), nn.ReLU(), nn.Linear(16, 4))
        self.critic = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 1))
        self.networks = {"maker": self.maker, "critic": self.critic}
        self.optimizers = {
            "maker": torch.optim.AdamW(self.maker.parameters(), lr=1.0),
            "critic": torch.optim.AdamW(self.critic.parameters(), lr=0.5),
        }
        self.examples = torch.randn(count, 4)

    def updates(self, epoch: int, size: int) -> list[list[int]]:
        order = torch.randperm(len(self.examples), generator=torch.Generator().manual_seed(epoch)).tolist()
        return [order[i : i + size] for i in range(0, len(order), size)]

    def collate(self, examples: Sequence[int]) -> Batch:
        return {"real": self.examples[list(examples)]}

    def loss_steps(self, batch: Batch) -> Iterator[LossStep]:
        made = self.maker(batch["real"] + torch.randn_like(batch["real"]))
        told = self.critic(batch["real"]) - self.critic(made.detach())
        yield LossStep("critic", functional.softplus(-told).mean(), {"critic": told.mean()})
        self.critic.requires_grad_(False)
        loss = functional.softplus(-self.critic(made)).mean() + (made - batch["real"]).square().mean()
        self.critic.requires_grad_(True)
        yield LossStep("maker", loss, {"maker": loss})

    def validate(self) -> dict[str, float]:
        made = self.maker(self.examples + torch.randn_like(self.examples))
        return {"distance": float((made - self.examples).square().mean())}


def run(folder: Path, settings: LoopSettings = SETTINGS) -> tuple[Toy, Outcome]:
    """A run to its end."""
    task = Toy()
    return task, train(task, settings, folder, device="cpu")


def main(folder: Path, kills: int, seed: int) -> None:
    """Trains in processes that are killed at random moments, the last one excepted."""
    torch.set_num_threads(1)
    chance = random.Random(seed)
    for _ in range(kills):
        child = _start(folder)
        time.sleep(chance.uniform(0.02, 0.3))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    _, status = os.waitpid(_start(folder), 0)
    sys.exit(os.waitstatus_to_exitcode(status))


def _start(folder: Path) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            run(folder)
            code = 0
        finally:
            os._exit(code)
    return child


if __name__ == "__main__" and len(sys.argv) == 2:
    torch.set_num_threads(1)
    task, _ = run(Path(sys.argv[1]))
    torch.save(task.maker.state_dict(), Path(sys.argv[1]) / f"{os.environ['RANK']}.pt")
elif __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
