"""Samples to the bytes of a sound file or stream, chunk by chunk, in every format of the API.

FFmpeg's encoders (PyAV) make mp3, opus, aac and flac; wav and pcm need none. Containers are written without going back, so
that what is made can be sent at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Literal, Protocol

import av
import numpy as np
from numpy.typing import NDArray

from timbral.audio.resampling import ChunkResampler
from timbral.audio.writing import SYNTHETIC, to_pcm, wav_comment, wav_header
from timbral.config import SampleRate

FormatName = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
Samples = NDArray[np.float32]

PCM_RATE: SampleRate = 24_000
"""Hz of pcm, as OpenAI's API has it, unless a request asks for another rate."""


@dataclass(frozen=True)
class Format:
    """How a format is encoded. muxer, codec, options: FFmpeg's; None for what needs no encoder.

    rates: Hz that the codec takes, the others are resampled to the last one; empty for any.
    """

    media_type: str
    muxer: str | None = None
    codec: str = ""
    sample_format: str = "fltp"
    rates: tuple[int, ...] = ()
    bit_rate: int | None = None
    options: tuple[tuple[str, str], ...] = ()

    def rate(self, wanted: int) -> int:
        """The rate that is encoded for a wanted one."""
        return wanted if not self.rates or wanted in self.rates else self.rates[-1]


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        # Without a Xing header, which would have to be filled in at the end.
        "mp3": Format("audio/mpeg", "mp3", "libmp3lame", bit_rate=96_000, options=(("write_xing", "0"),)),
        # Pages of 20 ms: libogg would otherwise wait for a second of sound.
        "opus": Format(
            "audio/ogg",
            "ogg",
            "libopus",
            "flt",
            (8_000, 16_000, 24_000, 48_000),
            48_000,
            (("page_duration", "20000"),),
        ),
        "aac": Format("audio/aac", "adts", "aac", bit_rate=96_000),
        "flac": Format("audio/flac", "flac", "flac", "s16"),
        "wav": Format("audio/wav"),
        "pcm": Format("audio/pcm"),
    }
)


class Encoder(Protocol):
    """Takes samples at the rate it was opened for, and gives bytes."""

    def push(self, samples: Samples) -> bytes:
        """What is ready after these samples float32 [n]; may be empty."""

    def finish(self) -> bytes:
        """The rest. Nothing may follow."""


def open_encoder(name: str, rate: int, comment: str = SYNTHETIC) -> Encoder:
    """The encoder of a format, one of FORMATS, for samples at `rate` Hz."""
    chosen = FORMATS[name]
    if chosen.muxer is None:
        return _PcmEncoder(wav_header(rate, wav_comment(comment)) if name == "wav" else b"")
    return _AvEncoder(chosen, rate, comment)


class _PcmEncoder:
    def __init__(self, header: bytes) -> None:
        self._header = header

    def push(self, samples: Samples) -> bytes:
        header, self._header = self._header, b""
        return header + to_pcm(samples)

    def finish(self) -> bytes:
        return self._header


class _Sink:
    """Where FFmpeg writes to; it cannot seek, so FFmpeg does not try."""

    def __init__(self) -> None:
        self._content = bytearray()

    def write(self, content: bytes) -> int:
        self._content += content
        return len(content)

    def take(self) -> bytes:
        content = bytes(self._content)
        self._content.clear()
        return content


class _AvEncoder:
    def __init__(self, chosen: Format, rate: int, comment: str) -> None:
        self._rate = chosen.rate(rate)
        self._resampler = ChunkResampler(rate, self._rate)
        self._sink = _Sink()
        options = {"flush_packets": "1", **dict(chosen.options)}
        self._container: Any = av.open(self._sink, "w", format=chosen.muxer, options=options)
        self._container.metadata["comment"] = comment
        stream: Any = self._container.add_stream(chosen.codec, rate=self._rate, layout="mono")
        stream.codec_context.format = chosen.sample_format
        if chosen.bit_rate:
            stream.bit_rate = chosen.bit_rate
        self._stream = stream
        self._integers = chosen.sample_format == "s16"
        self._format = chosen.sample_format
        self._count = 0

    def push(self, samples: Samples) -> bytes:
        self._encode(self._resampler.push(samples))
        return self._sink.take()

    def finish(self) -> bytes:
        self._encode(self._resampler.push(np.zeros(0, np.float32), last=True))
        for packet in self._stream.encode(None):
            self._container.mux(packet)
        self._container.close()
        return self._sink.take()

    def _encode(self, samples: Samples) -> None:
        if not len(samples):
            return
        clipped = np.clip(samples, -1, 1)
        values: Any = np.rint(clipped * 32767).astype(np.int16) if self._integers else clipped
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(values)[None], format=self._format, layout="mono"
        )
        frame.sample_rate, frame.time_base = self._rate, Fraction(1, self._rate)
        frame.pts = self._count
        self._count += len(samples)
        for packet in self._stream.encode(frame):
            self._container.mux(packet)
