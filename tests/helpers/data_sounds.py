"""Recordings for the tests of preparing: the speech that lies here, put together and spoilt in known ways."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from tests.helpers.paths import DATA

RATE = 32_000

Samples = NDArray[np.float32]


def speech(name: str, rate: int = RATE) -> Samples:
    """Samples [n] of `english` or `chinese`."""
    samples, native = soundfile.read(DATA / f"{name}.flac", dtype="float32")
    return np.asarray(soxr.resample(samples, native, rate), np.float32)


def pause(seconds: float, rate: int = RATE) -> Samples:
    """What a quiet room sounds like."""
    return (1e-4 * np.random.default_rng(3).standard_normal(int(seconds * rate))).astype(np.float32)


def encode(path: Path, samples: NDArray[np.float32], codec: str, rate: int = 44_100) -> None:
    """Writes samples [n] or [n, 2] with a codec of FFmpeg, in the container that the path's ending names."""
    frames = samples.reshape(len(samples), -1)
    layout = "mono" if frames.shape[1] == 1 else "stereo"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(frames.reshape(1, -1)), "flt", layout)
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format, layout, rate, frame_size=stream.frame_size or None)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


def write(path: Path, *parts: Samples, rate: int = RATE) -> Path:
    """A recording of these parts."""
    soundfile.write(path, np.concatenate(parts), rate)
    return path


def in_blocks(samples: Samples, size: int) -> Sequence[Samples]:
    """The samples in blocks of this size."""
    return [samples[i : i + size] for i in range(0, len(samples), size)]
