"""How a speaker speaks: pace, pauses and range of F0, as measured in recordings."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Prosody(BaseModel):
    """What a duration model and a predicted F0 follow.

    pace: time that the speaker takes for what is said, without pauses, over the time that the model would take; above 1 for a
    slow speaker. pause: mean length of pauses in seconds. pitch_range: standard deviation of F0 in octaves.
    None: not known, or too little of it in the recordings.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pace: Annotated[float, Field(ge=0.25, le=4, allow_inf_nan=False)] | None = None
    pause: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] | None = None
    pitch_range: Annotated[float, Field(ge=0, le=4, allow_inf_nan=False)] | None = None
