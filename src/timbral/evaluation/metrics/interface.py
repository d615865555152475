"""The interface of metrics: what they get, what they give, and which direction is better."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from timbral.audio import Audio

Better = Literal["low", "high", "near"]
"""Whether less of a value is better, more of it, or what is nearest to the parent's."""


@dataclass(frozen=True)
class Column:
    """A value that a metric gives for a case.

    title: for tables. unit: of the value, empty where it has none. better: see `Better`. digits: how many
    decimals are worth printing.
    """

    name: str
    title: str
    better: Better
    digits: int = 2
    unit: str = ""


@dataclass(frozen=True)
class Spoken:
    """One case as it was spoken: what metrics measure.

    prompt: the recording that the voice was cloned from; voice: its name in the suite. parent: the parent's
    speech of the same case, None without a parent. same_tokens: the model's stage two behind the parent's stage
    one, so that both say the same tokens; None where the models do not share them.
    """

    text: str
    language: str
    voice: str
    prompt: Audio
    speech: Audio
    parent: Audio | None = None
    same_tokens: Audio | None = None


@dataclass(frozen=True)
class Measured:
    """What a metric found: values by column, and what is counted instead of averaged.

    weights: the weight of a value in means, 1 where it is left out; a rate weighs as much as it has units.
    heard: what a recogniser understood.
    """

    values: Mapping[str, float]
    weights: Mapping[str, float] = field(default_factory=dict)
    heard: str | None = None


class Metric(Protocol):
    """Measures speech."""

    @property
    def name(self) -> str:
        """The name by which users choose it."""

    @property
    def fingerprint(self) -> str:
        """What its values depend on beside the speech: they are measured again when it changes."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The values that it gives."""

    @property
    def needs_parent(self) -> bool:
        """Whether it compares with a parent, and is left out without one."""

    def measure(self, spoken: Spoken) -> Measured:
        """Measures one case; a column that says nothing here is left out."""
