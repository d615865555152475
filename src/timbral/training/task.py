"""What a run trains: the networks, the examples and the losses, behind one interface that `timbral.training.loop` knows."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from torch import Tensor, nn
from torch.optim import Optimizer

from timbral.audio import Audio

Batch: TypeAlias = Mapping[str, Tensor]
"""Some examples, by the names that the task gives their parts."""


@dataclass(frozen=True)
class Pass:
    """One loss of a batch, and whose weights follow it.

    network: name among the task's networks. loss: scalar. values: what the curves show, scalars, means over the examples.
    """

    network: str
    loss: Tensor
    values: Mapping[str, Tensor] = field(default_factory=dict)


class Task(ABC):
    """What is trained. The loop alone moves networks and batches to a device, and calls optimisers.

    networks: by name, all that a checkpoint has to hold; result: name of the one that the run is for, whose weights are
    averaged, and kept where a measure was best.
    optimizers: one for each network, by its name; every group of theirs has the rate 1 or a share of it, which the loop
    multiplies by the scheduled one.
    means: whether losses are means over the examples of a batch, or sums over them.
    """

    networks: Mapping[str, nn.Module]
    result: str
    optimizers: Mapping[str, Optimizer]
    means: bool = True

    @abstractmethod
    def updates(self, epoch: int, size: int) -> list[list[int]]:
        """The examples of each update of an epoch, about `size` each, by number; the same for the same arguments."""

    @abstractmethod
    def collate(self, examples: Sequence[int]) -> Batch:
        """These examples side by side, on the CPU."""

    @abstractmethod
    def passes(self, batch: Batch) -> Iterator[Pass]:
        """The losses of a batch, one after the other.

        Before the next one is asked for, the gradient of the last one has been computed; and, unless gradients are being
        accumulated, its network has taken a step.
        """

    def conclude(self) -> None:  # noqa: B027
        """Called at the end, on the CPU, before the weights of the result are written."""

    def validate(self) -> dict[str, float]:
        """Measures of the held-out examples, less is better; the first decides. Empty where nothing is held out.

        The networks are in evaluation mode, without gradients, and what is drawn is the same each time.
        """
        return {}

    def samples(self) -> dict[str, Audio]:
        """How it sounds now, by name; called as `validate` is."""
        return {}
