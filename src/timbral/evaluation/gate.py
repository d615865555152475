"""The gate: bounds that an evaluation has to keep, read from YAML.

    against: sovits-tiny              # the parent, unless another one is named
    overall:                          # means over all cases, and figures of the model
      error: {max: 0.12, max_change: 0.04}
      size: {max_ratio: 1.05}
    voice:                            # means of each voice
      similarity: {min: 0.6}
    case:                             # each case: the worst of them counts
      error: {max: 0.6}

`min` and `max` are absolute, `min_change` and `max_change` bound the difference to the parent, `min_ratio` and
`max_ratio` the multiple of the parent's value. A case of which nothing can be heard always breaks the gate.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from timbral.errors import InstallationError, SettingError
from timbral.evaluation.results import Evaluation, Row

Scope = Literal["case", "voice", "language", "overall"]
SCOPES: tuple[Scope, ...] = ("case", "voice", "language", "overall")
_GATES = Path(__file__).parent / "gates"
_FIGURES = ("size", "speaking_size", "parameters", "memory", "load_seconds")
_SHOWN = 60
"""Characters of a text that a message quotes."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bound(_Strict):
    """Limits of a value; those that are None do not hold."""

    min: float | None = Field(None, allow_inf_nan=False)
    max: float | None = Field(None, allow_inf_nan=False)
    min_change: float | None = Field(None, allow_inf_nan=False)
    max_change: float | None = Field(None, allow_inf_nan=False)
    min_ratio: float | None = Field(None, allow_inf_nan=False, ge=0)
    max_ratio: float | None = Field(None, allow_inf_nan=False, ge=0)

    @model_validator(mode="after")
    def _some(self) -> "Bound":
        if not self.model_fields_set:
            raise PydanticCustomError("empty", "a bound needs min, max, or one relative to the parent")
        return self

    @property
    def relative(self) -> bool:
        """Whether it compares with the parent."""
        fields = (self.min_change, self.max_change, self.min_ratio, self.max_ratio)
        return any(limit is not None for limit in fields)

    def broken(self, value: float, parent: float | None) -> Iterator[tuple[str, bool]]:
        """What is wrong with a value in words, and whether it is too low."""
        shown = _number(value)
        if not math.isfinite(value):
            yield f"{shown} is no number", False
            return
        if self.min is not None and value < self.min:
            yield f"{shown} is below {self.min:g}", True
        if self.max is not None and value > self.max:
            yield f"{shown} is above {self.max:g}", False
        if parent is None:
            return
        change = value - parent
        if self.min_change is not None and change < self.min_change:
            yield (
                f"{shown} is {_number(-change)} below the parent's, at most {-self.min_change:g} is allowed",
                True,
            )
        if self.max_change is not None and change > self.max_change:
            yield (
                f"{shown} is {_number(change)} above the parent's, at most {self.max_change:g} is allowed",
                False,
            )
        ratio = value / parent if parent else math.inf if value else 1.0
        if self.min_ratio is not None and ratio < self.min_ratio:
            yield f"{shown} is {_number(ratio)} times the parent's, less than {self.min_ratio:g}", True
        if self.max_ratio is not None and ratio > self.max_ratio:
            yield f"{shown} is {_number(ratio)} times the parent's, more than {self.max_ratio:g}", False


@dataclass(frozen=True)
class Violation:
    """A bound that is broken, and where.

    group: the language, voice or case. problem: in words. voice, case, text: of the case that broke it most; empty
    for figures of the whole model.
    """

    scope: Scope
    metric: str
    problem: str
    group: str = ""
    voice: str = ""
    case: str = ""
    text: str = ""

    def __str__(self) -> str:
        where = "all cases" if self.scope == "overall" else f"{self.scope} {self.group}"
        if not self.case:
            return f"{where}: {self.metric} {self.problem}"
        sentence = f"voice {self.voice}, {self.text[:_SHOWN]!r}"
        if self.scope == "case":
            return f"{where} ({sentence}): {self.metric} {self.problem}"
        return f"{where}: {self.metric} {self.problem}; worst in {sentence}"


class Gate(_Strict):
    """Bounds by scope and column; see the module."""

    against: str | None = None
    overall: dict[str, Bound] = {}
    language: dict[str, Bound] = {}
    voice: dict[str, Bound] = {}
    case: dict[str, Bound] = {}

    @staticmethod
    def read(path: str | Path) -> "Gate":
        """A gate from a YAML file, or one of the package by name. Raises SettingError."""
        shipped = {each.stem: each for each in _GATES.glob("*.yaml")}
        file = shipped.get(str(path), Path(path))
        try:
            import yaml
        except ImportError:
            raise InstallationError(
                "a gate needs pyyaml; install it with: pip install 'timbral[evaluate]'"
            ) from None
        try:
            values = yaml.safe_load(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SettingError(
                f"{path}: no such gate; give a YAML file, or {' or '.join(sorted(shipped))}"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"{path}: cannot be read ({error})") from None
        except yaml.YAMLError as error:
            raise SettingError(f"{path}: not YAML ({' '.join(str(error).split())[:120]})") from None
        try:
            return Gate.model_validate({} if values is None else values)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            place = ".".join(map(str, problem["loc"])) or "gate"
            raise SettingError(f"{path}: {place[:80]}: {problem['msg'].lower()}") from None

    def check(self, evaluation: Evaluation) -> list[Violation]:
        """The bounds that are broken, cases first.

        Raises SettingError: a bound of something that was not measured, or one relative to a parent without one.
        """
        self._check_columns(evaluation)
        found = [
            Violation("case", "speech", f"is missing: {row.failed}", row.case, row.voice, row.case, row.text)
            for row in evaluation.rows
            if row.failed
        ]
        for scope in SCOPES:
            for rows in _groups(scope, evaluation.rows):
                found += _broken(scope, getattr(self, scope), evaluation, rows)
        return found

    def _check_columns(self, evaluation: Evaluation) -> None:
        names = {column.name for column in evaluation.columns}
        for scope in SCOPES:
            bounds: dict[str, Bound] = getattr(self, scope)
            known = names | set(_FIGURES) if scope == "overall" else names
            for name, bound in bounds.items():
                if name not in known:
                    why = "; ".join(evaluation.notes) or f"there are {', '.join(sorted(known))}"
                    raise SettingError(f"the gate bounds {scope}.{name[:40]}, which was not measured: {why}")
                if bound.relative and evaluation.parent is None:
                    raise SettingError(
                        f"the gate bounds {scope}.{name} relative to a parent: name one with --against"
                    )


def _groups(scope: Scope, rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of each voice, language or case, or all of them; cases without speech are told of elsewhere."""
    if scope == "overall":
        return [list(rows)]
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if scope != "case" or not row.failed:
            groups.setdefault(getattr(row, scope), []).append(row)
    return list(groups.values())


def _broken(
    scope: Scope, bounds: dict[str, Bound], evaluation: Evaluation, rows: Sequence[Row]
) -> list[Violation]:
    """Broken bounds of the means over some rows."""
    parent = evaluation.parent
    cases = {row.case for row in rows}
    others = [row for row in parent.rows if row.case in cases] if parent else []
    found = []
    for name, bound in bounds.items():
        value = _value(evaluation, name, rows)
        theirs = _value(parent, name, others) if parent else None
        if value is None and any(not row.failed for row in rows):
            found.append(_violation(scope, name, "could not be measured", rows, rows[0]))
        elif value is not None and bound.relative and theirs is None:
            found.append(
                _violation(scope, name, "has no value of the parent's to compare with", rows, rows[0])
            )
        for problem, low in bound.broken(value, theirs) if value is not None else ():
            found.append(_violation(scope, name, problem, rows, _worst(name, rows, low)))
    return found


def _violation(scope: Scope, name: str, problem: str, rows: Sequence[Row], worst: Row | None) -> Violation:
    group = "" if scope == "overall" else getattr(rows[0], scope)
    if worst is None:
        return Violation(scope, name, problem, group)
    return Violation(scope, name, problem, group, worst.voice, worst.case, worst.text)


def _worst(name: str, rows: Sequence[Row], lowest: bool) -> Row | None:
    """The row that took a mean furthest to the wrong side; None for figures of the whole model."""
    found = [row for row in rows if name in row.values]
    if not found:
        return None
    return (min if lowest else max)(found, key=lambda row: row.values[name])


def _value(evaluation: Evaluation, name: str, rows: Sequence[Row]) -> float | None:
    if name in _FIGURES:
        figure: float | None = getattr(evaluation.figures, name)
        return figure
    return evaluation.average(name, rows)


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
