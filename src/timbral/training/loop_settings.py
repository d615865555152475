"""How a run goes, whatever it trains: its length, batches, learning rate, precision, and how often it looks up."""

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from timbral.training.schedule import Constant, Schedule

Precision: TypeAlias = Literal["auto", "fp32", "fp16", "bf16"]


class LoopSettings(BaseModel):
    """Settings of one run.

    epochs: times that all examples are seen. batch_size: examples that are computed together; accumulation: batches
    whose gradients make one update.
    rate: highest learning rate; schedule: how it goes over the run.
    clip: largest norm of an update's gradient, for each network; none if it is left out.
    ema: what the average of the weights keeps at each update; 0 for no average.
    precision: of the computation; auto is bf16 or fp16 on an accelerator and fp32 on a CPU.
    seed: of everything that is drawn.
    save_every: updates from checkpoint to checkpoint, at most a minute; log_every: from one row of the curves to the next.
    validate_every: epochs from one measure of the held-out examples to the next; patience: how many measures without a
    better one end the run, 0 for never. The weights of the best measure are the result if there is a patience.
    sample_every: epochs from one set of samples to the next, 0 for none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(1, ge=1)
    batch_size: int = Field(8, ge=1)
    accumulation: int = Field(1, ge=1)
    rate: float = Field(1e-4, gt=0)
    schedule: Schedule = Constant()
    clip: float | None = Field(None, gt=0)
    ema: float = Field(0.0, ge=0, lt=1)
    precision: Precision = "auto"
    seed: int = Field(1234, ge=0, lt=1 << 32)
    save_every: int = Field(50, ge=1)
    log_every: int = Field(1, ge=1)
    validate_every: int = Field(1, ge=1)
    patience: int = Field(0, ge=0)
    sample_every: int = Field(0, ge=0)
