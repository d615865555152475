"""Encoders: every format at every rate, whole however the samples were cut, and marked as synthetic."""

import io
from typing import Any

import av
import numpy as np
import pytest

from timbral.audio.writing import SYNTHETIC
from timbral.serving.encoding import FORMATS, open_encoder

RATES = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


def tone(rate: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """1.3 s of 440 Hz, louder than full scale for a moment."""
    time = np.arange(round(1.3 * rate)) / rate
    return (np.sin(2 * np.pi * 440 * time) * np.where(time < 0.1, 1.5, 0.5)).astype(np.float32)


def encoded(name: str, rate: int, *sizes: int) -> bytes:
    """The tone in chunks of these sizes, and the rest."""
    samples, encoder = tone(rate), open_encoder(name, rate)
    cuts = np.cumsum(sizes)
    return b"".join(encoder.push(part) for part in np.split(samples, cuts)) + encoder.finish()


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "pcm"])
def test_every_format_at_every_rate(name: str, rate: int) -> None:
    content = encoded(name, rate, 100, 0, 5_000, 1)
    with av.open(io.BytesIO(content)) as file:
        stream = file.streams.audio[0]
        frames = [frame.to_ndarray().astype(np.float64).ravel() for frame in file.decode(audio=0)]
        found, comment = stream.rate, file.metadata.get("comment")
    heard = np.concatenate(frames)
    assert found == (48_000 if name == "opus" else rate)
    assert len(heard) / found == pytest.approx(1.3, abs=0.05 + 2400 / found)  # frames of the codec
    middle = heard[len(heard) // 2 :][: found // 4]
    peak = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))).argmax() * found / len(middle)
    assert peak == pytest.approx(440, abs=8)
    if name in ("mp3", "flac", "wav"):
        assert comment == SYNTHETIC


@pytest.mark.parametrize("name", ["mp3", "aac", "flac", "wav", "pcm"])
def test_bytes_do_not_depend_on_how_samples_arrive(name: str) -> None:
    assert encoded(name, 24_000, 17, 4_000, 4_001, 12) == encoded(name, 24_000)


def test_nothing_is_a_file_as_well() -> None:
    for name in FORMATS:
        open_encoder(name, 24_000).finish()
