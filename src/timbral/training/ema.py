"""An average of the weights over the updates, which is often better than the last of them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_EARLY = 10
"""The average follows quickly at first: after n updates it forgets at least 9 / (n + 10) of what it was."""


class Average:
    """Exponential moving average of the parameters that a module trains."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        """decay: share of the average that an update leaves, at least 0 and below 1."""
        self._module = module
        self._decay = decay
        self._updates = 0
        self.weights = {name: weight.detach().clone() for name, weight in _trained(module)}

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the module's present weights."""
        self._updates += 1
        decay = min(self._decay, (1 + self._updates) / (_EARLY + self._updates))
        for name, weight in _trained(self._module):
            self.weights[name].lerp_(weight.detach(), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The module has the averaged weights inside the block, and its own ones after it."""
        kept = {name: weight.detach().clone() for name, weight in _trained(self._module)}
        put_weights(self._module, self.weights)
        try:
            yield
        finally:
            put_weights(self._module, kept)

    def state(self) -> dict[str, object]:
        """What a checkpoint has to hold."""
        return {"weights": self.weights, "updates": self._updates}

    def restore(self, state: Mapping[str, object]) -> None:
        """Goes on from what `state` gave."""
        weights, updates = state["weights"], state["updates"]
        assert isinstance(weights, dict)
        assert isinstance(updates, int)
        for name, weight in self.weights.items():
            weight.copy_(weights[name])
        self._updates = updates


@torch.no_grad()
def put_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copies these weights into the parameters of their names."""
    own = dict(module.named_parameters())
    for name, weight in weights.items():
        own[name].copy_(weight)


def _trained(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, weight) for name, weight in module.named_parameters() if weight.requires_grad)
