"""Settings of synthesis: every range is written here, and nowhere else."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypedDict, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from timbral.errors import SettingError

SampleRate = Literal[8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]
TopK = Annotated[int, Field(ge=0)]
TopP = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Temperature = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
RepetitionPenalty = Annotated[float, Field(ge=0.1, le=10, allow_inf_nan=False)]

LOWEST_TEMPERATURE = 1e-5
"""Temperatures up to this one select the likeliest token."""

_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "speed": "a factor from 0.25 to 4",
        "seed": "a whole number",
        "pause": "seconds from 0 to 5",
        "rate": f"one of {', '.join(map(str, get_args(SampleRate)))} Hz",
        "temperature": "a value from 0 to 10",
        "top_k": "a count of tokens from 1, or 0 for all",
        "top_p": "a probability above 0, up to 1",
        "repetition_penalty": "a value from 0.1 to 10",
        "steps": "a count from 1 to 128",
    }
)


class _Settings(BaseModel):
    """Base of settings: strict types, no unknown names, one line for a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def __init__(self, **values: Any) -> None:
        """Raises SettingError: an unknown name, a wrong type, a value out of its range."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingError(_first_mistake(type(self), error)) from None

    @model_validator(mode="before")
    @classmethod
    def _plain_numbers(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {name: v.item() if isinstance(v, np.generic) else v for name, v in values.items()}


class SamplingConfig(_Settings):
    """How stage one samples tokens; the defaults are those of GPT-SoVITS.

    top_k: how many of the likeliest tokens remain (0: all; 1: greedy).
    top_p: the likeliest tokens remain whose probabilities, before the temperature, add up to this much.
    temperature: below 1 prefers likely tokens, above 1 levels the distribution; 0 is greedy.
    repetition_penalty: how much less likely tokens become that stand in the prompt or the output.
    """

    top_k: TopK = 15
    top_p: TopP = 1.0
    temperature: Temperature = 1.0
    repetition_penalty: RepetitionPenalty = 1.35

    @property
    def greedy(self) -> bool:
        """Whether sampling always selects the likeliest token, so that a retry would not differ."""
        return self.top_k == 1 or self.temperature <= LOWEST_TEMPERATURE


class GenerationConfig(_Settings):
    """How a text is spoken. None stands for the model's default.

    speed: divides durations, 0.25 to 4. seed: the same one gives the same samples; None draws one.
    pause: seconds of silence between sentences, 0 to 5. rate: of the output in Hz.
    temperature, top_k, top_p, repetition_penalty: see SamplingConfig.
    steps: of the ODE solver of v3 and v4, 1 to 128; fewer are faster and rougher.
    """

    speed: Annotated[float, Field(ge=0.25, le=4, allow_inf_nan=False)] = 1.0
    seed: int | None = None
    pause: Annotated[float, Field(ge=0, le=5, allow_inf_nan=False)] = 0.3
    rate: SampleRate | None = None
    temperature: Temperature | None = None
    top_k: TopK | None = None
    top_p: TopP | None = None
    repetition_penalty: RepetitionPenalty | None = None
    steps: Annotated[int, Field(ge=1, le=128)] | None = None

    def sampling(self, defaults: SamplingConfig) -> SamplingConfig:
        """The sampling settings, with a model's defaults for those that are None."""
        chosen = {name: getattr(self, name) for name in SamplingConfig.model_fields}
        return defaults.model_copy(update={name: v for name, v in chosen.items() if v is not None})


class GenerationSettings(TypedDict, total=False):
    """The fields of GenerationConfig as keyword arguments, for type checkers."""

    speed: float
    seed: int | None
    pause: float
    rate: int | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    repetition_penalty: float | None
    steps: int | None


def _first_mistake(kind: type[BaseModel], error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    name = str(problem["loc"][0]) if problem["loc"] else "setting"
    if name not in kind.model_fields:
        return f"there is no setting {name[:40]!r}; there are {', '.join(kind.model_fields)}"
    return f"{name.replace('_', ' ')} is {ascii(problem['input'])[:40]}: give {_ADVICE[name]}"
