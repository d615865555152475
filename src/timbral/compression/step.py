"""What a step of compression is: a function from a bundle folder to a new bundle folder, with settings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

OnProgress = Callable[[str, float], None]
"""Called with what is being done, and the share of the step that is done, 0 to 1."""


class StepSettings(BaseModel):
    """Base of the settings of a step: names and types are checked, and they never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StepFunction(Protocol):
    """Makes a smaller bundle of `parent` in the new folder `out`, whole or not at all.

    The same parent and settings give the same bytes. What a long step needs to go on after it was interrupted
    lies in `scratch(out)`, which the pipeline removes when `out` is there.
    """

    def __call__(self, parent: Path, out: Path, settings: Any, on_progress: OnProgress) -> None: ...


def scratch(out: Path) -> Path:
    """The folder beside the result of a step that keeps its unfinished work; it need not exist."""
    return out.with_name(f"{out.name}.work")
