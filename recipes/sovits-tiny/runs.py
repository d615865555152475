"""What all training scripts of the recipe share: device, held-out utterances, tasks with numbered steps, and
how they are run.

All random numbers of a step follow from its number and the states in the checkpoint, so a run that was killed
ends on a CPU with the same bits as an undisturbed one, given the same number of threads.
"""

import argparse
import time
import zlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from timbral.training.loop import DEVICES as DEVICES
from timbral.training.loop import train
from timbral.training.loop_settings import LoopSettings
from timbral.training.schedule import WarmupCosine
from timbral.training.task import Batch, LossStep, Task

SEED = 0
WEIGHTS = "weights.safetensors"
"""The weights of a run so far, averaged if the run averages them."""
EMA = 0.999
LOG_EVERY = 50
LOWEST_RATE = 0.02
"""At the end of the schedule, relative to the highest rate."""

T = TypeVar("T")


def open_device(name: str) -> torch.device:
    """The device of this name; `auto` is CUDA if torch finds it."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch finds no CUDA: install a build of torch for it, or use --device cpu")
    # TF32 is too coarse for the quiet bands of spectra.
    torch.backends.cudnn.allow_tf32 = False
    return torch.device(name)


def half(device: torch.device, *, enabled: bool = True) -> AbstractContextManager[Any]:
    """bfloat16 autocast inside the block, except on processors that only emulate it."""
    fast = device.type != "cpu" or torch.cpu.get_capabilities().get("avx512_bf16", False)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled and fast)


def is_held_out(name: str) -> bool:
    """Whether the utterance of this id is for validation: one in fifty, and a warped copy together with its
    original.
    """
    return zlib.crc32(name.rstrip("~").encode()) % 1000 < 20


def generator(*numbers: int) -> np.random.Generator:
    """The random generator for these numbers."""
    return np.random.default_rng([SEED, *numbers])


class Prefetcher(Generic[T]):
    """Computes `draw(step)` in a thread while the step before is trained; `draw` depends on the step only."""

    def __init__(self, draw: Callable[[int], T]) -> None:
        self._draw, self._pool = draw, ThreadPoolExecutor(1)
        self._next: tuple[int, Future[T]] | None = None

    def __call__(self, step: int) -> T:
        drawn = self._next[1] if self._next and self._next[0] == step else self._pool.submit(self._draw, step)
        result = drawn.result()
        self._next = step + 1, self._pool.submit(self._draw, step + 1)
        return result


class SteppedTask(Task):
    """A task with a fixed number of steps of one batch each, validated every `validate_every` steps.

    network: the one that the run is for.
    """

    result = "network"
    validate_every = 250

    def __init__(self, network: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
        self.network, self.steps = network, steps
        self.networks, self.optimizers = {self.result: network}, {self.result: optimizer}

    def updates(self, epoch: int, size: int) -> list[list[int]]:
        first = epoch * self.validate_every
        return [[step] for step in range(first, min(first + self.validate_every, self.steps))]

    def collate(self, examples: Sequence[int]) -> Batch:
        (step,) = examples
        return self.draw(step)

    @abstractmethod
    def draw(self, step: int) -> Any:
        """The batch of a step, a mapping of tensors."""

    def loss_steps(self, batch: Batch) -> Iterator[LossStep]:
        loss, values = self.loss(batch)
        yield LossStep(self.result, loss, values)

    def loss(self, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, and values to log."""
        raise NotImplementedError

    def validate(self) -> dict[str, float]:
        return {name: float(value) for name, value in self.measure().items()}

    @abstractmethod
    def measure(self) -> dict[str, Tensor]:
        """Metrics of the held-out utterances."""


def run(
    task: SteppedTask, folder: Path, args: argparse.Namespace, *, warmup: int, clip: float, ema: float = EMA
) -> None:
    """Trains until the last step or for `args.hours`, and writes the weights so far.

    args: with rate, hours and device. warmup: steps until the highest rate, which then falls along half a
    cosine.
    """
    settings = LoopSettings(
        epochs=-(-task.steps // task.validate_every),
        batch_size=1,
        rate=args.rate,
        schedule=WarmupCosine(
            start=args.rate / warmup, end=LOWEST_RATE * args.rate, warmup=warmup, decay=task.steps
        ),
        clip=clip,
        ema=ema,
        precision="fp32",
        seed=SEED,
        log_every=LOG_EVERY,
        save_every=10**9,
    )
    began, shown = time.monotonic(), [0]

    def on_progress(what: str, share: float) -> None:
        shown[0] += 1
        if shown[0] % LOG_EVERY == 0:
            seconds = (time.monotonic() - began) / shown[0]
            print(f"{folder.name}: {what}, {share:.1%}, {seconds:.2f} s a step", flush=True)

    device = open_device(args.device)
    outcome = train(
        task, settings, folder, on_progress=on_progress, device=device.type, time_limit=3600 * args.hours
    )
    part = folder / f"{WEIGHTS}.part"
    save_file({name: weight.cpu().contiguous() for name, weight in task.network.state_dict().items()}, part)
    part.replace(folder / WEIGHTS)
    memory = torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else 0.0
    print(f"{folder.name}: {outcome.steps} of {task.steps} steps, {memory:.1f} GB of the GPU", flush=True)


def learned(folder: Path) -> dict[str, Tensor]:
    """The weights of a run so far."""
    return load_file(folder / WEIGHTS)


def adamw(parameters: Any, decay: float) -> torch.optim.AdamW:
    """The optimizer of all networks of the recipe, with 1 in place of the scheduled rate."""
    return torch.optim.AdamW(parameters, lr=1.0, betas=(0.9, 0.98), weight_decay=decay)


def training_arguments(
    description: str | None, *, hours: float, steps: int, rate: float
) -> argparse.ArgumentParser:
    """The options that all trainings share."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=hours, help="stop after so much time in this call")
    parser.add_argument("--steps", type=int, default=steps, help="length of the run and its schedule")
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    return parser
