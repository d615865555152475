"""Learning-rate schedules. A rate depends on the numbers of update and epoch only, so a schedule has no
state.
"""

import math
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field


class _Schedule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Constant(_Schedule):
    """A constant rate."""

    kind: Literal["constant"] = "constant"

    def rate(self, peak: float, step: int, epoch: int, steps: int) -> float:
        """Learning rate of update `step` in `epoch`, both from 0, in a run of about `steps` updates."""
        return peak


class Exponential(_Schedule):
    """Multiplies the rate by `decay` after every epoch."""

    kind: Literal["exponential"] = "exponential"
    decay: float = Field(0.999875, gt=0, le=1)

    def rate(self, peak: float, step: int, epoch: int, steps: int) -> float:
        """See `Constant.rate`."""
        return peak * self.decay**epoch


class WarmupCosine(_Schedule):
    """Linear warm-up from `start` to the peak rate, then cosine decay to `end`.

    warmup: update with the peak rate. decay: first update with the rate `end`, by default the length of the
    run.
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
