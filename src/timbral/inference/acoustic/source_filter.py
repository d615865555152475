"""Stage two of the embedded family: semantic tokens to samples in overlapping windows, over stateless graphs.

The graphs are convolutional, so that samples depend on nearby tokens only. The phase of the harmonic source reaches
further and is integrated here in double precision. An utterance is always decoded through the same windows: memory does not
grow with its length, and streamed samples equal those of a whole utterance.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.inference.acoustic.frames import HarmonicSource, TimeStretch
from timbral.inference.acoustic.interface import Network, Samples, TimedTokens, engine_of, timbre_of
from timbral.inference.acoustic.melody import Melody
from timbral.inference.acoustic.networks import open_network
from timbral.inference.request import UtteranceRequest
from timbral.inference.seeds import derive_seed, noise
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle, SourceFilter, files

SMALLEST, GROWTH, LARGEST = 0.5, 3, 4
"""Windows grow by GROWTH from SMALLEST to LARGEST times the model's; utterances after the first begin with the largest."""


class SourceFilterDecoder:
    """Tokens and a timbre to samples by a source-filter vocoder. Immutable."""

    def __init__(
        self, latent: Network, vocoder: Network, shape: SourceFilter, sample_rate: int, phonemes: int = 0
    ) -> None:
        """latent: tokens int64 [1, T], timbre float32 [1, D], and with `shape.phones` phones int64 [1, T, 2], of both
        halves of each token → latent float32 [1, C, F], f0 [1, F] in Hz.
        vocoder: latent, timbre, f0, phase [1, F] in cycles, noise float32 [1, F * hop], and with `shape.envelope`
        residuals float32 [1, sounds, 2, points] → audio [1, F * hop].
        phonemes: size of the symbol table; as a phone it stands for an unknown one.
        """
        self.shape = shape
        self.sample_rate = sample_rate
        self._latent = latent
        self._vocoder = vocoder
        self.engine = engine_of(vocoder)
        self._unknown_phone = phonemes

    @classmethod
    def open(cls, bundle: Bundle, shape: SourceFilter, options: SessionOptions) -> "SourceFilterDecoder":
        """Opens `latent.onnx` and `vocoder.onnx`."""
        phones = ("phones",) if shape.phones else ()
        residuals = ("residuals",) if shape.envelope else ()

        def graph(name: str, inputs: tuple[str, ...], *outputs: str) -> Network:
            # In float32, since F0 decides the phase; OpenVINO shows no gain here.
            return open_network(bundle.path(name), inputs, outputs, options, exact=True, gains=False)

        latent = graph(files.LATENT, ("tokens", "timbre", *phones), "latent", "f0")
        vocoder = graph(files.VOCODER, ("latent", "timbre", "f0", "phase", "noise", *residuals), "audio")
        manifest = bundle.manifest
        return cls(latent, vocoder, shape, manifest.sample_rate, manifest.semantic.phonemes)

    def opening(self, request: UtteranceRequest) -> int:
        """The first window and what it sees after its end. See AcousticDecoder."""
        return self._first(request) + self._context(request)

    def synthesize(self, request: UtteranceRequest, timed: TimedTokens) -> Iterator[Samples]:
        """Samples in windows that begin small where somebody waits for them. See AcousticDecoder."""
        count, shape = len(timed.tokens), self.shape
        window = _Windows(self, request, timed, self._context(request))
        start, size = 0, self._first(request)
        while start < count:
            end = min(start + size, count)
            yield window.decode(start, end, ended=count < start + size + window.context)
            start, size = end, min(size * GROWTH, shape.chunk_tokens * LARGEST)

    def _first(self, request: UtteranceRequest) -> int:
        """Tokens of the first window."""
        return math.ceil(self.shape.chunk_tokens * (SMALLEST if request.opens else LARGEST))

    def _context(self, request: UtteranceRequest) -> int:
        """Tokens that a window sees on both sides; a faster utterance squeezes more into what the vocoder sees around a frame."""
        return math.ceil(max(1, self.shape.context_tokens) * max(1.0, request.speed))

    def latent(
        self, tokens: NDArray[np.int64], phones: NDArray[np.int64] | None, timbre: Samples
    ) -> list[Samples]:
        """Latent [1, C, F] and F0 [1, F] of tokens [T] with phones [T, 2], in the timbre [1, D]."""
        inputs: dict[str, NDArray[Any]] = {"tokens": tokens[None], "timbre": timbre}
        if self.shape.phones:
            unknown = np.full((len(tokens), 2), self._unknown_phone, np.int64)
            inputs["phones"] = (unknown if phones is None else phones)[None]
        return self._latent(inputs)

    def vocode(self, **inputs: Samples) -> Samples:
        """Samples [n] of one window of frames."""
        (audio,) = self._vocoder(inputs)
        samples: Samples = audio[0]
        return samples


class _Windows:
    """One utterance in windows: what runs through all of them, and the decoding of one."""

    def __init__(
        self, decoder: SourceFilterDecoder, request: UtteranceRequest, timed: TimedTokens, context: int
    ) -> None:
        shape = decoder.shape
        self._decoder, self._timed, self._speed = decoder, timed, request.speed
        self._timbre = timbre_of(request, shape.timbre_size)
        self._voice: dict[str, Samples] = {}
        if shape.envelope:
            none = np.zeros((1, 2, shape.envelope), np.float32)
            residuals = request.voice.residuals
            self._voice["residuals"] = (none if residuals is None else residuals)[None]
        self._seed = derive_seed(request.seed, "sound")
        self._melody = Melody(request.voice.pitch_range, request.seed)
        self._frame_s = shape.hop / decoder.sample_rate
        self._source = HarmonicSource(self._frame_s)
        self.context = context

    def decode(self, start: int, end: int, *, ended: bool) -> Samples:
        """Samples [n] of the tokens from `start` to `end`; ended: whether the window reaches the utterance's end."""
        shape, tokens, phones = self._decoder.shape, self._timed.tokens, self._timed.phones
        left, right = max(0, start - self.context), min(len(tokens), end + self.context)
        spoken = None if phones is None else phones[left:right]
        latent, f0 = self._decoder.latent(tokens[left:right], spoken, self._timbre)
        f0 = self._melody.applied(
            f0, float(self._timbre[0, -1]), left * shape.frames_per_token, self._frame_s
        )
        stretch = TimeStretch(left * shape.frames_per_token, latent.shape[2], self._speed, ended)
        latent, f0 = stretch.apply(latent), stretch.apply(f0)

        first = stretch.frame(start * shape.frames_per_token)
        last = stretch.frame(end * shape.frames_per_token)
        phase = self._source.phase(f0[0], stretch.first, last)[None]
        # The vocoder sees less than both networks together, which `left` and `right` are for.
        reach = shape.reach or f0.shape[1]
        begin, after = max(first - reach, stretch.first), min(last + reach, stretch.first + f0.shape[1])
        seen = slice(begin - stretch.first, after - stretch.first)
        audio = self._decoder.vocode(
            latent=latent[..., seen],
            timbre=self._timbre,
            f0=f0[:, seen],
            phase=phase[:, seen],
            noise=noise(self._seed, begin * shape.hop, (after - begin) * shape.hop)[None],
            **self._voice,
        )
        return np.ascontiguousarray(audio[(first - begin) * shape.hop : (last - begin) * shape.hop])
