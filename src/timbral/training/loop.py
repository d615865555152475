"""The training loop: every network of this package is trained by it, and a run that is killed goes on as if it had not been.

What a run will do follows from its settings and its seed: the order of the examples from seed and epoch, the learning rate
from the number of the update, everything drawn from generators whose states are in the checkpoint. So a killed run repeats
what came after its last checkpoint, bit for bit on a CPU. accelerate finds the device, casts to the precision, scales losses,
and joins several processes (`accelerate launch -m timbral train ...`).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list, gather_object
from accelerate.utils.memory import should_reduce_batch_size
from torch import Tensor, nn

from timbral.errors import TrainingError
from timbral.training.checkpoint import load_checkpoint, restore_trained, save_checkpoint, trained_state
from timbral.training.curves import Curves
from timbral.training.ema import Average, put_weights
from timbral.training.loop_settings import LoopSettings, Precision
from timbral.training.randomness import random_apart, random_states, restore_random_states, seed_all
from timbral.training.task import Pass, Task

Tell = Callable[[str, float], None]
"""Is told what is being done, and how much of it all is done, 0 to 1."""

_MOST_LOST = 20
"""Updates in a row whose gradients are no numbers, after which a run is given up."""
_SAMPLES = "samples"
_SECONDS = 60.0
"""Longest time from one checkpoint to the next."""


@dataclass
class Progress:
    """How far a run is.

    epoch, place: of the next update, `place` counting updates of the epoch; step: updates so far.
    halvings: how often batches were halved for want of memory. lost: updates in a row without a usable gradient.
    best: the best measure so far; worse: measures since then.
    """

    epoch: int = 0
    place: int = 0
    step: int = 0
    halvings: int = 0
    lost: int = 0
    best: float | None = None
    worse: int = 0


@dataclass(frozen=True)
class Outcome:
    """How a run ended: updates and epochs that it took, and its best measure of the held-out examples, if any."""

    steps: int
    epochs: int
    best: float | None


def train(
    task: Task,
    settings: LoopSettings,
    folder: Path,
    *,
    fingerprint: str = "",
    on_progress: Tell = lambda what, share: None,
    device: str = "auto",
) -> Outcome:
    """Trains, or goes on with what is in the folder; after it, `task.networks[task.result]` has the weights of the result.

    folder: of the run, holds the checkpoint, `curves.jsonl`, `curves.png` and `samples`. fingerprint: of all that a run depends
    on beside its settings; with another one it cannot go on. device: `auto`, or `cpu` even where there is an accelerator.
    Raises TrainingError: the folder holds another run, or is damaged; the weights are no numbers any more; no memory.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return _Run(task, settings, folder, fingerprint, on_progress, device).to_end()


class _Run:
    def __init__(
        self,
        task: Task,
        settings: LoopSettings,
        folder: Path,
        fingerprint: str,
        on_progress: Tell,
        device: str,
    ) -> None:
        self.task, self.settings, self.folder, self.on_progress = task, settings, folder, on_progress
        self.identity = {"fingerprint": fingerprint, "settings": settings.model_dump_json()}
        self.accelerator = _accelerator(settings.precision, device)
        self.device = self.accelerator.device
        for network in task.networks.values():
            network.to(self.device)
        for optimizer in task.optimizers.values():
            for group in optimizer.param_groups:
                group["share"] = group["lr"]
        self.progress = Progress()
        self.best: dict[str, Tensor] = {}
        seed_all(settings.seed + self.accelerator.process_index)
        self.average = Average(self.network, settings.ema) if settings.ema else None
        self._resume()
        self.saved = time.monotonic()
        self.total = self._total()

    @property
    def network(self) -> nn.Module:
        """The one that the run is for."""
        return self.task.networks[self.task.result]

    def to_end(self) -> Outcome:
        """Trains until the last epoch, or until measures get no better."""
        curves = Curves(self.folder, self.progress.step) if self.accelerator.is_main_process else None
        while self.progress.epoch < self.settings.epochs and not self._is_enough():
            self._epoch(curves)
        if curves is not None:
            curves.close()
        self._put_result()
        return Outcome(self.progress.step, self.progress.epoch, self.progress.best)

    def _epoch(self, curves: Curves | None) -> None:
        """The rest of an epoch, and what is due after it."""
        progress, settings = self.progress, self.settings
        updates = self._updates(progress.epoch)
        self._set_mode(training=True)
        for update in updates[progress.place :]:
            self.on_progress(
                f"epoch {progress.epoch + 1} of {settings.epochs}", min(1.0, progress.step / self.total)
            )
            values = self._update(update)
            progress.step += 1
            progress.place += 1
            if curves is not None and progress.step % settings.log_every == 0:
                curves.add(progress.step, {name: float(value) for name, value in values.items()})
            if self._is_due() and progress.place < len(updates):
                self._save()
        progress.epoch, progress.place = progress.epoch + 1, 0
        last = progress.epoch == settings.epochs
        if last or progress.epoch % settings.validate_every == 0:
            self._validate(curves)
        if settings.sample_every and (last or progress.epoch % settings.sample_every == 0):
            self._sample()
        self._save()

    def _updates(self, epoch: int) -> list[list[int]]:
        processes = self.accelerator.num_processes
        size = self.settings.batch_size * self.settings.accumulation * processes
        updates = self.task.updates(epoch, size)
        rank = self.accelerator.process_index
        # Where there are fewer examples than processes, some processes compute the same one.
        return [update[rank::processes] or [update[rank % len(update)]] for update in updates]

    def _update(self, examples: Sequence[int]) -> dict[str, Tensor]:
        """One step of every network; with smaller batches where memory does not do."""
        self._set_rates()
        while True:
            states = random_states()
            try:
                return self._steps(examples)
            except RuntimeError as error:
                if not should_reduce_batch_size(error):
                    raise
                if self._chunk == 1:
                    raise TrainingError(
                        "not even one recording fits into memory; cut recordings shorter, train by lora, or set "
                        "checkpointing in the configuration"
                    ) from None
            self.progress.halvings += 1
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            restore_random_states(states)

    @property
    def _chunk(self) -> int:
        """Examples that are computed together."""
        return max(1, self.settings.batch_size >> self.progress.halvings)

    def _steps(self, examples: Sequence[int]) -> dict[str, Tensor]:
        """Gradients of all batches of an update, and the steps that they make.

        A single batch steps after each pass, as adversaries are trained; several step at the end, as they must.
        """
        for optimizer in self.task.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        chunks = [examples[i : i + self._chunk] for i in range(0, len(examples), self._chunk)]
        single = len(chunks) == 1 and self.accelerator.num_processes == 1
        gathered: dict[str, Tensor] = {}
        usable = True
        for chunk in chunks:
            share = len(chunk) / len(examples)
            for found in self._passes(chunk, share if self.task.means else 1.0):
                for name, value in found.values.items():
                    part = value.detach().float() * share
                    gathered[name] = gathered[name] + part if name in gathered else part
                if single:
                    usable &= self._step(found.network, gathered)
                    self._adapt_scale()
        if not single:
            for name in self.task.optimizers:
                usable &= self._step(name, gathered)
            # All gradients were scaled alike, so the scale must not change between the steps.
            self._adapt_scale()
        self._count_lost(usable)
        if self.average is not None:
            self.average.update()
        return gathered

    def _passes(self, examples: Sequence[int], share: float) -> Iterator[Pass]:
        """The passes of a batch, each after its gradient has been computed."""
        batch = {name: part.to(self.device) for name, part in self.task.collate(examples).items()}
        passes = iter(self.task.passes(batch))
        while True:
            with self.accelerator.autocast():
                found = next(passes, None)
            if found is None:
                return
            self.accelerator.backward(found.loss * share)
            yield found

    def _step(self, name: str, gathered: dict[str, Tensor]) -> bool:
        """A step of one network; whether its gradient was of use."""
        optimizer, scaler = self.task.optimizers[name], self.accelerator.scaler
        weights = [w for group in optimizer.param_groups for w in group["params"]]
        self._share_gradients(weights)
        if scaler is not None:
            scaler.unscale_(optimizer)
        limit = self.settings.clip if self.settings.clip is not None else torch.inf
        norm = nn.utils.clip_grad_norm_(weights, limit)
        gathered[f"norm_{name}"] = norm
        usable = bool(torch.isfinite(norm))
        if scaler is not None:
            # It skips a step without a usable gradient itself.
            scaler.step(optimizer)
        elif usable:
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return usable

    def _adapt_scale(self) -> None:
        """With fp16: a lower scale after gradients that were no numbers, a higher one after many that were."""
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.update()

    def _share_gradients(self, weights: list[Tensor]) -> None:
        """The mean over all processes: each then takes the same step."""
        if self.accelerator.num_processes == 1:
            return
        for weight in weights:
            gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
            weight.grad = self.accelerator.reduce(gradient, reduction="mean")

    def _count_lost(self, usable: bool) -> None:
        self.progress.lost = 0 if usable else self.progress.lost + 1
        if self.progress.lost >= _MOST_LOST:
            raise TrainingError(
                f"{_MOST_LOST} updates in a row had gradients that are no numbers; take a lower rate, or precision fp32"
            )

    def _set_rates(self) -> None:
        progress, settings = self.progress, self.settings
        rate = settings.schedule.rate(settings.rate, progress.step, progress.epoch, self.total)
        for optimizer in self.task.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = rate * group["share"]

    def _total(self) -> int:
        """Updates of the whole run, which is longer if epochs differ."""
        return max(1, self.settings.epochs * len(self._updates(0)))

    def _set_mode(self, *, training: bool) -> None:
        for network in self.task.networks.values():
            network.train(training)

    def _aside(self) -> ExitStack:
        """Looks at the networks as they would be used, without leaving a trace in the run."""
        stack = ExitStack()
        stack.callback(self._set_mode, training=True)
        stack.enter_context(random_apart(self.settings.seed))
        stack.enter_context(torch.no_grad())
        if self.average is not None:
            stack.enter_context(self.average.applied())
        self._set_mode(training=False)
        return stack

    def _validate(self, curves: Curves | None) -> None:
        with self._aside():
            found = self.task.validate()
            if not found:
                return
            # Processes must come to the same decision, though their sums may differ in the last bit.
            (measure,) = broadcast_object_list([next(iter(found.values()))])
            progress = self.progress
            if progress.best is None or measure < progress.best:
                progress.best, progress.worse = measure, 0
                self.best = {n: w.clone() for n, w in trained_state(self.network).items()}
            else:
                progress.worse += 1
        if curves is not None:
            curves.add(progress.step, {f"held_out_{name}": value for name, value in found.items()})

    def _sample(self) -> None:
        if not self.accelerator.is_main_process:
            return
        with self._aside():
            folder = self.folder / _SAMPLES
            folder.mkdir(exist_ok=True)
            for name, sound in self.task.samples().items():
                sound.save(folder / f"{self.progress.step:06}-{name}.wav")

    def _is_enough(self) -> bool:
        return bool(self.settings.patience) and self.progress.worse >= self.settings.patience

    def _put_result(self) -> None:
        """Leaves the weights in the network that the run is for."""
        if self.settings.patience and self.best:
            restore_trained(self.network, {n: w.to(self.device) for n, w in self.best.items()})
        elif self.average is not None:
            put_weights(self.network, self.average.weights)
        self._set_mode(training=False)

    def _is_due(self) -> bool:
        """Whether the next checkpoint is: after so many updates, or sooner where they are slow."""
        # Several processes save together, and their clocks do not agree.
        slow = self.accelerator.num_processes == 1 and time.monotonic() - self.saved > _SECONDS
        return slow or self.progress.step % self.settings.save_every == 0

    def _save(self) -> None:
        self.saved = time.monotonic()
        states = gather_object([random_states()])
        if not self.accelerator.is_main_process:
            return
        scaler = self.accelerator.scaler
        save_checkpoint(
            self.folder,
            {
                **self.identity,
                "progress": asdict(self.progress),
                "networks": {name: trained_state(network) for name, network in self.task.networks.items()},
                "optimizers": {name: o.state_dict() for name, o in self.task.optimizers.items()},
                "average": self.average.state() if self.average is not None else None,
                "best": self.best,
                "scaler": scaler.state_dict() if scaler is not None else None,
                "random": states,
            },
        )

    def _resume(self) -> None:
        """Takes up the run in the folder, if there is one."""
        state = load_checkpoint(self.folder)
        if state is None:
            return
        if any(state.get(name) != value for name, value in self.identity.items()):
            raise TrainingError(
                f"{self.folder} holds a run with other settings, recordings or weights; choose another folder, or remove it"
            )
        self.progress = Progress(**state["progress"])
        for name, network in self.task.networks.items():
            restore_trained(network, state["networks"][name])
        for name, optimizer in self.task.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        if self.average is not None:
            self.average.restore(state["average"])
        if self.accelerator.scaler is not None and state["scaler"] is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.best = state["best"]
        if self.accelerator.process_index < len(state["random"]):
            restore_random_states(state["random"][self.accelerator.process_index])


def _accelerator(precision: Precision, device: str) -> Accelerator:
    cpu = device == "cpu"
    if precision == "auto":
        cuda = torch.cuda.is_available() and not cpu
        precision = ("bf16" if torch.cuda.is_bf16_supported() else "fp16") if cuda else "fp32"
    # Its state is one for the process; the stages of a training may differ in precision.
    AcceleratorState._reset_state()
    return Accelerator(mixed_precision="no" if precision == "fp32" else precision, cpu=cpu)
