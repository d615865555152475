"""What a run measured, over its updates: lines of JSON, a picture, and TensorBoard's files where that is installed."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

_COLUMNS = 4
_SECONDS = 30.0
"""From one picture to the next: drawing takes half a second."""


class Curves:
    """Writes to a run's folder. Rows that a killed run wrote after its last checkpoint are taken back."""

    def __init__(self, folder: Path, step: int) -> None:
        """step: updates that the run goes on from."""
        self._file = folder / "curves.jsonl"
        self._picture = folder / "curves.png"
        self._rows = [row for row in read_curves(folder) if row["step"] <= step]
        part = self._file.with_suffix(".part")
        part.write_text("".join(f"{json.dumps(row)}\n" for row in self._rows))
        part.replace(self._file)
        self._board = _tensorboard(folder, step)
        self._drawn = time.monotonic()

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Adds what was measured at an update."""
        row = {"step": step, **values}
        self._rows.append(row)
        with self._file.open("a") as file:
            file.write(f"{json.dumps(row)}\n")
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
        if time.monotonic() - self._drawn > _SECONDS:
            self.draw()

    def draw(self) -> None:
        """Draws all of it; the picture is written whole or not at all."""
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
        part = self._picture.with_suffix(".part")
        figure.savefig(part, dpi=90, format="png")
        part.replace(self._picture)
        self._drawn = time.monotonic()

    def close(self) -> None:
        """Draws once more, and ends the files of TensorBoard."""
        self.draw()
        if self._board is not None:
            self._board.close()


def read_curves(folder: Path) -> list[dict[str, Any]]:
    """The rows that a run has written, oldest first; one that a kill cut off is left out."""
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
