"""The training loop. All networks are trained by it, and an interrupted run resumes exactly.

The order of the examples follows from seed and epoch, the learning rate from the number of the update, and a
checkpoint holds weights, optimizers and the states of all random generators. On a CPU a run that was killed
therefore ends with the same bits as an undisturbed one. accelerate selects the device and the precision and
connects processes (`accelerate launch -m timbral train`).
"""

import math
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor, nn

from timbral.errors import TrainingError
from timbral.training.checkpoint import load_checkpoint, restore_trained, save_checkpoint, trained_state
from timbral.training.curves import Curves
from timbral.training.ema import WeightAverage, copy_weights
from timbral.training.loop_settings import LoopSettings, Precision
from timbral.training.random_state import (
    isolated_random_state,
    random_states,
    restore_random_states,
    seed_all,
)
from timbral.training.task import ProgressCallback, Task, no_progress
from timbral.training.update import Updater

DEVICES = ("auto", "cpu", "cuda")
_SAMPLES = "samples"
_CHECKPOINT_SECONDS = 60.0
"""Longest time between checkpoints."""


@dataclass
class Progress:
    """Position of a run.

    epoch, position: of the next update, `position` within the epoch. step: updates so far. best: best
    validation metric. stale: validations since then.
    """

    epoch: int = 0
    position: int = 0
    step: int = 0
    best: float | None = None
    stale: int = 0


@dataclass(frozen=True)
class Outcome:
    """Updates and epochs of a run so far, its best validation metric if any, and whether it has come to its
    end.
    """

    steps: int
    epochs: int
    best: float | None
    finished: bool = True


def train(
    task: Task,
    settings: LoopSettings,
    folder: Path,
    *,
    fingerprint: str = "",
    on_progress: ProgressCallback = no_progress,
    device: str = "auto",
    time_limit: float = math.inf,
) -> Outcome:
    """Trains a task, or resumes the run in `folder`. Afterwards `task.networks[task.result]` holds the
    resulting weights.

    folder: of the run, gets `checkpoint.pt`, `curves.jsonl`, `curves.png` and `samples`. fingerprint: of
    everything that a run depends on besides its settings; a run with another one is not resumed. device: one
    of DEVICES. time_limit: seconds after which the run is saved and left, to be resumed by the next call.
    Raises TrainingError: the folder holds another run or is damaged, gradients are not finite, memory or CUDA
    is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    threads = torch.get_num_threads()
    try:
        return _Run(task, settings, folder, fingerprint, on_progress, device).train(time_limit)
    finally:
        torch.set_num_threads(threads)


class _Run:
    def __init__(
        self,
        task: Task,
        settings: LoopSettings,
        folder: Path,
        fingerprint: str,
        on_progress: ProgressCallback,
        device: str,
    ) -> None:
        self.task, self.settings, self.folder, self.on_progress = task, settings, folder, on_progress
        self.identity = {"fingerprint": fingerprint, "settings": settings.model_dump_json()}
        self.accelerator = _accelerator(settings.precision, device)
        for network in task.networks.values():
            network.to(self.accelerator.device)
        for optimizer in task.optimizers.values():
            for group in optimizer.param_groups:
                group["share"] = group["lr"]
        self.updater = Updater(task, settings, self.accelerator)
        self.progress = Progress()
        self.best: dict[str, Tensor] = {}
        self.average = WeightAverage(self.network, settings.ema) if settings.ema else None
        self.saved = time.monotonic()
        if not self._resume():
            seed_all(settings.seed + self.accelerator.process_index)
            # A run that is killed before its first update starts from the same initial weights.
            self._save()
        self.total = max(1, settings.epochs * len(self._updates(0)))

    @property
    def network(self) -> nn.Module:
        return self.task.networks[self.task.result]

    def train(self, time_limit: float) -> Outcome:
        """Trains until the last epoch, early stopping or the time limit."""
        deadline, progress = time.monotonic() + time_limit, self.progress
        curves = Curves(self.folder, progress.step) if self.accelerator.is_main_process else None
        finished = self._is_finished()
        while not finished and self._epoch(curves, deadline):
            finished = self._is_finished()
        if curves is not None:
            curves.close()
        self._set_result()
        return Outcome(progress.step, progress.epoch, progress.best, finished)

    def _epoch(self, curves: Curves | None, deadline: float) -> bool:
        """Trains the rest of an epoch, validates and saves. Returns False if the deadline came first."""
        progress, settings = self.progress, self.settings
        updates = self._updates(progress.epoch)
        self._set_mode(training=True)
        for update in updates[progress.position :]:
            if time.monotonic() > deadline:
                self._save()
                return False
            self.on_progress(
                f"epoch {progress.epoch + 1} of {settings.epochs}", min(1.0, progress.step / self.total)
            )
            self._set_rates()
            values = self.updater(update)
            if self.average is not None:
                self.average.update()
            progress.step += 1
            progress.position += 1
            if curves is not None and progress.step % settings.log_every == 0:
                curves.add(progress.step, {name: float(value) for name, value in values.items()})
            if self._checkpoint_is_due() and progress.position < len(updates):
                self._save()
        progress.epoch, progress.position = progress.epoch + 1, 0
        last = progress.epoch == settings.epochs
        if last or progress.epoch % settings.validate_every == 0:
            self._validate(curves)
        if settings.sample_every and (last or progress.epoch % settings.sample_every == 0):
            self._sample()
        self._save()
        return True

    def _updates(self, epoch: int) -> list[list[int]]:
        """Examples of this process for each update of an epoch."""
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        size = self.settings.batch_size * self.settings.accumulation * processes
        # With fewer examples than processes, some processes compute the same one.
        return [
            update[rank::processes] or [update[rank % len(update)]]
            for update in self.task.updates(epoch, size)
        ]

    def _set_rates(self) -> None:
        progress, settings = self.progress, self.settings
        rate = settings.schedule.rate(settings.rate, progress.step, progress.epoch, self.total)
        for optimizer in self.task.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = rate * group["share"]

    def _set_mode(self, *, training: bool) -> None:
        for network in self.task.networks.values():
            network.train(training)

    def _evaluation(self) -> ExitStack:
        """Evaluation mode with averaged weights, without an effect on the run."""
        stack = ExitStack()
        stack.callback(self._set_mode, training=True)
        stack.enter_context(isolated_random_state(self.settings.seed))
        stack.enter_context(torch.no_grad())
        if self.average is not None:
            stack.enter_context(self.average.applied())
        self._set_mode(training=False)
        return stack

    def _validate(self, curves: Curves | None) -> None:
        with self._evaluation():
            metrics = self.task.validate()
            if not metrics:
                return
            # Processes must come to the same decision, though their sums may differ in the last bit.
            (metric,) = broadcast_object_list([next(iter(metrics.values()))])
            progress = self.progress
            if progress.best is None or metric < progress.best:
                progress.best, progress.stale = metric, 0
                self.best = {n: w.clone() for n, w in trained_state(self.network).items()}
            else:
                progress.stale += 1
        if curves is not None:
            curves.add(progress.step, {f"held_out_{name}": value for name, value in metrics.items()})

    def _sample(self) -> None:
        if not self.accelerator.is_main_process:
            return
        with self._evaluation():
            folder = self.folder / _SAMPLES
            folder.mkdir(exist_ok=True)
            for name, audio in self.task.samples().items():
                audio.save(folder / f"{self.progress.step:06}-{name}.wav")

    def _is_finished(self) -> bool:
        stopped_early = bool(self.settings.patience) and self.progress.stale >= self.settings.patience
        return stopped_early or self.progress.epoch >= self.settings.epochs

    def _set_result(self) -> None:
        """Copies the best or the averaged weights into the network."""
        if self.settings.patience and self.best:
            device = self.accelerator.device
            restore_trained(self.network, {n: w.to(device) for n, w in self.best.items()})
        elif self.average is not None:
            copy_weights(self.network, self.average.weights)
        self._set_mode(training=False)

    def _checkpoint_is_due(self) -> bool:
        # Several processes save together, and their clocks do not agree.
        slow = self.accelerator.num_processes == 1 and time.monotonic() - self.saved > _CHECKPOINT_SECONDS
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
                "halvings": self.updater.halvings,
                "skipped": self.updater.skipped,
                "threads": torch.get_num_threads(),
                "networks": {name: trained_state(network) for name, network in self.task.networks.items()},
                "optimizers": {name: o.state_dict() for name, o in self.task.optimizers.items()},
                "average": self.average.state() if self.average is not None else None,
                "best": self.best,
                "scaler": scaler.state_dict() if scaler is not None else None,
                "random": states,
            },
        )

    def _resume(self) -> bool:
        """Restores the run in the folder. Returns False if there is none."""
        state = load_checkpoint(self.folder)
        if state is None:
            return False
        if any(state.get(name) != value for name, value in self.identity.items()):
            raise TrainingError(
                f"{self.folder} holds a run with other settings, recordings or weights; choose another folder, or remove it"
            )
        self.progress = Progress(**state["progress"])
        self.updater.halvings, self.updater.skipped = state["halvings"], state["skipped"]
        # Sums in another number of threads differ in their last bits.
        torch.set_num_threads(min(state["threads"], torch.get_num_threads()))
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
        return True


def _accelerator(precision: Precision, device: str) -> Accelerator:
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("torch finds no CUDA device; install a CUDA build of torch, or use device cpu")
    cpu = device == "cpu"
    if precision == "auto":
        cuda = torch.cuda.is_available() and not cpu
        precision = ("bf16" if torch.cuda.is_bf16_supported() else "fp16") if cuda else "fp32"
    # Its state is one for the process; the stages of a training may differ in precision.
    AcceleratorState._reset_state()
    return Accelerator(mixed_precision="no" if precision == "fp32" else precision, cpu=cpu)
