"""Settings of distillation, and those of all steps that train."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from timbral.compression.distillation.sizes import SizeName
from timbral.compression.step import StepSettings


class TrainedStepSettings(StepSettings):
    """Settings of a step that trains networks.

    recordings: a folder of speech of many people, wav, flac or ogg. batch_size: examples per update. rate:
    highest learning rate. compute: precision of the training; auto is bf16 on CUDA and fp32 on a CPU.
    precision: of the new graphs, by default the parent's. device: auto, cpu or cuda. minutes: after which the
    training stops; the same command goes on with it. seed: of all random numbers.
    """

    recordings: Path | None = None
    batch_size: int = Field(8, ge=1)
    rate: float = Field(1e-3, gt=0)
    compute: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    precision: Literal["fp32", "fp16", "int8", "int4"] | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    minutes: float | None = Field(None, gt=0)
    seed: int = Field(0, ge=0, lt=1 << 32)

    def identity(self) -> str:
        """What examples and networks depend on: all but the settings of the loop, and where and how long it runs."""
        loop = {"batch_size", "rate", "compute", "precision", "device", "minutes"}
        updates = {name for name in type(self).model_fields if name.endswith("updates")}
        return self.model_dump_json(exclude=loop | updates)


class SpeechSettings(TrainedStepSettings):
    """Settings of a step whose teacher speaks.

    texts: a folder with `zh.txt`, `en.txt` and so on, a sentence a line; without one the sentences of the
    package. utterances: that the teacher speaks; sounded: of these, those whose spectra stage two learns.
    Without `recordings`, timbres are invented. temperature: of the logits of stage one. updates: of stage two;
    semantic_updates, content_updates and duration_updates: of the others.
    """

    texts: Path | None = None
    utterances: int = Field(4000, ge=8, le=1_000_000)
    sounded: int = Field(4000, ge=8)
    temperature: float = Field(1.5, gt=0, le=20)
    updates: int = Field(6000, ge=1)
    semantic_updates: int = Field(1500, ge=1)
    content_updates: int = Field(1500, ge=1)
    duration_updates: int = Field(1500, ge=1)


class DistillationSettings(SpeechSettings):
    """Settings of the step `distill`; size: of the student."""

    size: SizeName = "small"
