"""One optimizer update of a task: batches, gradient accumulation, mixed precision, gradient clipping, and low
memory.
"""

from collections.abc import Iterator, Sequence

import torch
from accelerate import Accelerator
from accelerate.utils.memory import should_reduce_batch_size
from torch import Tensor, nn

from timbral.errors import TrainingError
from timbral.training.loop_settings import LoopSettings
from timbral.training.random_state import random_states, restore_random_states
from timbral.training.task import LossStep, Task

_MAX_SKIPPED = 20
"""Consecutive updates with non-finite gradients after which a run fails."""


class Updater:
    """Computes gradients and steps the optimizers of a task.

    halvings: how often the batch was halved after running out of memory. skipped: consecutive updates without
    a finite gradient. Both are part of a checkpoint.
    """

    def __init__(self, task: Task, settings: LoopSettings, accelerator: Accelerator) -> None:
        self.task, self.settings, self.accelerator = task, settings, accelerator
        self.halvings = self.skipped = 0

    def __call__(self, examples: Sequence[int]) -> dict[str, Tensor]:
        """Updates all networks by these examples and returns the values to log.

        Raises TrainingError: memory does not suffice for one example, or gradients stay non-finite.
        """
        while True:
            states = random_states()
            try:
                return self._update(examples)
            except RuntimeError as error:
                if not should_reduce_batch_size(error):
                    raise
                if self._batch_size == 1:
                    raise TrainingError(
                        "one recording does not fit into memory; cut recordings shorter, train by lora, or set "
                        "checkpointing in the configuration"
                    ) from None
            self.halvings += 1
            if self.accelerator.device.type == "cuda":
                torch.cuda.empty_cache()
            restore_random_states(states)

    @property
    def _batch_size(self) -> int:
        return max(1, self.settings.batch_size >> self.halvings)

    def _update(self, examples: Sequence[int]) -> dict[str, Tensor]:
        """With one batch, each network steps after its own loss (GAN training); with several, all step at the
        end.
        """
        for optimizer in self.task.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        size = self._batch_size
        batches = [examples[i : i + size] for i in range(0, len(examples), size)]
        single = len(batches) == 1 and self.accelerator.num_processes == 1
        logged: dict[str, Tensor] = {}
        finite = True
        for batch in batches:
            share = len(batch) / len(examples)
            for step in self._backward(batch, share if self.task.means else 1.0):
                for name, value in step.values.items():
                    part = value.detach().float() * share
                    logged[name] = logged[name] + part if name in logged else part
                if single:
                    finite &= self._step(step.network, logged)
                    self._update_scale()
        if not single:
            for name in self.task.optimizers:
                finite &= self._step(name, logged)
            # All gradients were scaled alike, so the scale must not change between the steps.
            self._update_scale()
        self._count_skipped(finite)
        return logged

    def _backward(self, examples: Sequence[int], share: float) -> Iterator[LossStep]:
        """The losses of a batch, each after its backward pass."""
        device = self.accelerator.device
        batch = {name: part.to(device) for name, part in self.task.collate(examples).items()}
        steps = iter(self.task.loss_steps(batch))
        while True:
            with self.accelerator.autocast():
                step = next(steps, None)
            if step is None:
                return
            self.accelerator.backward(step.loss * share)
            yield step

    def _step(self, name: str, logged: dict[str, Tensor]) -> bool:
        """Steps the optimizer of one network. Returns whether its gradient was finite."""
        optimizer, scaler = self.task.optimizers[name], self.accelerator.scaler
        weights = [w for group in optimizer.param_groups for w in group["params"]]
        self._average_gradients(weights)
        if scaler is not None:
            scaler.unscale_(optimizer)
        limit = self.settings.clip if self.settings.clip is not None else torch.inf
        norm = nn.utils.clip_grad_norm_(weights, limit)
        logged[f"norm_{name}"] = norm
        finite = bool(torch.isfinite(norm))
        if scaler is not None:
            # It skips a step without a finite gradient itself.
            scaler.step(optimizer)
        elif finite:
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return finite

    def _update_scale(self) -> None:
        """Adapts the loss scale of fp16."""
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.update()

    def _average_gradients(self, weights: list[Tensor]) -> None:
        """Averages gradients over all processes."""
        if self.accelerator.num_processes == 1:
            return
        for weight in weights:
            gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
            weight.grad = self.accelerator.reduce(gradient, reduction="mean")

    def _count_skipped(self, finite: bool) -> None:
        self.skipped = 0 if finite else self.skipped + 1
        if self.skipped >= _MAX_SKIPPED:
            raise TrainingError(
                f"{_MAX_SKIPPED} updates in a row had gradients that are not finite; take a lower rate, or precision fp32"
            )
