"""Merging and splitting clips, and their waveforms."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from timbral.audio.joining import fade_edges
from timbral.audio.reading import read
from timbral.audio.resampling import resample
from timbral.errors import DataError

LONGEST = 54.0
"""Seconds of a clip; the official code leaves longer ones out when it trains."""

_SHORTEST = 0.3
_PAUSE = 0.15

Samples = NDArray[np.float32]


def join(paths: Sequence[Path]) -> tuple[Samples, int]:
    """The clips in a row with short pauses, at the rate of the first. Raises DataError."""
    sounds = [read(path, longest=LONGEST) for path in paths]
    rate = sounds[0][1]
    pause = np.zeros(round(_PAUSE * rate), np.float32)
    faded = [fade_edges(resample(samples, native, rate), rate) for samples, native in sounds]
    joined = np.concatenate([faded[0], *(part for sound in faded[1:] for part in (pause, sound))])
    if len(joined) > LONGEST * rate:
        raise DataError(f"together they last {len(joined) / rate:.0f} s; a clip may last {LONGEST:.0f} s")
    return joined, rate


def divide(path: Path, seconds: float) -> tuple[Samples, Samples, int]:
    """What is before and behind a moment of a clip, and its rate. Raises DataError."""
    samples, rate = read(path, longest=LONGEST)
    if not _SHORTEST <= seconds <= len(samples) / rate - _SHORTEST:
        raise DataError(f"it cannot be split at {seconds:.2f} s; both parts need {_SHORTEST} s")
    at = round(seconds * rate)
    first, second = (fade_edges(part, rate) for part in (samples[:at], samples[at:]))
    return first, second, rate


def peaks(path: Path, count: int = 600) -> tuple[list[float], float]:
    """The largest amplitude in each of up to `count` equal parts of a clip, and its length in seconds."""
    samples, rate = read(path, longest=LONGEST)
    parts = np.array_split(np.abs(samples), min(count, len(samples)))
    return [round(float(part.max()), 3) for part in parts], len(samples) / rate


def as_wav(path: Path) -> bytes:
    """A clip in a form that every browser plays; what is no sound is never handed out. Raises AudioError."""
    samples, rate = read(path, longest=LONGEST)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, "PCM_16", format="WAV")
    return buffer.getvalue()
