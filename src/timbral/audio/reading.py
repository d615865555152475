"""Recordings of any common format, rate and channel count, as mono float32."""

import importlib.util
import io
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from timbral.audio.clip import Audio
from timbral.audio.decoding import DecodingStats, decode_frames, mix
from timbral.audio.resampling import ChunkResampler
from timbral.errors import AudioError
from timbral.paths import native

Source = str | os.PathLike[str] | bytes | IO[bytes] | Audio | tuple[NDArray[Any], int]
"""A recording: the path of a file, its bytes, a binary file object, or samples [n] or [n, channels] and their
rate."""

RECORDING_SUFFIXES = frozenset(
    (".wav", ".flac", ".ogg", ".mp3", ".oga", ".opus", ".aif", ".aiff", ".m4a", ".aac")
)
"""Endings by which the path of a recording is told from the name of a voice."""

Samples = NDArray[np.float32]

_LOWEST_RATE, _HIGHEST_RATE = 8_000, 384_000
_HIGHEST_KEPT = 96_000
"""Hz; what is sampled faster is read at half of this, for nothing in Timbral uses more."""
_MOST_CHANNELS = 32
_LARGEST_FILE, _LARGEST_BYTES = 1 << 30, 1 << 28
_MOST_SAMPLES = 1 << 27
"""Samples of all channels that are decoded at most; 10 minutes of stereo at 96 kHz are fewer."""
_BLOCK = 1 << 20
"""Samples of all channels that are decoded at a time."""
_FORMATS = "wav, flac, ogg and mp3 can be read, and with timbral[data] all that FFmpeg reads"


def read(
    source: Source,
    *,
    longest: float = 600.0,
    shortened: bool = False,
    advice: str = "cut a passage out",
) -> tuple[Samples, int]:
    """Samples float32 [n], mono, and their rate in Hz, of a recording in any format of libsndfile.

    Where PyAV is installed, FFmpeg reads the others. longest: seconds; a longer recording is refused with
    `advice`, or with `shortened` its beginning is read. Memory follows from `longest`, whatever a file says
    of itself. Raises AudioError: no such file, not audio, damaged, empty, too long, or with samples that are
    not numbers.
    """
    name, opened = describe(source), _open(source)
    stats = DecodingStats()
    samples, rate, whole = _read_mono(name, opened, stats, None, longest)
    if not whole and not shortened:
        raise AudioError(f"{name}: more than {len(samples) / rate:.0f} s are too long; {advice}")
    if stats.cancelled is not None:
        samples, rate, _ = _read_mono(name, opened, DecodingStats(), stats.cancelled, longest)
    if not len(samples):
        raise AudioError(f"{name}: holds no samples; record it again")
    return samples, rate


def describe(source: Source) -> str:
    """How messages call a recording: the path of a file, or `the recording`."""
    return str(source) if isinstance(source, str | os.PathLike) else file_name(source) or "the recording"


def file_name(source: Source) -> str:
    """Name of the file of a recording, without its folder; empty for bytes and samples."""
    path = source if isinstance(source, str | os.PathLike) else getattr(source, "name", "")
    return Path(path).name if isinstance(path, str | os.PathLike) else ""


def list_sources(recordings: Iterable[Any]) -> list[Source]:
    """The recordings in a flat list; each may itself be a list of them. Raises AudioError: not a recording."""
    found: list[Source] = []
    for recording in recordings:
        alone = not isinstance(recording, list | tuple) or _is_pair(recording)
        found += [_checked(recording)] if alone else map(_checked, recording)
    return found


def _is_pair(recording: Any) -> bool:
    """Whether it is (samples, rate)."""
    return isinstance(recording, tuple) and len(recording) == 2 and hasattr(recording[0], "__array__")


def _checked(recording: Any) -> Source:
    if isinstance(recording, str | os.PathLike | bytes | Audio) or _is_pair(recording):
        return recording  # type: ignore[no-any-return]
    if isinstance(recording, bytearray | memoryview):
        return bytes(recording)
    if hasattr(recording, "read"):
        return recording  # type: ignore[no-any-return]
    if hasattr(recording, "__array__"):
        raise AudioError("an array needs its rate: give (samples, rate), or timbral.Audio(samples, rate)")
    raise AudioError(
        f"{type(recording).__name__} is not a recording; give a path, bytes, a file object or (samples, rate)"
    )


def _open(source: Source) -> Path | io.BytesIO | Audio:
    source, name = _checked(source), describe(source)
    if isinstance(source, Audio):
        return _audio(source.samples, source.rate)
    if isinstance(source, tuple):
        return _audio(*source)
    if isinstance(source, str | os.PathLike):
        return _path(source, name)
    content = source if isinstance(source, bytes) else _content(source, name)
    if not content:
        raise AudioError(f"{name} is empty")
    if len(content) > _LARGEST_BYTES:
        raise AudioError(f"{name} is too large; give the path of a file")
    return io.BytesIO(content)


def _audio(samples: Any, rate: Any) -> Audio:
    """Samples [n] or [n, channels] of any kind, as floats [n, channels]."""
    frames = np.asarray(samples)
    if isinstance(rate, bool) or not isinstance(rate, int | np.integer):
        raise AudioError(f"the rate of samples is a whole number of Hz, not {str(rate)[:40]!r}")
    if frames.dtype.kind not in "fiu" or frames.ndim not in (1, 2) or not frames.size:
        raise AudioError(f"samples are numbers [n] or [n, channels], not {frames.dtype} {list(frames.shape)}")
    scale = 1.0
    if frames.dtype.kind in "iu":
        known = np.iinfo(frames.dtype)
        scale = (int(known.max) - int(known.min) + 1) / 2
        frames = frames - (0 if frames.dtype.kind == "i" else scale)
    if frames.ndim == 2 and len(frames) < frames.shape[1]:
        frames = frames.T
    with np.errstate(over="ignore"):
        return Audio((frames.reshape(len(frames), -1) / scale).astype(np.float32), int(rate))


def _path(source: str | os.PathLike[str], name: str) -> Path:
    try:
        path = Path(source)
        status = path.stat()
    except FileNotFoundError:
        raise AudioError(f"{name}: no such file; check the path") from None
    except (OSError, ValueError) as error:
        raise AudioError(f"{name[:80]!r}: cannot be read ({_cause(error)})") from None
    if not stat.S_ISREG(status.st_mode):
        raise AudioError(f"{name}: a folder, a pipe or a device; a recording is needed")
    if not 0 < status.st_size <= _LARGEST_FILE:
        raise AudioError(f"{name}: {'too large' if status.st_size else 'empty'}; a recording is needed")
    return path


def _content(file: IO[bytes], name: str) -> bytes:
    try:
        content = file.read(_LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise AudioError(f"{name}: cannot be read ({_cause(error)})") from None
    if not isinstance(content, bytes):
        raise AudioError(f"{name}: open the file in binary mode")
    return content


def _read_mono(
    name: str, opened: Path | io.BytesIO | Audio, stats: DecodingStats, only: int | None, longest: float
) -> tuple[Samples, int, bool]:
    """Channel `only` of a recording or the mean of all, its rate, and whether it is no longer than `longest`."""
    blocks, resampler, rate, whole = [np.zeros(0, np.float32)], None, _HIGHEST_KEPT // 2, True
    for frames in _frames(name, opened, stats):
        if resampler is None:
            rate = stats.rate if stats.rate <= _HIGHEST_KEPT else rate
            resampler = ChunkResampler(stats.rate, rate)
            longest = min(longest, _MOST_SAMPLES / (stats.rate * frames.shape[1]))
        blocks.append(resampler.push(np.ascontiguousarray(mix(frames, 1, only)[:, 0])))
        if stats.seconds > longest:
            whole = False
            break
    if resampler and rate != stats.rate:
        blocks.append(resampler.push(blocks[0], last=True))
    return np.concatenate(blocks)[: int(longest * rate)], rate, whole


def _frames(name: str, opened: Path | io.BytesIO | Audio, stats: DecodingStats) -> Iterator[Samples]:
    """Blocks [n, channels], counted in `stats`: by libsndfile, or by FFmpeg where that knows no such format."""
    if isinstance(opened, Audio):
        stats.rate = _usable_rate(opened.rate, name)
        stats.add(opened.samples, name)
        yield opened.samples
        return
    problem = f"{name}: holds no samples; record it again"
    try:
        yield from _libsndfile_frames(_mended(opened), name, stats)
        if stats.seconds:
            return
    except (soundfile.LibsndfileError, TypeError):  # TypeError: a name that ends in .raw
        problem = f"{name}: not a sound file, or damaged; {_FORMATS}"
    except OSError as error:
        raise AudioError(f"{name}: cannot be read ({_cause(error)})") from None
    if stats.seconds or importlib.util.find_spec("av") is None:
        raise AudioError(problem)
    if isinstance(opened, io.BytesIO):
        opened.seek(0)
    try:
        for frames in decode_frames(opened, name, stats):
            _usable_rate(stats.rate, name)
            yield frames
    except AudioError as error:
        raise AudioError(str(error) if stats.seconds else problem) from None


def _libsndfile_frames(file: Path | io.BytesIO, name: str, stats: DecodingStats) -> Iterator[Samples]:
    with soundfile.SoundFile(native(file) if isinstance(file, Path) else file) as sound:
        stats.rate = _usable_rate(sound.samplerate, name)
        if sound.channels > _MOST_CHANNELS:
            raise AudioError(f"{name}: {sound.channels} channels are too many; save it in stereo or mono")
        while len(frames := sound.read(_BLOCK // sound.channels, dtype="float32", always_2d=True)):
            stats.add(frames, name)
            yield frames


def _usable_rate(rate: int, name: str) -> int:
    if not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
        raise AudioError(
            f"{name}: {rate} samples a second; from {_LOWEST_RATE} to {_HIGHEST_RATE} can be used"
        )
    return rate


def _mended(file: Path | io.BytesIO) -> Path | io.BytesIO:
    """The file, with the true length in the header of a wav that says 0 bytes: its recorder was killed."""
    head = file.getvalue()[:4096] if isinstance(file, io.BytesIO) else _head(file)
    at = head.find(b"data\0\0\0\0")
    if head[:4] not in (b"RIFF", b"RF64") or head[8:12] != b"WAVE" or at < 0:
        if isinstance(file, io.BytesIO):
            file.seek(0)
        return file
    if isinstance(file, Path) and file.stat().st_size > _LARGEST_BYTES:
        return file
    content = bytearray(file.getvalue() if isinstance(file, io.BytesIO) else file.read_bytes())
    content[4:8] = (len(content) - 8).to_bytes(4, "little")
    content[at + 4 : at + 8] = (len(content) - at - 8).to_bytes(4, "little")
    return io.BytesIO(content)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def _cause(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
