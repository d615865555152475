"""Recordings of any common format, rate and channel count, as mono float32."""

import io
import stat
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from timbral.errors import AudioError

Source = str | Path | bytes
"""A recording: the path of a file, or the bytes of one."""

_LOWEST_RATE, _HIGHEST_RATE = 8_000, 384_000
_MOST_CHANNELS = 32
_LARGEST_BYTES = 1 << 30


def read(
    source: Source, *, longest: float = 3600.0, advice: str = "cut a passage out"
) -> tuple[NDArray[np.float32], int]:
    """Samples float32 [n], mono, and their rate in Hz, of a recording (all that libsndfile reads).

    longest: seconds; a longer one is refused before it is read, with `advice`. Raises AudioError: no such
    file, not audio, damaged, empty, too long, or with samples that are not numbers.
    """
    name = describe(source)
    try:
        with soundfile.SoundFile(_open(source, name)) as file:
            rate, seconds = file.samplerate, file.frames / file.samplerate
            if not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
                raise AudioError(f"{name}: {rate} samples a second; {_LOWEST_RATE} or more are needed")
            if seconds > longest:
                raise AudioError(f"{name}: {seconds:.0f} s are too long; {advice}")
            if file.channels > _MOST_CHANNELS:
                raise AudioError(f"{name}: {file.channels} channels are too many; save it in stereo or mono")
            frames = file.read(dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, TypeError, OSError) as error:
        raise AudioError(f"{name}: {_cause(error)}") from None
    if not len(frames):
        raise AudioError(f"{name}: holds no samples; record it again")
    if not np.isfinite(frames).all():
        raise AudioError(f"{name}: damaged, it holds samples that are not numbers; record or export it again")
    return _mono(frames), rate


def describe(source: Source) -> str:
    """How messages call a recording."""
    return "the recording" if isinstance(source, bytes) else str(source)


def _open(source: Source, name: str) -> io.BytesIO | str:
    if isinstance(source, bytes):
        if not source:
            raise AudioError(f"{name} is empty")
        return io.BytesIO(source)
    try:
        status = Path(source).stat()
    except FileNotFoundError:
        raise AudioError(f"{name}: no such file; check the path") from None
    except (OSError, ValueError) as error:
        raise AudioError(f"{name[:80]}: {_cause(error)}") from None
    if not stat.S_ISREG(status.st_mode):
        raise AudioError(f"{name}: a folder or device; a recording is needed")
    if not 0 < status.st_size <= _LARGEST_BYTES:
        raise AudioError(f"{name}: {'too large' if status.st_size else 'empty'}; a recording is needed")
    return str(source)


def _cause(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror or error})"
    return "not a sound file, or damaged; wav, flac, ogg and mp3 can be read"


def _mono(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the channels [n, channels]; the loudest channel where they cancel each other out."""
    if frames.shape[1] == 1:
        return frames[:, 0]
    mono: NDArray[np.float32] = frames.mean(axis=1, dtype=np.float32)
    power = np.square(frames, dtype=np.float64).mean(axis=0)
    if np.square(mono, dtype=np.float64).mean() < 0.01 * power.max():
        return np.ascontiguousarray(frames[:, int(power.argmax())])
    return mono
