"""Settings of the training loop that hold for every task."""

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from timbral.training.schedule import Constant, Schedule

Precision: TypeAlias = Literal["auto", "fp32", "fp16", "bf16"]


class LoopSettings(BaseModel):
    """Length, batches, learning rate, precision and intervals of a run.

    epochs: passes over all examples. batch_size: examples per batch. accumulation: batches per update. rate:
    peak learning rate. schedule: learning rate over the run. clip: maximum gradient norm per network, None
    for none. ema: decay of the exponential moving average of the weights, 0 for none. precision: of the
    computation; auto is bf16 or fp16 on CUDA, fp32 on a CPU. seed: of all random numbers. save_every: updates
    between checkpoints, at most a minute. log_every: updates between rows of the curves. validate_every:
    epochs between validations. patience: validations without improvement that end the run, 0 for never; with
    a patience the weights of the best validation are the result. sample_every: epochs between audio samples,
    0 for none.
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
