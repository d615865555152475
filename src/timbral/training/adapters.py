"""LoRA (Hu et al. 2021): low-rank updates of frozen weights.

A weight W, as a matrix [first dimension, all others], becomes W + up @ down. The update is a parametrisation
of the weight, so it applies wherever the weight is used: in convolutions, transposed convolutions and packed
attention projections (docs/adr/020-low-rank-updates.md).
"""

from collections.abc import Container, Iterator, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from timbral.errors import TrainingError

LowRank = tuple[Tensor, Tensor]
"""down [rank, inputs] and up [outputs, rank] of a weight [outputs, ...]."""


class LowRankUpdate(nn.Module):
    """The update of one weight, initially zero."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        outputs, inputs = weight.shape[0], weight[0].numel()
        self.down = nn.Parameter(torch.empty(rank, inputs, device=weight.device, dtype=weight.dtype))
        self.up = nn.Parameter(torch.zeros(outputs, rank, device=weight.device, dtype=weight.dtype))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)

    def forward(self, weight: Tensor) -> Tensor:
        """The updated weight, of the same shape."""
        return weight + (self.up @ self.down).view_as(weight)


def matching_parameters(network: nn.Module, patterns: Sequence[str]) -> list[str]:
    """Names of the parameters that match one of the patterns, in which * stands for anything.

    Raises TrainingError: a pattern matches nothing.
    """
    names = [name for name, _ in network.named_parameters()]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise TrainingError(
                f"no weight of this network fits the pattern {pattern!r}; one of its names is {names[0]}"
            )
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def add_low_rank(
    network: nn.Module,
    targets: Sequence[str],
    rank: int,
    whole: Sequence[str] = (),
    allowed: Container[str] | None = None,
) -> None:
    """Freezes a network except for low-rank updates of `targets` and the parameters `whole`, both patterns.

    allowed: names of the weights that may get an update, None for all. One-dimensional parameters such as
    biases get none. Raises TrainingError: a pattern matches nothing, or no target is allowed.
    """
    trained = set(matching_parameters(network, whole))
    matched = [name for name in matching_parameters(network, targets) if name not in trained]
    updated = [name for name in matched if allowed is None or name in allowed]
    if matched and not updated:
        raise TrainingError(
            f"the graphs of this model cannot be changed in {matched[0]}; choose other targets, or import the model again"
        )
    for name, weight in network.named_parameters():
        weight.requires_grad_(name in trained)
    for name in updated:
        path, _, attribute = name.rpartition(".")
        owner = network.get_submodule(path)
        weight = getattr(owner, attribute)
        if weight.ndim > 1:
            parametrize.register_parametrization(owner, attribute, LowRankUpdate(weight.detach(), rank))


def low_rank_of(network: nn.Module) -> dict[str, LowRank]:
    """The low-rank updates of a network by the names of their weights."""
    return {name: (update.down.detach(), update.up.detach()) for name, update in _updates(network)}


@torch.no_grad()
def scale_low_rank(network: nn.Module, factor: float) -> None:
    """Multiplies all low-rank updates of a network."""
    for _, update in _updates(network):
        update.up.mul_(factor)


@torch.no_grad()
def merge_low_rank(network: nn.Module, updates: dict[str, LowRank]) -> None:
    """Adds low-rank updates to the weights of their names. Raises TrainingError: an update does not fit."""
    weights = dict(network.named_parameters())
    for name, (down, up) in updates.items():
        weight = weights.get(name)
        if weight is None or (len(up), down[0].numel()) != (len(weight), weight[0].numel()):
            raise TrainingError(f"the weights were trained on another network: {name} does not fit")
        weight.add_((up @ down).view_as(weight).to(weight))


def freeze(network: nn.Module, patterns: Sequence[str]) -> None:
    """Freezes the parameters that match one of the patterns. Raises TrainingError as `matching_parameters`
    does.
    """
    for name in matching_parameters(network, patterns):
        network.get_parameter(name).requires_grad_(False)


def parameter_counts(network: nn.Module) -> tuple[int, int]:
    """Number of trainable parameters, and of all parameters without low-rank updates."""
    trained = sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
    added = sum(update.down.numel() + update.up.numel() for _, update in _updates(network))
    return trained, sum(weight.numel() for weight in network.parameters()) - added


def _updates(network: nn.Module) -> Iterator[tuple[str, LowRankUpdate]]:
    """Name of each updated weight, and its update."""
    for path, module in network.named_modules():
        if not parametrize.is_parametrized(module):
            continue
        assert isinstance(module.parametrizations, nn.ModuleDict)
        for attribute, steps in module.parametrizations.items():
            assert isinstance(steps, parametrize.ParametrizationList)
            if isinstance(steps[0], LowRankUpdate):
                yield f"{path}.{attribute}", steps[0]
