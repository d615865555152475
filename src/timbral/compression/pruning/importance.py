"""How much the output of a network depends on each of its units.

A unit is as important as the change of the output when it is set to zero, to first order: the gradient of a
random projection of the output, times the weights of the unit (Molchanov et al. 2019, "Importance estimation
for neural network pruning", with projections of the output in place of a loss, so that no labels are needed).
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from timbral.compression.pruning.axes import Layout, axes_of, sizes


@torch.enable_grad()
def importance(
    network: nn.Module, layout: Layout, outputs: Iterable[Callable[[], Tensor]], seed: int = 0
) -> dict[str, Tensor]:
    """Importance of the units of each dimension, float [units].

    outputs: compute outputs of the network for different inputs, each of which counts alike.
    """
    weights = dict(network.named_parameters())
    found = {name: torch.zeros(size) for name, size in sizes(layout, weights).items()}
    chance = torch.Generator().manual_seed(seed)
    for compute in outputs:
        network.zero_grad(set_to_none=True)
        output = compute()
        signs = torch.randint(0, 2, output.shape, generator=chance) * 2.0 - 1.0
        torch.autograd.backward((output * signs.to(output)).sum())
        once = {name: torch.zeros_like(each) for name, each in found.items()}
        for name, weight in weights.items():
            if weight.grad is None:
                continue
            change = (weight.grad * weight).detach().float().cpu()
            for number, axis in enumerate(axes_of(layout, name)):
                if axis is not None:
                    others = [n for n in range(change.ndim) if n != number]
                    entries = change.sum(others) if others else change
                    once[axis.dimension] += entries.reshape(axis.repeats, -1, axis.width).sum((0, 2))
        for name, each in once.items():
            found[name] += each.square()
    network.zero_grad(set_to_none=True)
    return found


def most_important(scores: Tensor, count: int) -> Tensor:
    """The `count` units of the highest scores, int64 [count], in their order."""
    return torch.topk(scores, count).indices.sort().values
