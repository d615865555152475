"""Sound files that are whole or absent, and streams of samples to stdout.

Samples come in pieces, so that an hour of speech takes no more memory than a sentence.
"""

import os
import stat
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from timbral.errors import AudioError
from timbral.paths import atomic_write, native, place_problem

STDOUT, RAW = "-", "-.raw"
"""Targets on stdout: wav of open length, and bare samples (signed 16 bits, little-endian)."""

FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
"""Format and encoding of libsndfile by the ending of a file."""

SYNTHETIC = "Synthetic speech, made with Timbral (digital source type: trainedAlgorithmicMedia)"
"""The comment in the metadata of a file of synthetic speech, with IPTC's term for its origin."""

_NOT_WRITTEN = "cannot be written; choose another place, or make room"
_BLOCK = 1 << 16
"""Samples handed to libsndfile at a time; its Vorbis encoder overflows the stack on very long ones."""
_OPEN_LENGTH = 0xFFFFFFFF
"""What a wav header says of a length that nobody knows yet."""


class Writer(Protocol):
    """Takes the samples of a sound, piece by piece."""

    def write(self, samples: NDArray[np.float32]) -> None:
        """Appends samples float32 [n], clipped to ±1. Raises AudioError where they are not finite."""


def check_target(target: str | Path) -> None:
    """Raises AudioError where a sound cannot be written to `target`, so that it is known before the work."""
    if not isinstance(target, str | os.PathLike):
        raise AudioError(
            f"the target is a {type(target).__name__}: give the path of a file, or use to_bytes()"
        )
    if target in (STDOUT, RAW):
        return
    path, shown = Path(target), _shown(target)
    if path.suffix.lower() not in FORMATS:
        raise AudioError(f"{shown or 'output'}: the name has to end in .wav, .flac, .ogg or .mp3")
    if problem := place_problem(path):
        raise AudioError(f"{shown}: {problem}")
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise AudioError(f"{shown}: a pipe or a device; give the name of a file, or - for stdout")
        if not os.access(path.resolve().parent, os.W_OK):
            raise AudioError(f"{shown}: its folder is read-only; choose another place")
    except (OSError, ValueError) as error:
        raise _not_written(target, error) from None


@contextmanager
def create(target: str | Path, rate: int, comment: str = "") -> Iterator[Writer]:
    """A sound to write samples at `rate` Hz to, with a comment in its metadata.

    target: a file, wav, flac, ogg or mp3 by its ending, which appears when the block ends well: on an error
    or an interrupt nothing is left. Or STDOUT or RAW, where samples are written as they come. Raises
    AudioError.
    """
    check_target(target)
    if target in (STDOUT, RAW):
        before = wav_comment(comment) if comment else b""
        yield _StreamWriter(sys.stdout.buffer, wav_header(rate, before) if target == STDOUT else b"")
        return
    callers: OSError | None = None
    try:
        with (
            atomic_write(Path(target)) as part,
            encoder(part, Path(target).suffix.lower(), rate, str(target), comment) as writer,
        ):
            try:
                yield writer
            except OSError as error:
                callers = error
                raise
    except OSError as error:
        if error is callers:
            raise
        raise _not_written(target, error) from None


@contextmanager
def encoder(
    file: Path | IO[bytes], suffix: str, rate: int, name: str = "the sound", comment: str = ""
) -> Iterator[Writer]:
    """Writes a sound to a file in the format of `suffix`, one of FORMATS. Raises AudioError."""
    if suffix not in FORMATS:
        raise AudioError(f"format {suffix[1:40]!r} is unknown; wav, flac, ogg and mp3 are known")
    kind, subtype = FORMATS[suffix]
    try:
        with soundfile.SoundFile(
            native(file) if isinstance(file, Path) else file, "w", rate, 1, subtype, format=kind
        ) as sound:
            if comment:
                sound.comment = comment
            yield _SoundFileWriter(sound, name)
    except soundfile.LibsndfileError as error:
        raise _not_written(name, error) from None


def save(target: str | Path, samples: NDArray[np.float32], rate: int, comment: str = "") -> None:
    """Writes samples float32 [n] at `rate` Hz; see `create`."""
    with create(target, rate, comment) as writer:
        writer.write(samples)


def to_pcm(samples: NDArray[np.float32]) -> bytes:
    """Samples float32 [n] as signed 16 bits, little-endian; what lies beyond ±1 is clipped."""
    return np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def wav_comment(text: str) -> bytes:
    """The chunk of a wav that holds a comment in ASCII; it may stand before or after the samples."""
    content = text.encode("ascii", "replace") + b"\0"
    content += b"\0" * (len(content) % 2)
    info = struct.pack("<4s4sI", b"INFO", b"ICMT", len(content)) + content
    return struct.pack("<4sI", b"LIST", len(info)) + info


def wav_header(rate: int, before: bytes = b"", size: int | None = None, after: int = 0) -> bytes:
    """All of a mono wav of 16 bits up to its samples: 44 bytes, and the chunks `before` the samples.

    size: of the samples in bytes; None for a length that is not known yet. after: bytes that follow the samples.
    """
    data = _OPEN_LENGTH if size is None else size
    whole = _OPEN_LENGTH if size is None else 36 + len(before) + size + after
    return (
        struct.pack("<4sI8sIHHIIHH", b"RIFF", whole, b"WAVEfmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
        + before
        + struct.pack("<4sI", b"data", data)
    )


class _SoundFileWriter:
    def __init__(self, file: soundfile.SoundFile, name: str) -> None:
        self._file, self._name = file, name

    def write(self, samples: NDArray[np.float32]) -> None:
        _check_finite(samples, self._name)
        for start in range(0, len(samples), _BLOCK):
            self._file.write(samples[start : start + _BLOCK])


class _StreamWriter:
    """Writes each piece at once."""

    def __init__(self, stream: IO[bytes], header: bytes) -> None:
        self._stream = stream
        if header:
            self._send(header)

    def write(self, samples: NDArray[np.float32]) -> None:
        _check_finite(samples, "stdout")
        self._send(to_pcm(samples))

    def _send(self, content: bytes) -> None:
        try:
            self._stream.write(content)
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _not_written("stdout", error) from None


def _check_finite(samples: NDArray[np.float32], name: str) -> None:
    if not np.isfinite(samples).all():
        raise AudioError(
            f"{name}: the sound has samples that are not numbers; the voice or the model is damaged"
        )


def _not_written(target: str | Path, error: Exception) -> AudioError:
    return AudioError(f"{_shown(target)}: {_NOT_WRITTEN} ({getattr(error, 'strerror', None) or error})")


def _shown(target: str | Path) -> str:
    return str(target)[:200]
