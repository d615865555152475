"""What goes between ingress and engines."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from timbral.config import GenerationConfig
from timbral.errors import TimbralError
from timbral.inference.stream import Report
from timbral.inference.timestamps import SpokenUtterance
from timbral.serving.errors import ApiError, as_api_error
from timbral.voices import Voice


@dataclass(frozen=True, eq=False)
class SpeechTask:
    """A text to be spoken. start: utterances to leave out at its beginning."""

    text: str
    model: str
    voice: Voice
    language: str
    config: GenerationConfig
    start: int = 0


@dataclass(frozen=True, eq=False)
class Piece:
    """Samples float32 [n] at the model's rate. finished: utterances of the text that are over with them.

    spoken: those among them that ended in these samples, and when, in seconds since the task's first sample.
    """

    samples: NDArray[np.float32]
    finished: int
    report: Report
    spoken: tuple[SpokenUtterance, ...]


@dataclass(frozen=True)
class Refusal:
    """An error of the user's as plain values, because exceptions with arguments of their own cannot be sent."""

    status: int
    message: str
    code: str | None = None
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, error: TimbralError) -> "Refusal":
        """What an error says."""
        known = as_api_error(error)
        return cls(known.status, str(known), known.code, known.param, known.headers)

    def error(self) -> ApiError:
        """The error again."""
        return ApiError(self.status, self.message, code=self.code, param=self.param, headers=self.headers)
