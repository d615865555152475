"""Low-rank changes of weights (LoRA, Hu et al. 2021): a voice trains under a hundredth of what a network has.

A weight W, seen as a matrix of its first dimension and all others, becomes W + up @ down. The change is a parametrisation
of the weight itself, so it works for whatever uses the weight: packed projections of attention that are bare parameters,
convolutions and transposed ones, and not for modules of certain classes only, as peft's layers do.
"""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from timbral.errors import TrainingError

LowRank = tuple[Tensor, Tensor]
"""down [rank, inputs] and up [outputs, rank]; outputs is the first dimension of the weight, inputs all others."""


class Change(nn.Module):
    """What is added to one weight; nothing at first."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        outputs, inputs = weight.shape[0], weight[0].numel()
        self.down = nn.Parameter(torch.empty(rank, inputs, device=weight.device, dtype=weight.dtype))
        self.up = nn.Parameter(torch.zeros(outputs, rank, device=weight.device, dtype=weight.dtype))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)

    def forward(self, weight: Tensor) -> Tensor:
        """The changed weight, of the same shape."""
        return weight + (self.up @ self.down).view_as(weight)


def matching(network: nn.Module, patterns: Sequence[str]) -> list[str]:
    """Names of the parameters that fit one of the patterns, in which * stands for anything.

    Raises TrainingError: a pattern that fits nothing.
    """
    names = [name for name, _ in network.named_parameters()]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise TrainingError(
                f"no weight of this network fits the pattern {pattern!r}; one of its names is {names[0]}"
            )
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def add_low_rank(network: nn.Module, targets: Sequence[str], rank: int, whole: Sequence[str] = ()) -> None:
    """Freezes a network but for changes of `rank` to the weights that fit `targets`, and the parameters that fit `whole`.

    Parameters of one dimension, such as biases, are no targets. Raises TrainingError: a pattern that fits nothing.
    """
    trained = set(matching(network, whole))
    changed = [name for name in matching(network, targets) if name not in trained]
    for name, weight in network.named_parameters():
        weight.requires_grad_(name in trained)
    for name in changed:
        owner, attribute = _owner(network, name)
        weight = getattr(owner, attribute)
        if weight.ndim > 1:
            parametrize.register_parametrization(owner, attribute, Change(weight.detach(), rank))


def low_rank_of(network: nn.Module) -> dict[str, LowRank]:
    """The changes in a network by the names of their weights."""
    return {name: (change.down.detach(), change.up.detach()) for name, _, _, change in _changes(network)}


@torch.no_grad()
def scale_low_rank(network: nn.Module, share: float) -> None:
    """Keeps so much of the changes in a network."""
    for *_, change in _changes(network):
        change.up.mul_(share)


def without_low_rank(network: nn.Module) -> dict[str, LowRank]:
    """Takes the changes out of a network, which is then as it was, and returns them."""
    found = low_rank_of(network)
    for _, owner, attribute, _ in list(_changes(network)):
        parametrize.remove_parametrizations(owner, attribute, leave_parametrized=False)
    return found


@torch.no_grad()
def merge_low_rank(network: nn.Module, changes: dict[str, LowRank]) -> None:
    """Adds changes to the weights of their names. Raises TrainingError where one does not fit."""
    weights = dict(network.named_parameters())
    for name, (down, up) in changes.items():
        weight = weights.get(name)
        if weight is None or (len(up), down[0].numel()) != (len(weight), weight[0].numel()):
            raise TrainingError(f"the weights were trained on another network: {name} does not fit")
        weight.add_((up @ down).view_as(weight).to(weight))


def freeze(network: nn.Module, patterns: Sequence[str]) -> None:
    """Keeps the parameters that fit one of the patterns as they are. Raises TrainingError as `matching` does."""
    for name in matching(network, patterns):
        network.get_parameter(name).requires_grad_(False)


def count(network: nn.Module) -> tuple[int, int]:
    """Parameters that are trained, and all that the network has without changes."""
    trained = sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
    added = sum(change.down.numel() + change.up.numel() for *_, change in _changes(network))
    return trained, sum(weight.numel() for weight in network.parameters()) - added


def _owner(network: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, attribute = name.rpartition(".")
    return network.get_submodule(path), attribute


def _changes(network: nn.Module) -> Iterator[tuple[str, nn.Module, str, Change]]:
    """Name of the weight, its module, its attribute there, and the change."""
    for path, module in network.named_modules():
        if not parametrize.is_parametrized(module):
            continue
        assert isinstance(module.parametrizations, nn.ModuleDict)
        for attribute, steps in module.parametrizations.items():
            assert isinstance(steps, parametrize.ParametrizationList)
            change = steps[0]
            if isinstance(change, Change):
                yield f"{path}.{attribute}", module, attribute, change
