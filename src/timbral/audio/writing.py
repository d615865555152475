"""Sound files that are whole or absent: written beside their place under another name, then renamed.

Samples come in pieces, so that an hour of speech takes no more memory than a sentence.
"""

import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from timbral.errors import AudioError
from timbral.paths import is_folder

STDOUT = "-"
_KINDS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
_NOT_WRITTEN = "cannot be written; choose another place, or make room"
_BLOCK = 1 << 16
"""Samples handed to libsndfile at a time; its Vorbis encoder overflows the stack on very long ones."""


class Writer(Protocol):
    """Takes the samples of a sound file, piece by piece."""

    def write(self, samples: NDArray[np.float32]) -> None:
        """Appends samples float32 [n]; what lies beyond ±1 is clipped."""


def check_target(target: str | Path) -> None:
    """Raises AudioError where a sound cannot be written to `target`, so that it is known before the work."""
    if target == STDOUT:
        return
    path = Path(target)
    if path.suffix.lower() not in _KINDS:
        raise AudioError(f"{str(target) or 'output'}: the name has to end in .wav, .flac, .ogg or .mp3")
    if is_folder(path):
        raise AudioError(f"{target}: a folder; give the name of a file")
    if not is_folder(path.parent):
        raise AudioError(f"{target}: there is no folder {path.parent}; make it first")


@contextmanager
def create(target: str | Path, rate: int) -> Iterator[Writer]:
    """A file to write samples at `rate` Hz to: wav, flac, ogg or mp3 by its ending, or "-", wav on stdout.

    It appears when the block ends well; on an error or an interrupt nothing is left. Raises AudioError.
    """
    check_target(target)
    if target == STDOUT:
        with _to_stdout(rate) as writer:
            yield writer
    else:
        with _to_file(Path(target).resolve(), rate) as writer:
            yield writer


def save(target: str | Path, samples: NDArray[np.float32], rate: int) -> None:
    """Writes samples float32 [n] at `rate` Hz; see `create`."""
    with create(target, rate) as writer:
        writer.write(samples)


class _SoundFileWriter:
    def __init__(self, file: soundfile.SoundFile) -> None:
        self._file = file

    def write(self, samples: NDArray[np.float32]) -> None:
        for start in range(0, len(samples), _BLOCK):
            self._file.write(samples[start : start + _BLOCK])


@contextmanager
def _to_file(path: Path, rate: int) -> Iterator[Writer]:
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        with _encoder(str(part), path.suffix.lower(), rate, path) as file:
            yield _SoundFileWriter(file)
        part.replace(path)
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioError(f"{path}: {_NOT_WRITTEN} ({getattr(error, 'strerror', None) or error})") from None
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _to_stdout(rate: int) -> Iterator[Writer]:
    """Spools to disk first: a wav header holds the length, and a pipe cannot be corrected afterwards."""
    with tempfile.TemporaryFile() as spool:
        with _encoder(spool, ".wav", rate, STDOUT) as file:
            yield _SoundFileWriter(file)
        spool.seek(0)
        shutil.copyfileobj(spool, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _encoder(file: str | IO[bytes], suffix: str, rate: int, target: str | Path) -> soundfile.SoundFile:
    kind, subtype = _KINDS[suffix]
    try:
        return soundfile.SoundFile(file, "w", rate, 1, subtype, format=kind)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{target}: {_NOT_WRITTEN} ({error.error_string})") from None
