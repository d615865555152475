"""Logged values of a run: JSON lines, a plot, and TensorBoard files if that is installed."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

_COLUMNS = 4
_SECONDS = 30.0
"""Between two plots; one takes half a second."""


class Curves:
    """Logs to the folder of a run. Rows that a killed run wrote after its last checkpoint are removed."""

    def __init__(self, folder: Path, step: int) -> None:
        """step: number of updates that the run resumes from."""
        self._file = folder / "curves.jsonl"
        self._plot = folder / "curves.png"
        self._rows = [row for row in read_curves(folder) if row["step"] <= step]
        part = self._file.with_suffix(".part")
        part.write_text("".join(f"{json.dumps(row)}\n" for row in self._rows))
        part.replace(self._file)
        self._board = _tensorboard(folder, step)
        self._plotted = time.monotonic()

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Logs values of an update."""
        row = {"step": step, **values}
        self._rows.append(row)
        with self._file.open("a") as file:
            file.write(f"{json.dumps(row)}\n")
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
        if time.monotonic() - self._plotted > _SECONDS:
            self.draw()

    def draw(self) -> None:
        """Plots all values."""
        names = sorted({name for row in self._rows for name in row} - {"step"})
        if not names:
            return
        columns = min(_COLUMNS, len(names))
        rows = -(-len(names) // columns)
        figure = Figure(figsize=(3.2 * columns, 2.4 * rows), layout="constrained")
        for place, name in enumerate(names, 1):
            points = [(row["step"], row[name]) for row in self._rows if name in row]
            axis = figure.add_subplot(rows, columns, place)
            axis.plot(*zip(*points, strict=True), linewidth=0.8)
            axis.set_title(name, fontsize=8)
            axis.tick_params(labelsize=6)
        part = self._plot.with_suffix(".part")
        figure.savefig(part, dpi=90, format="png")
        part.replace(self._plot)
        self._plotted = time.monotonic()

    def close(self) -> None:
        """Plots a last time and closes the TensorBoard files."""
        self.draw()
        if self._board is not None:
            self._board.close()


def read_curves(folder: Path) -> list[dict[str, Any]]:
    """Logged rows of a run, oldest first, without one that a kill cut off."""
    path = folder / "curves.jsonl"
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        rows.append(row)
    return rows


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)
