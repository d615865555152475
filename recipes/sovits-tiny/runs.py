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


def held_out(utterances: list[Utterance], share: float = 0.02) -> tuple[list[int], list[int]]:
    """Indices for training and for validation, decided by the id alone: a warped copy stays with its original."""
    chosen = [zlib.crc32(u.meta["id"].rstrip("~").encode()) % 1000 < share * 1000 for u in utterances]
    return [i for i, c in enumerate(chosen) if not c], [i for i, c in enumerate(chosen) if c]


def save(path: Path, **state: object) -> None:
    """Write a checkpoint so that a kill at any moment leaves the old one or the new one."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


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
