"""What the tasks of distillation have in common: a number of updates, and an optimizer."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from timbral.training.batch_sampler import batches_by_length
from timbral.training.loop_settings import LoopSettings
from timbral.training.task import Batch, LossStep, Task

NETWORK = "student"
_EPOCH = 200
"""Updates between validations."""


NetworkT = TypeVar("NetworkT", bound=nn.Module)


class DistillationTask(Task, Generic[NetworkT]):
    """A student with examples of different lengths, trained for a number of updates.

    An epoch is a slice of the updates, so that a run has exactly as many as it was asked for.
    """

    result = NETWORK
    bucket: float
    """Width of the groups of similar length from which batches are made."""

    def __init__(self, network: NetworkT, lengths: Sequence[float], updates: int, seed: int) -> None:
        self.network = network
        self._lengths, self._updates, self._seed = lengths, updates, seed
        self.networks: dict[str, nn.Module] = {NETWORK: network}
        weights = [weight for weight in network.parameters() if weight.requires_grad]
        self.optimizers: dict[str, Optimizer] = {
            NETWORK: torch.optim.AdamW(weights, lr=1.0, betas=(0.9, 0.98), weight_decay=0.01)
        }

    def updates(self, epoch: int, size: int) -> list[list[int]]:
        first, last = epoch * _EPOCH, min((epoch + 1) * _EPOCH, self._updates)
        found: list[list[int]] = []
        count = turn = 0
        while count < last:
            batches = batches_by_length(self._lengths, size, self.bucket, self._seed, turn)
            found += batches[max(0, first - count) : last - count]
            count, turn = count + len(batches), turn + 1
        return found

    def loss_steps(self, batch: Batch) -> Iterator[LossStep]:
        loss, values = self.loss(batch)
        yield LossStep(NETWORK, loss, values)

    def measured(self, batch: Batch) -> dict[str, float]:
        """The loss of a batch on the device of the student, and its parts, for validation."""
        device = next(self.network.parameters()).device
        loss, values = self.loss({name: part.to(device) for name, part in batch.items()})
        return {name: float(value) for name, value in ({"loss": loss} | values).items()}

    @abstractmethod
    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, and what to log."""


def loop_settings(updates: int, batch_size: int, rate: float, precision: str, seed: int) -> LoopSettings:
    """Settings of the loop for so many updates."""
    return LoopSettings.model_validate(
        {
            "epochs": -(-updates // _EPOCH),
            "batch_size": batch_size,
            "rate": rate,
            "schedule": {"kind": "warmup-cosine", "warmup": min(50, updates // 10), "decay": updates},
            "clip": 1.0,
            "precision": precision,
            "seed": seed,
            "log_every": 10,
            "save_every": 200,
        }
    )
