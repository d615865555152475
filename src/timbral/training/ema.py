"""Exponential moving average of the weights of a network (Polyak averaging)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_RAMP = 10
"""The decay of update n is at most (n + 1) / (n + _RAMP), so that the initial weights are forgotten quickly.
"""


class WeightAverage:
    """Average of the trainable parameters of a module."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        """decay: share of the average that remains at each update, 0 <= decay < 1."""
        self._module = module
        self._decay = decay
        self._updates = 0
        self.weights = {name: weight.detach().clone() for name, weight in _trainable(module)}

    @torch.no_grad()
    def update(self) -> None:
        """Adds the current weights of the module."""
        self._updates += 1
        decay = min(self._decay, (1 + self._updates) / (_RAMP + self._updates))
        for name, weight in _trainable(self._module):
            self.weights[name].lerp_(weight.detach(), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The module has the averaged weights inside the block."""
        current = {name: weight.detach().clone() for name, weight in _trainable(self._module)}
        copy_weights(self._module, self.weights)
        try:
            yield
        finally:
            copy_weights(self._module, current)

    def state(self) -> dict[str, object]:
        """The state for a checkpoint."""
        return {"weights": self.weights, "updates": self._updates}

    def restore(self, state: Mapping[str, object]) -> None:
        """Restores the result of `state`."""
        weights, updates = state["weights"], state["updates"]
        assert isinstance(weights, dict)
        assert isinstance(updates, int)
        for name, weight in self.weights.items():
            weight.copy_(weights[name])
        self._updates = updates


@torch.no_grad()
def copy_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copies weights into the parameters of the same names."""
    own = dict(module.named_parameters())
    for name, weight in weights.items():
        own[name].copy_(weight)


def _trainable(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, weight) for name, weight in module.named_parameters() if weight.requires_grad)
