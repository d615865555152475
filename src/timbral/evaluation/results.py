"""Results of an evaluation: a row a case, means with intervals, figures of speed and size."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from timbral.audio import Audio, read
from timbral.evaluation.bootstrap import Interval, interval
from timbral.evaluation.metrics import Column

SPEED = (
    Column("rtf", "real-time factor", "low", 3),
    Column("first_sound", "first sound", "low", 3, "s"),
)
"""Values that each case has beside those of metrics."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Row(_Strict):
    """A case, spoken and measured.

    prompt: path of the voice's recording. failed: why nothing could be spoken, empty where it could.
    speech: file in the evaluation's folder; same_tokens: another one, with the parent's tokens. values and
    weights: see `timbral.evaluation.metrics.Measured`. measured: fingerprints of the metrics by name.
    retries: how often the hallucination checks had it sampled again.
    """

    case: str
    voice: str
    prompt: str
    language: str
    text: str
    failed: str = ""
    speech: str = ""
    same_tokens: str = ""
    heard: str = ""
    retries: int = 0
    values: dict[str, float] = {}
    weights: dict[str, float] = {}
    measured: dict[str, str] = {}


class Figures(_Strict):
    """Size and needs of a model. memory: peak of a process that loads it and speaks a sentence, in bytes; None where it
    was not measured. size: bytes on disk; speaking_size: of the files without those that read recordings. parameters:
    of all networks, and of each part.
    """

    size: int
    speaking_size: int
    parameters: int
    parts: dict[str, int]
    memory: int | None = None
    load_seconds: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """What was measured of a model on a suite.

    model: its name; digest: of its files. columns: what the values mean. parent: the evaluation of the model that it is
    compared with. folder: where the speech is. bundle: where the model was. notes: what was left
    out.
    """

    model: str
    digest: str
    suite: str
    suite_digest: str
    seed: int
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    figures: Figures
    folder: Path
    bundle: Path
    parent: "Evaluation | None" = None
    notes: tuple[str, ...] = ()
    kept: Any = field(default=None, repr=False, compare=False)
    """Keeps a temporary folder as long as the evaluation."""

    @property
    def parent_label(self) -> str:
        """The parent's name, or `parent` where the model has the same; empty without one."""
        if self.parent is None:
            return ""
        return self.parent.model if self.parent.model != self.model else "parent"

    def speech(self, row: Row) -> Audio:
        """The speech of a case. Raises AudioError."""
        return Audio(*read(self.folder / row.speech))

    def mean(self, column: str, rows: Iterable[Row] | None = None) -> Interval | None:
        """Mean of a column over these rows, all by default; None where no row has a value."""
        found = [row for row in (self.rows if rows is None else rows) if column in row.values]
        if not found:
            return None
        values = [row.values[column] for row in found]
        weights = [row.weights.get(column, 1.0) for row in found]
        return interval(values, weights, [row.voice for row in found])

    def average(self, column: str, rows: Iterable[Row] | None = None) -> float | None:
        """The same mean, without intervals."""
        found = [row for row in (self.rows if rows is None else rows) if column in row.values]
        weights = [row.weights.get(column, 1.0) for row in found]
        if not sum(weights):
            return None
        return sum(w * row.values[column] for w, row in zip(weights, found, strict=True)) / sum(weights)

    def change(self, column: str) -> Interval | None:
        """Mean difference to the parent over the cases that both have, with intervals; None without one."""
        pairs = [
            (row, other) for row, other in self.pairs() if column in row.values and column in other.values
        ]
        if not pairs:
            return None
        differences = [row.values[column] - other.values[column] for row, other in pairs]
        weights = [row.weights.get(column, 1.0) for row, _ in pairs]
        return interval(differences, weights, [row.voice for row, _ in pairs])

    def pairs(self) -> list[tuple[Row, Row]]:
        """Rows of the same case, of this model and of its parent."""
        if self.parent is None:
            return []
        others = {row.case: row for row in self.parent.rows}
        return [(row, others[row.case]) for row in self.rows if row.case in others]

    def groups(self) -> dict[str, Sequence[Row]]:
        """All rows, and those of each language where there are several."""
        languages = list(dict.fromkeys(row.language for row in self.rows))
        found: dict[str, Sequence[Row]] = {"all": self.rows}
        if len(languages) > 1:
            found |= {one: [row for row in self.rows if row.language == one] for one in languages}
        return found

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        named = {column.name: column for column in self.columns}
        groups = {
            group: {
                name: found.model_dump() for name in named if (found := self.mean(name, rows)) is not None
            }
            for group, rows in self.groups().items()
        }
        changes = {name: found.model_dump() for name in named if (found := self.change(name)) is not None}
        return {
            "model": self.model,
            "digest": self.digest,
            "suite": self.suite,
            "suite_digest": self.suite_digest,
            "seed": self.seed,
            "figures": self.figures.model_dump(),
            "failed": sum(bool(row.failed) for row in self.rows),
            "bad": self.bad,
            "means": groups,
            "changes": changes,
            "notes": list(self.notes),
            "cases": [row.model_dump(exclude={"measured", "same_tokens", "prompt"}) for row in self.rows],
            "parent": None if self.parent is None else self.parent.as_dict(),
        }

    @property
    def bad(self) -> float:
        """Share of cases with an error above 0.5, or without speech: the catastrophes that a mean hides."""
        return float(np.mean([bool(row.failed) or row.values.get("error", 0) > 0.5 for row in self.rows]))
