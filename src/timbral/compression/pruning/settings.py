"""Settings of pruning."""

from pydantic import Field

from timbral.compression.distillation.settings import SpeechSettings


class PruningSettings(SpeechSettings):
    """Settings of the step `prune`.

    amount: share of the parameters that is removed. The others are those of the healing afterwards: a short
    training towards what the unpruned model does, see `SpeechSettings`.
    """

    amount: float = Field(0.2, gt=0, lt=0.9)
    utterances: int = Field(600, ge=8, le=1_000_000)
    sounded: int = Field(400, ge=8)
    rate: float = Field(5e-4, gt=0)
    updates: int = Field(500, ge=1)
    semantic_updates: int = Field(200, ge=1)
    content_updates: int = Field(200, ge=1)
    duration_updates: int = Field(1, ge=1)
