"""ScaledAdam, the official optimizer of stage one (Zipformer, Yao et al. 2023, section 3.4; Icefall).

The update of a tensor is that of Adam times the root mean square of the tensor. The scale of the tensor is
trained by an Adam of its own, over several updates. Gradients, relative to the weights, are clipped to a
multiple of their median.
"""

from collections.abc import Callable, Iterable
from typing import Any, cast, overload

import torch
from torch import Tensor
from torch.optim import Optimizer


class ScaledAdam(Optimizer):
    """See the module. Typical learning rates are 0.002 to 0.04.

    betas: decays of momentum and of squared gradients. clipping_scale: maximum gradient norm in medians, None
    for no clipping. clipping_period: updates of the median; the first ones are not clipped. scale_rate:
    learning rate of the scales and of one-element parameters, as a share of `lr`. scale_period: updates
    between changes of the scales. smallest, largest: limits of the root mean square of a tensor.
    largest_scalar: maximum magnitude of a one-element parameter.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 0.03,
        betas: tuple[float, float] = (0.9, 0.98),
        clipping_scale: float | None = None,
        clipping_period: int = 100,
        scale_rate: float = 0.1,
        scale_period: int = 4,
        eps: float = 1e-8,
        smallest: float = 1e-5,
        largest: float = 3.0,
        largest_scalar: float = 10.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "clipping_scale": clipping_scale,
            "clipping_period": clipping_period,
            "scale_rate": scale_rate,
            "scale_period": scale_period,
            "eps": eps,
            "smallest": smallest,
            "largest": largest,
            "largest_scalar": largest_scalar,
        }
        super().__init__(params, defaults)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [w for w in group["params"] if w.requires_grad]
            for weight in weights:
                if weight.grad is None:
                    weight.grad = torch.zeros_like(weight)
            scale = self._clipping(group, weights)
            for weight in weights:
                if not self.state[weight]:
                    self.state[weight].update(_begin(weight, group))
                self._update(group, weight, cast(Tensor, weight.grad) * scale)
        return loss

    def _clipping(self, group: dict[str, Any], weights: list[Tensor]) -> float | Tensor:
        """The clipping factor of gradients."""
        if group["clipping_scale"] is None or not weights or not self.state[weights[0]]:
            return 1.0
        first = self.state[weights[0]]
        step, period = first["step"], group["clipping_period"]
        total = weights[0].new_zeros(())
        for weight in weights:
            gradient = cast(Tensor, weight.grad)
            size = self.state[weight]["size"] if weight.numel() > 1 else 1.0
            total += (gradient * size).square().sum()
        norm = total.sqrt()
        if "norms" not in first:
            first["norms"] = norm.new_zeros(period)
        first["norms"][step % period] = norm
        if step % period == 0:
            first["limit"] = group["clipping_scale"] * first["norms"].sort()[0][period // 4 * 2]
        if step < period or "limit" not in first:
            return 1.0
        scale: Tensor = (first["limit"] / (norm + 1e-20)).clamp(max=1.0)
        return scale

    def _update(self, group: dict[str, Any], weight: Tensor, gradient: Tensor) -> None:
        state = self.state[weight]
        momentum, _ = group["betas"]
        step, change = state["step"], state["change"]
        change.mul_(momentum)
        if weight.numel() == 1:
            self._change_scalar(group, weight, gradient)
            weight.clamp_(-group["largest_scalar"], group["largest_scalar"])
        else:
            place = step % group["scale_period"]
            state["scale_gradients"][place] = (weight * gradient).sum()
            if place == group["scale_period"] - 1:
                state["size"].copy_(weight.square().mean().sqrt())
                self._change_size(group, weight)
            self._change_direction(group, weight, gradient)
        weight.add_(change)
        state["step"] = step + 1

    def _change_direction(self, group: dict[str, Any], weight: Tensor, gradient: Tensor) -> None:
        """The update of Adam, times the scale of the weight."""
        state = self.state[weight]
        momentum, decay = group["betas"]
        squares = state["squares"]
        squares.mul_(decay).addcmul_(gradient, gradient, value=1 - decay)
        correction = 1 - decay ** (state["step"] + 1)
        # Near one the correction is skipped, which saves a copy.
        denominator = (squares / correction if correction < 0.99 else squares).sqrt() + group["eps"]
        rate = -group["lr"] * (1 - momentum) * state["size"].clamp(min=group["smallest"])
        state["change"].add_(gradient / denominator * rate)

    def _change_size(self, group: dict[str, Any], weight: Tensor) -> None:
        """The update of Adam for the logarithm of the scale, from the gradients of the last few updates."""
        state = self.state[weight]
        momentum, decay = group["betas"]
        period = group["scale_period"]
        gradients, rate = state["scale_gradients"], group["lr"] * group["scale_rate"]
        decay = decay**period
        squares = state["scale_squares"]
        squares.mul_(decay).add_(gradients.square().mean(), alpha=1 - decay)
        correction = 1 - decay ** ((state["step"] + 1) // period)
        change = -rate * correction**0.5 * gradients.sum() / (squares.sqrt() + group["eps"])
        change = torch.where(state["size"] < group["smallest"], 0.0, change)
        change = torch.where(state["size"] > group["largest"], -rate * period, change)
        state["change"].add_(weight * change, alpha=1 - momentum)

    def _change_scalar(self, group: dict[str, Any], weight: Tensor, gradient: Tensor) -> None:
        """The update of Adam for a one-element parameter, which has no scale."""
        state = self.state[weight]
        momentum, decay = group["betas"]
        squares = state["squares"]
        squares.mul_(decay).addcmul_(gradient, gradient, value=1 - decay)
        denominator = (squares / (1 - decay ** (state["step"] + 1))).sqrt() + group["eps"]
        rate = group["lr"] * group["scale_rate"] * (1 - momentum)
        state["change"].add_(gradient / denominator, alpha=-rate)


def _begin(weight: Tensor, group: dict[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = {
        "step": 0,
        "change": torch.zeros_like(weight),
        "squares": torch.zeros_like(weight),
    }
    if weight.numel() > 1:
        state["size"] = weight.square().mean().sqrt()
        state["scale_squares"] = weight.new_zeros(())
        state["scale_gradients"] = weight.new_zeros(group["scale_period"])
    return state
