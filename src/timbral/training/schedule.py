"""Learning rates over a run: what the configuration says is what the optimiser gets.

A rate depends on the number of the update and of the epoch alone, so that there is nothing to save or to restore.
"""

import math
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field


class _Schedule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Constant(_Schedule):
    """The same rate throughout."""

    kind: Literal["constant"] = "constant"

    def rate(self, peak: float, step: int, epoch: int, steps: int) -> float:
        """The rate of update `step` in `epoch`, both from 0, of a run of about `steps` updates."""
        return peak


class Exponential(_Schedule):
    """The rate is multiplied by `decay` after every epoch."""

    kind: Literal["exponential"] = "exponential"
    decay: float = Field(0.999875, gt=0, le=1)

    def rate(self, peak: float, step: int, epoch: int, steps: int) -> float:
        """See `Constant.rate`."""
        return peak * self.decay**epoch


class WarmupCosine(_Schedule):
    """From `start` in a straight line to the peak, then along half a cosine to `end`, where it stays.

    warmup, decay: number of the update that has the peak, and of the first that has `end`; `decay` is the length of the
    run if it is left out.
    """

    kind: Literal["warmup-cosine"] = "warmup-cosine"
    start: float = Field(0.0, ge=0)
    end: float = Field(0.0, ge=0)
    warmup: int = Field(0, ge=0)
    decay: int | None = Field(None, ge=1)

    def rate(self, peak: float, step: int, epoch: int, steps: int) -> float:
        """See `Constant.rate`."""
        if step < self.warmup:
            return self.start + (peak - self.start) * step / self.warmup
        last = max(self.decay if self.decay is not None else steps, self.warmup + 1)
        done = min(1.0, (step - self.warmup) / (last - self.warmup))
        return self.end + (peak - self.end) * 0.5 * (1 + math.cos(math.pi * done))


Schedule: TypeAlias = Annotated[Constant | Exponential | WarmupCosine, Field(discriminator="kind")]
