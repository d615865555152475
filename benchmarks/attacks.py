"""What happens to sound on its way through the world: codecs, resampling, noise, filters, other speeds.

Each attack takes samples float32 [n] and their rate in Hz and returns samples at the same rate.
"""

import contextlib
import io
from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Attack = Callable[[Samples, int], Samples]


def codec(name: str, container: str, bit_rate: int, needs: int | None = None) -> Attack:
    """Encodes and decodes with a codec of FFmpeg at `bit_rate` bits a second; needs: the rate that it takes, in Hz."""

    def attack(samples: Samples, rate: int) -> Samples:
        coded = needs or rate
        decoded = _decoded(
            _encoded(_resampled(samples, rate, coded), coded, name, container, bit_rate), coded
        )
        return _resampled(decoded, coded, rate)

    return attack


def vorbis(samples: Samples, rate: int) -> Samples:
    """Encodes and decodes Ogg Vorbis at libsndfile's quality."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, "VORBIS", format="OGG")
    file.seek(0)
    decoded: Samples = soundfile.read(file, dtype="float32")[0]
    return decoded


def resampling(to: int) -> Attack:
    """Resamples to a rate in Hz and back."""
    return lambda samples, rate: _resampled(_resampled(samples, rate, to), to, rate)


def noise(ratio: float) -> Attack:
    """Adds white noise at a ratio of signal to noise in dB."""

    def attack(samples: Samples, rate: int) -> Samples:
        added = np.random.default_rng(0).standard_normal(len(samples))
        scale = np.sqrt(np.mean(np.square(samples)) / np.mean(np.square(added)) / 10 ** (ratio / 10))
        return (samples + scale * added).astype(np.float32)

    return attack


def low_pass(limit: float) -> Attack:
    """Removes what is above a limit in Hz."""
    return _filter(lambda frequencies: (frequencies <= limit).astype(float))


def high_pass(limit: float) -> Attack:
    """Removes what is below a limit in Hz."""
    return _filter(lambda frequencies: (frequencies >= limit).astype(float))


def equaliser(slope: float) -> Attack:
    """Raises the spectrum by a slope in dB an octave around 1 kHz."""
    return _filter(lambda frequencies: (np.maximum(frequencies, 50) / 1000) ** (slope / 6.02))


def gain(decibels: float) -> Attack:
    """Changes the level and clips."""
    return lambda samples, rate: np.clip(samples * 10 ** (decibels / 20), -1, 1).astype(np.float32)


def reverberation(seconds: float, ratio: float) -> Attack:
    """Adds a room: noise that decays by 60 dB in `seconds`, at a ratio of direct to reverberant sound in dB."""

    def attack(samples: Samples, rate: int) -> Samples:
        count = int(seconds * rate)
        tail = np.random.default_rng(0).standard_normal(count) * 10 ** (-3 * np.arange(count) / count)
        tail *= 10 ** (-ratio / 20) / np.linalg.norm(tail)
        tail[0] += 1
        size = len(samples) + count
        wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)
        return wet[: len(samples)].astype(np.float32)

    return attack


def speed(factor: float) -> Attack:
    """Plays faster or slower, with the pitch that follows from it."""
    return lambda samples, rate: _resampled(samples, round(rate * factor * 100), rate * 100)


def stretching(factor: float) -> Attack:
    """Speaks faster at the same pitch: FFmpeg's atempo."""
    return lambda samples, rate: _stretched(samples, rate, factor)


def pitch(semitones: float) -> Attack:
    """Shifts the pitch at the same tempo: another speed, and atempo back."""
    factor = 2 ** (semitones / 12)
    return lambda samples, rate: stretching(1 / factor)(speed(factor)(samples, rate), rate)


def _resampled(samples: Samples, rate: int, target: int) -> Samples:
    resampled: Samples = samples if rate == target else soxr.resample(samples, rate, target)
    return resampled


def _filter(response: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Attack:
    def attack(samples: Samples, rate: int) -> Samples:
        spectrum = np.fft.rfft(samples) * response(np.fft.rfftfreq(len(samples), 1 / rate))
        return np.fft.irfft(spectrum, len(samples)).astype(np.float32)

    return attack


def _frame(samples: Samples, rate: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], "flt", "mono")
    frame.sample_rate = rate
    return frame


def _encoded(samples: Samples, rate: int, name: str, container: str, bit_rate: int) -> io.BytesIO:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(name, rate=rate, layout="mono")
        stream.bit_rate = bit_rate
        resampler = av.AudioResampler(stream.format, "mono", rate, frame_size=stream.frame_size or None)
        for frame in [*resampler.resample(_frame(samples, rate)), *resampler.resample(None)]:
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    file.seek(0)
    return file


def _decoded(file: io.BytesIO, rate: int) -> Samples:
    resampler = av.AudioResampler("flt", "mono", rate)
    with av.open(file) as source:
        frames = [part for frame in source.decode(audio=0) for part in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def _stretched(samples: Samples, rate: int, factor: float) -> Samples:
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=rate, format="flt", layout="mono", time_base=Fraction(1, rate))
    sink = graph.add("abuffersink")
    graph.link_nodes(source, graph.add("atempo", f"{factor}"), graph.add("aformat", "flt"), sink).configure()
    frame = _frame(samples, rate)
    frame.time_base, frame.pts = Fraction(1, rate), 0
    source.push(frame)
    source.push(None)
    parts = []
    with contextlib.suppress(av.error.EOFError, av.error.BlockingIOError):
        while True:
            parts.append(sink.pull().to_ndarray()[0])
    return np.concatenate(parts)


EXPECTED: Mapping[str, Attack] = MappingProxyType(
    {
        "none": lambda samples, rate: samples,
        "MP3 64 kb/s": codec("libmp3lame", "mp3", 64_000),
        "MP3 32 kb/s": codec("libmp3lame", "mp3", 32_000),
        "AAC 48 kb/s": codec("aac", "adts", 48_000),
        "Ogg Vorbis": vorbis,
        "Opus 32 kb/s": codec("libopus", "ogg", 32_000, 48_000),
        "Opus 24 kb/s": codec("libopus", "ogg", 24_000, 48_000),
        **{f"resampled at {rate / 1000:g} kHz": resampling(rate) for rate in (8_000, 16_000, 22_050, 44_100, 48_000)},
        "white noise, 30 dB SNR": noise(30),
        "white noise, 20 dB SNR": noise(20),
        "low-pass 4 kHz": low_pass(4_000),
        "high-pass 300 Hz": high_pass(300),
        "equaliser, +3 dB an octave": equaliser(3),
        "gain -20 dB": gain(-20),
        "gain +12 dB, clipped": gain(12),
        "speed ±0.5 %": speed(1.005),
    }
)  # fmt: skip
"""What the watermark is made to survive."""

HARDER: Mapping[str, Attack] = MappingProxyType(
    {
        "Opus 12 kb/s": codec("libopus", "ogg", 12_000, 48_000),
        "Opus 6 kb/s": codec("libopus", "ogg", 6_000, 48_000),
        "white noise, 10 dB SNR": noise(10),
        "reverberation 0.3 s, 6 dB": reverberation(0.3, 6),
        "reverberation 0.6 s, 0 dB": reverberation(0.6, 0),
        "speed +1 %": speed(1.01),
        "tempo +1 %": stretching(1.01),
        "speed +2 %": speed(1.02),
    }
)
"""What it survives only sometimes."""

CHANGED: Mapping[str, Attack] = MappingProxyType(
    {
        "speed -10 %": speed(0.9),
        "speed +2.5 %": speed(1.025),
        "speed +20 %": speed(1.2),
        "tempo -10 %": stretching(0.9),
        "tempo +2.5 %": stretching(1.025),
        "tempo +20 %": stretching(1.2),
        "pitch -2 semitones": pitch(-2),
        "pitch +3 semitones": pitch(3),
    }
)
"""What it survives where detection searches for changes of speed."""
