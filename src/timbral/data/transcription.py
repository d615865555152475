"""The interface of speech recognisers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
"""Hz of the samples that recognisers get."""


@dataclass(frozen=True)
class Transcript:
    """The transcript of a clip.

    language: one of `timbral.data.language.LANGUAGES`. probability: that it is this one among them. foreign:
    the name of another language that was recognised instead, mostly empty. confidence: natural logarithm of
    the words' mean probability; 0 where a recogniser does not tell. silence: probability that nobody speaks.
    """

    text: str
    language: str
    probability: float = 1.0
    foreign: str = ""
    confidence: float = 0.0
    silence: float = 0.0


class Transcriber(Protocol):
    """Writes down what is said."""

    @property
    def name(self) -> str:
        """What tells its transcripts from those of others: they are made again when it changes."""

    def transcribe(self, clips: Sequence[NDArray[np.float32]], language: str | None) -> Sequence[Transcript]:
        """The words of each clip, samples [n] at RATE; language None: to be found out for each.

        The clips follow each other in one recording and last some minutes at most, so each may help with the
        next.
        """
