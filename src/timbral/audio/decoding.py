"""Sound out of any file that FFmpeg reads, in blocks, so that hours take no more memory than seconds.

Files of users are not trusted: FFmpeg gets a stream of bytes, so that a playlist in disguise cannot make it
open other files or addresses.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timbral.audio.resampling import ChunkResampler
from timbral.errors import AudioError, InstallationError

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

Samples = NDArray[np.float32]
OnShare = Callable[[float], None]
"""A progress callback, called with the share that is done, 0 to 1."""

_NOT_SOUND = "not a recording, or damaged from its start"
_CANCELLED = 0.01
_OPTIONS = {"protocol_whitelist": "none"}


@dataclass
class DecodingStats:
    """What was found while a recording was decoded; complete when all of its blocks were taken.

    seconds: length. rate: of the file, in Hz. damaged: places that could not be decoded and were left out.
    mean_power: of the mean of the channels; channel_power: of each channel.
    """

    seconds: float = 0.0
    rate: int = 0
    damaged: int = 0
    mean_power: float = 0.0
    channel_power: NDArray[np.float64] | None = None

    @property
    def cancelled(self) -> int | None:
        """The loudest channel, where the channels cancel each other out; else None."""
        power = self.channel_power
        if power is None or len(power) < 2 or self.mean_power >= _CANCELLED * power.max():
            return None
        return int(power.argmax())

    def add(self, frames: Samples, name: str) -> None:
        """Counts frames [n, channels] of the recording `name`. Raises AudioError where they are not finite."""
        if not np.isfinite(frames).all():
            raise AudioError(
                f"{name}: damaged, it holds samples that are not numbers; record or export it again"
            )
        self.seconds += len(frames) / self.rate
        energy = np.square(frames, dtype=np.float64).sum(axis=0)
        self.channel_power = energy if self.channel_power is None else self.channel_power + energy
        self.mean_power += float(np.square(frames.mean(axis=1, dtype=np.float64)).sum())


def decode(
    path: Path,
    rate: int,
    stats: DecodingStats,
    *,
    channels: int = 1,
    only: int | None = None,
    share: OnShare | None = None,
) -> Iterator[Samples]:
    """Blocks float32 [n], or [n, 2] for two channels, at `rate` Hz.

    stats: filled on the way. only: the channel to take instead of the mean of all. Raises AudioError: nothing
    in the file can be decoded; InstallationError.
    """
    resamplers: list[ChunkResampler] = []
    for frames in _native(path, stats, share):
        mixed = mix(frames, channels, only)
        if not resamplers:
            resamplers = [ChunkResampler(stats.rate, rate) for _ in range(channels)]
        yield _resampled(resamplers, mixed, last=False)
    if not resamplers:
        raise AudioError(f"{path.name}: {'holds no samples' if not stats.damaged else _NOT_SOUND}")
    if stats.rate != rate:
        yield _resampled(resamplers, np.zeros((0, channels), np.float32), last=True)


def decode_frames(file: Path | io.BytesIO, name: str, stats: DecodingStats) -> Iterator[Samples]:
    """Blocks [n, channels] of a file, or of its bytes, at its own rate. Raises AudioError, InstallationError."""
    if isinstance(file, Path):
        yield from _native(file, stats, None)
    else:
        yield from _demuxed(file, name, stats, None)


def mix(frames: Samples, channels: int, only: int | None) -> Samples:
    """Frames [n, any] as [n, channels]: channel `only`, or the mean of all."""
    if only is not None:
        frames = frames[:, only : only + 1]
    if frames.shape[1] == channels:
        return frames
    mean = frames.mean(axis=1, dtype=np.float32, keepdims=True)
    return np.repeat(mean, channels, axis=1)


def _resampled(resamplers: list[ChunkResampler], frames: Samples, *, last: bool) -> Samples:
    parts = [
        resampler.push(np.ascontiguousarray(frames[:, i]), last=last)
        for i, resampler in enumerate(resamplers)
    ]
    return parts[0] if len(parts) == 1 else np.stack(parts, axis=1)


def _native(path: Path, stats: DecodingStats, share: OnShare | None) -> Iterator[Samples]:
    """Blocks [n, channels] at the rate of the file."""
    try:
        with path.open("rb") as file:
            yield from _demuxed(file, path.name, stats, share)
    except OSError as error:
        raise AudioError(f"{path.name}: cannot be read ({error.strerror or error})") from None


def _demuxed(file: Any, name: str, stats: DecodingStats, share: OnShare | None) -> Iterator[Samples]:
    av = _av()
    try:
        # FFmpeg opens what a playlist names by itself, unless all protocols are forbidden.
        with av.open(file, options=_OPTIONS) as container:
            if not container.streams.audio:
                raise AudioError(f"{name}: holds no sound")
            yield from _frames(container, container.streams.audio[0], name, stats, share)
    except (av.FFmpegError, ValueError):
        if not stats.seconds:
            file.seek(0)
            raise AudioError(f"{name}: {_NOT_SOUND if file.read(1) else 'empty'}") from None
        stats.damaged += 1


def _frames(
    container: "InputContainer",
    stream: "AudioStream",
    name: str,
    stats: DecodingStats,
    share: OnShare | None,
) -> Iterator[Samples]:
    av = _av()
    convert, length = None, container.duration
    for packet in container.demux(stream):
        try:
            decoded = packet.decode()
        except av.error.InvalidDataError:
            stats.damaged += 1
            continue
        for frame in decoded:
            if convert is None:
                convert = av.AudioResampler(format="fltp", layout=frame.layout, rate=frame.sample_rate)
                stats.rate = frame.sample_rate
            for part in convert.resample(frame):
                frames = np.ascontiguousarray(part.to_ndarray().T)
                stats.add(frames, name)
                yield frames
        if share and length:
            share(min(1.0, stats.seconds * 1e6 / length))


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise InstallationError(
            "preparing recordings needs PyAV; install it with: pip install 'timbral[data]'"
        ) from None
    # FFmpeg prints on stderr about files that are not quite in order; what matters is raised as errors.
    av.logging.set_level(av.logging.PANIC)
    return av
