"""Settings of quantisation."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from timbral.compression.step import StepSettings

_UNITS = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9}


def _bytes(value: Any) -> Any:
    """Bytes of a size such as `24MB`."""
    found = re.fullmatch(r"\s*([0-9.]+)\s*([kmg]?b?)\s*", value.lower()) if isinstance(value, str) else None
    if found is None:
        return value
    try:
        return round(float(found[1]) * _UNITS[found[2]])
    except (ValueError, KeyError):
        return value


Bytes = Annotated[int, BeforeValidator(_bytes), Field(gt=0)]


class QuantizationSettings(StepSettings):
    """What quantisation aims at, and how.

    size: bytes of the whole model, such as 24MB. share: of the parent's bytes; without either the mixture loses at
    most `loss`. loss: the sum of the parts' losses, each in units of what is hardly noticed (`losses`).
    packed: whether sizes are those of the packed file. precision: one for all weights, instead of a search.
    rounding: `nearest`, or `gptq`, which makes up for the error of each weight in those that follow.
    encoders: whether the encoders of reference recordings may have less than 16 bits as well.
    """

    size: Bytes | None = None
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    loss: Annotated[float, Field(gt=0, le=100)] = 1.0
    packed: bool = False
    precision: Literal["fp32", "fp16", "int8", "int4"] | None = None
    rounding: Literal["nearest", "gptq"] = "gptq"
    encoders: bool = True

    @model_validator(mode="after")
    def _one_aim(self) -> "QuantizationSettings":
        if sum(each is not None for each in (self.size, self.share, self.precision)) > 1:
            raise PydanticCustomError("aim", "give one of size, share and precision")
        return self
