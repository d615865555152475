"""A piece of mono sound: samples and their rate, and nothing else."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbral.audio.resampling import resample
from timbral.audio.writing import save

Samples = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Audio:
    """Mono sound: samples float32 [n], full scale ±1, and rate in Hz."""

    samples: Samples
    rate: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate

    def resample(self, rate: int) -> "Audio":
        """The same sound at another rate in Hz."""
        return Audio(resample(self.samples, self.rate, rate), rate)

    def save(self, path: str | Path) -> None:
        """Writes wav, flac, ogg or mp3 by the ending of `path`, wholly or not at all. Raises AudioError."""
        save(path, self.samples, self.rate)
