"""The interface between the training loop and what it trains: networks, examples and losses."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from torch import Tensor, nn
from torch.optim import Optimizer

from timbral.audio import Audio

Batch: TypeAlias = Mapping[str, Tensor]
"""Tensors of a batch by name."""

ProgressCallback: TypeAlias = Callable[[str, float], None]
"""Called with the name of the current step and the share of the work that is done, 0 to 1."""


def no_progress(what: str, share: float) -> None:
    """A ProgressCallback that does nothing."""


@dataclass(frozen=True)
class LossStep:
    """A loss of a batch and the network that it trains.

    network: key of `Task.networks`. loss: scalar. values: scalars to log, means over the examples of the
    batch.
    """

    network: str
    loss: Tensor
    values: Mapping[str, Tensor] = field(default_factory=dict)


class Task(ABC):
    """What `timbral.training.loop` trains. Only the loop moves networks and batches to a device and steps
    optimizers.

    networks: by name, saved in checkpoints. result: name of the network whose weights the run is for; it is
    averaged and selected by validation. optimizers: one for each network, by the same names; the `lr` of a
    parameter group is a factor on the scheduled learning rate. means: whether losses are means over the
    examples of a batch, or sums.
    """

    networks: Mapping[str, nn.Module]
    result: str
    optimizers: Mapping[str, Optimizer]
    means: bool = True

    @abstractmethod
    def updates(self, epoch: int, size: int) -> list[list[int]]:
        """Example numbers for each update of an epoch, about `size` per update. Deterministic."""

    @abstractmethod
    def collate(self, examples: Sequence[int]) -> Batch:
        """A batch of these examples, on the CPU."""

    @abstractmethod
    def loss_steps(self, batch: Batch) -> Iterator[LossStep]:
        """The losses of a batch, in order.

        The loop runs the backward pass of each loss before it asks for the next one. Without gradient
        accumulation it also steps the optimizer of that network.
        """

    def finalize(self) -> None:  # noqa: B027
        """Called once after training, on the CPU, before the weights are written."""

    def validate(self) -> dict[str, float]:
        """Metrics of the held-out examples, lower is better; the first one selects the best weights. Empty if
        nothing is held out.

        Networks are in evaluation mode without gradients, and random numbers are the same in every call.
        """
        return {}

    def samples(self) -> dict[str, Audio]:
        """Audio samples of the current weights by name, called under the conditions of `validate`."""
        return {}
