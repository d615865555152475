"""A piece of mono sound: samples and their rate."""

import base64
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from timbral.audio.resampling import resample
from timbral.audio.writing import encoder, save

Samples = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Audio:
    """Mono sound: samples float32 [n], full scale ±1, and rate in Hz."""

    samples: Samples
    rate: int
    comment: ClassVar[str] = ""
    """In the metadata of its files."""

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate

    def resample(self, rate: int) -> "Audio":
        """The same sound at another rate in Hz."""
        return replace(self, samples=resample(self.samples, self.rate, rate), rate=rate)

    def save(self, path: str | Path) -> None:
        """Writes wav, flac, ogg or mp3 by the ending of `path`, wholly or not at all. Raises AudioError."""
        save(path, self.samples, self.rate, self.comment)

    def to_bytes(self, format: str = "wav") -> bytes:
        """The content of a sound file: wav, flac, ogg or mp3. Raises AudioError: another format, not finite."""
        buffer = io.BytesIO()
        with encoder(buffer, f".{format}", self.rate, comment=self.comment) as writer:
            writer.write(self.samples)
        return buffer.getvalue()

    def _repr_html_(self) -> str:
        """A player, for notebooks."""
        content = base64.b64encode(self.to_bytes()).decode()
        return f'<audio controls src="data:audio/wav;base64,{content}"></audio>'
