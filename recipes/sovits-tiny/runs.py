"""What every training script of the recipe shares: curves, averaged weights, checkpoints, the held-out part."""

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import torch
from packed import Utterance
from torch import Tensor, nn

matplotlib.use("Agg")
from matplotlib import pyplot


def held_out(utterances: list[Utterance]) -> tuple[list[int], list[int]]:
    """Indices for training and for validation, decided by the id alone."""
    chosen = [is_held_out(u.meta["id"]) for u in utterances]
    return [i for i, c in enumerate(chosen) if not c], [i for i, c in enumerate(chosen) if c]


def is_held_out(name: str) -> bool:
    """Whether the utterance of this id is for validation: one in fifty, and a warped copy with its original."""
    return zlib.crc32(name.rstrip("~").encode()) % 1000 < 20


class Ema:
    """Exponential moving average of a module's weights."""

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        self.decay = decay
        self.weights = {k: v.detach().clone() for k, v in model.named_parameters()}

    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for k, v in model.named_parameters():
            self.weights[k].lerp_(v.detach(), 1 - decay)

    def state(self) -> dict[str, Tensor]:
        return self.weights

    def load(self, weights: dict[str, Tensor]) -> None:
        self.weights = weights

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """The model with averaged weights, for the length of a block."""
        kept = {k: v.detach().clone() for k, v in model.named_parameters()}
        with torch.no_grad():
            for k, v in model.named_parameters():
                v.copy_(self.weights[k])
        yield
        with torch.no_grad():
            for k, v in model.named_parameters():
                v.copy_(kept[k])


class Checkpoint:
    """A run on disk: what it has learned and how far it is, in `last.pt` of its folder."""

    def __init__(
        self, folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, ema: Ema | None = None
    ) -> None:
        self.path, self.model, self.optimizer, self.ema = folder / "last.pt", model, optimizer, ema

    def resume(self) -> int:
        """Take up the run, and return its steps so far. Without the optimizer's state, weights are a beginning."""
        if not self.path.exists():
            return 0
        state = torch.load(self.path, weights_only=True)
        self.model.load_state_dict(state["model"])
        if self.ema is not None:
            self.ema.load(state["ema"])
        if "optimizer" in state:
            self.optimizer.load_state_dict(state["optimizer"])
        step: int = state["step"]
        return step

    def save(self, step: int) -> None:
        """Write it so that a kill at any moment leaves the old one or the new one."""
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "step": step}
        if self.ema is not None:
            state["ema"] = self.ema.state()
        part = self.path.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.path)


class Curves:
    """Scalars as lines of JSON, and as a picture."""

    def __init__(self, folder: Path) -> None:
        self.file, self.picture = folder / "curves.jsonl", folder / "curves.png"

    def log(self, step: int, **values: Tensor | float) -> None:
        row = {"step": step, **{k: round(float(v), 4) for k, v in values.items()}}
        with self.file.open("a") as f:
            f.write(json.dumps(row) + "\n")
        print(" ".join(f"{k} {v}" for k, v in row.items()), flush=True)
        if any(k.startswith("valid") for k in values):
            self.draw()

    def draw(self) -> None:
        rows = [json.loads(line) for line in self.file.read_text().splitlines()]
        names = sorted({k for r in rows for k in r if k not in ("step", "seconds", "norm")})
        figure, axes = pyplot.subplots(1, len(names), figsize=(3 * len(names), 2.5), squeeze=False)
        for axis, name in zip(axes[0], names, strict=True):
            points = [(r["step"], r[name]) for r in rows if name in r]
            axis.plot(*zip(*points, strict=True), linewidth=0.8)
            axis.set_title(name, fontsize=8)
            axis.tick_params(labelsize=6)
        figure.tight_layout()
        figure.savefig(self.picture, dpi=90)
        pyplot.close(figure)
