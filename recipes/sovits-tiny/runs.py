"""What every training script of the recipe shares: the device, the loop with its exact resume, and the held-out part.

What a step draws follows from the seed and the number of the step, never from the clock or from what was drawn before it. So
a run that was killed repeats what came after its last checkpoint, and on a CPU it ends with the same bits as one that was left
alone (with as many threads: sums are added in their order).
"""

import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from timbral.training.curves import Curves
from timbral.training.ema import Average
from timbral.training.random_state import isolated_random_state

DEVICES = ("auto", "cpu", "cuda")
SEED = 0
DECAY = 0.999
"""Of the average of the weights."""
LOGGED = 50
"""Steps from one row of the curves to the next."""
SAVED = 60.0
"""Longest time in seconds from one checkpoint to the next."""

T = TypeVar("T")


def open_device(name: str) -> torch.device:
    """The device of this name; `auto` is CUDA where torch finds it."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch finds no CUDA: install a build of torch for it, or take --device cpu")
    # Spectra are float32 convolutions: TF32 would bury their quiet bands.
    torch.backends.cudnn.allow_tf32 = False
    return torch.device(name)


def half(device: torch.device, *, enabled: bool = True) -> AbstractContextManager[Any]:
    """Matrix products and convolutions in bfloat16 inside the block; not on a processor that would only imitate it, slowly."""
    fast = device.type != "cpu" or torch.cpu.get_capabilities().get("avx512_bf16", False)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled and fast)


def is_held_out(name: str) -> bool:
    """Whether the utterance of this id is for validation: one in fifty, and a warped copy with its original."""
    return zlib.crc32(name.rstrip("~").encode()) % 1000 < 20


def chance(*numbers: int) -> np.random.Generator:
    """The generator that belongs to these numbers."""
    return np.random.default_rng([SEED, *numbers])


def ahead(draw: Callable[[int], T], steps: Iterator[int]) -> Iterator[tuple[int, T]]:
    """Each step and what is drawn for it, by a thread that works on the next one meanwhile; `draw` depends on the step alone."""
    with ThreadPoolExecutor(1) as pool:
        following: tuple[int, Any] | None = None
        for step in steps:
            if following is None or following[0] != step:
                following = step, pool.submit(draw, step)
            drawn = following[1].result()
            following = step + 1, pool.submit(draw, step + 1)
            yield step, drawn


def learned(folder: Path) -> dict[str, Tensor]:
    """Weights of a run so far, averaged where the run averages."""
    state = torch.load(folder / "last.pt", map_location="cpu", weights_only=True)
    return {**state["model"], **state.get("ema", {})}


class Run:
    """A training in a folder: `last.pt`, `curves.jsonl`, `curves.png`.

    rate, warmup: the highest learning rate, and the steps until it is reached; it then falls along half a cosine to a fiftieth
    until `steps`. clip: largest norm of a gradient. averaged: whether the checkpoint holds an average of the weights too.
    others: networks and optimisers beside the one that the run is for, to be kept in the checkpoint by name.
    """

    def __init__(
        self,
        folder: Path,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        steps: int,
        rate: float,
        warmup: int,
        clip: float,
        averaged: bool = True,
        others: Mapping[str, nn.Module | torch.optim.Optimizer] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self.model, self.optimizer = folder / "last.pt", model, optimizer
        self.total, self.rate, self.warmup, self.clip = steps, rate, warmup, clip
        self.average = Average(model, DECAY) if averaged else None
        self.others = others or {}
        self.device = next(model.parameters()).device
        self.step = 0
        self._resume()
        self.curves = Curves(folder, self.step)
        self._shown = time.monotonic()

    def steps(self, hours: float) -> Iterator[int]:
        """The numbers of the steps from here on, for so long or until the last; what is drawn inside of a step belongs to it."""
        began = saved = time.monotonic()
        while self.step < self.total and time.monotonic() - began < hours * 3600:
            torch.manual_seed(int(chance(self.step).integers(1 << 62)))
            scale = 0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * self.step / self.total))
            for group in self.optimizer.param_groups:
                group["lr"] = float(self.rate * min(1, (self.step + 1) / self.warmup) * scale)
            yield self.step
            self.step += 1
            if time.monotonic() - saved > SAVED:
                self.save()
                saved = time.monotonic()
        self.save()
        self.curves.close()

    @property
    def learning_rate(self) -> float:
        """Of the present step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def update(self, loss: Tensor, **values: Tensor) -> None:
        """One step of the optimiser, unless the gradient is no number; the values go into the curves."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        if torch.isfinite(norm):
            self.optimizer.step()
        if self.average is not None:
            self.average.update()
        if self.is_due(LOGGED):
            seconds = (time.monotonic() - self._shown) / LOGGED
            self._shown = time.monotonic()
            if self.device.type == "cuda":
                values["memory"] = torch.tensor(torch.cuda.max_memory_allocated(self.device) / 1e9)
            self.log(**values, norm=norm, seconds=torch.tensor(seconds))

    def is_due(self, every: int) -> bool:
        """Whether what is to be done after so many steps each is to be done after this one."""
        return (self.step + 1) % every == 0

    @contextmanager
    def aside(self) -> Iterator[None]:
        """The model as it would be used, with averaged weights, for measures that leave no trace in the run."""
        self.model.eval()
        with isolated_random_state(SEED), torch.no_grad():
            if self.average is None:
                yield
            else:
                with self.average.applied():
                    yield
        self.model.train()

    def log(self, **values: Tensor) -> None:
        row = {name: round(float(value.detach()), 4) for name, value in values.items()}
        self.curves.add(self.step + 1, row)
        print(self.step + 1, *(f"{name} {value}" for name, value in row.items()), flush=True)

    def save(self) -> None:
        """Writes the checkpoint so that a kill at any moment leaves the one before or this one; it opens on any device."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "others": {name: other.state_dict() for name, other in self.others.items()},
        }
        if self.average is not None:
            state["ema"] = self.average.weights
        part = self.path.with_suffix(".part")
        with part.open("wb") as file:
            torch.save(_on_cpu(state), file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path)

    def _resume(self) -> None:
        """Takes up the run, if there is one. Without the optimiser's state, weights are a beginning."""
        if not self.path.exists():
            return
        state = torch.load(self.path, map_location="cpu", weights_only=True)
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        if self.average is not None:
            self.average.restore({"weights": state["ema"], "updates": self.step})
        if "optimizer" in state:
            load_optimizer(self.optimizer, state["optimizer"])
        for name, other in state.get("others", {}).items():
            if name not in self.others:
                continue
            if isinstance(mine := self.others[name], nn.Module):
                mine.load_state_dict(other)
            else:
                load_optimizer(mine, other)


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Takes up what was saved, on another device too: which kernels step is the device's matter, not the run's."""
    for group, saved in zip(optimizer.param_groups, state["param_groups"], strict=True):
        saved["fused"] = group["fused"]
    optimizer.load_state_dict(state)


def adamw(parameters: Any, rate: float, decay: float) -> torch.optim.AdamW:
    """As all networks of the recipe are trained; in one kernel where there is one."""
    groups = list(parameters)
    first = groups[0]["params"][0] if isinstance(groups[0], dict) else groups[0]
    fused = True if first.is_cuda else None
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), weight_decay=decay, fused=fused)


def _on_cpu(tree: Any) -> Any:
    if isinstance(tree, Tensor):
        return tree.detach().cpu()
    if isinstance(tree, dict):
        return {key: _on_cpu(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_on_cpu(value) for value in tree]
    return tree
