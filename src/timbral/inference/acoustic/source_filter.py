"""Stage two of the embedded family: semantic tokens to samples in overlapping windows, over stateless networks.

The networks are convolutional, so that samples depend on nearby tokens only. The phase of the harmonic source reaches
further and is integrated here in double precision. An utterance is always decoded through the same windows: memory does not
grow with its length, and streamed samples equal those of a whole utterance.
"""

import math
from collections.abc import Iterator

import numpy as np

from timbral.inference.acoustic.frames import HarmonicSource, TimeStretch
from timbral.inference.acoustic.interface import Network, Samples, TimedTokens, engine_of, timbre_of
from timbral.inference.acoustic.latent_network import LatentNetwork, open_latent
from timbral.inference.acoustic.melody import Melody
from timbral.inference.acoustic.source_filter_vocoder import open_vocoder
from timbral.inference.request import UtteranceRequest
from timbral.inference.seeds import derive_seed, noise
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle, SourceFilter

SMALLEST, GROWTH, LARGEST = 0.5, 3, 4
"""Windows grow by GROWTH from SMALLEST to LARGEST times the model's; utterances after the first begin with the largest."""


class SourceFilterDecoder:
    """Tokens and a timbre to samples by a source-filter vocoder. Immutable."""

    def __init__(
        self, latent: LatentNetwork, vocoder: Network, shape: SourceFilter, sample_rate: int
    ) -> None:
        """vocoder: latent float32 [1, C, F], timbre [1, D], f0 [1, F] in Hz, phase [1, F] in cycles, noise [1, F * hop],
        and with `shape.envelope` residuals float32 [1, sounds, 2, points] → audio [1, F * hop].
        """
        self.shape = shape
        self.sample_rate = sample_rate
        self.latent = latent
        self._vocoder = vocoder
        self.engine = engine_of(latent)

    @classmethod
    def open(cls, bundle: Bundle, shape: SourceFilter, options: SessionOptions) -> "SourceFilterDecoder":
        """Opens `latent.onnx` and `vocoder.onnx`."""
        latent, vocoder = open_latent(bundle, shape, options), open_vocoder(bundle, shape, options)
        return cls(latent, vocoder, shape, bundle.manifest.sample_rate)

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
        rate = shape.frames_per_token
        seen = self._seen(start * rate, end * rate, left * rate, right * rate)
        latent, f0 = self._decoder.latent(
            tokens[left:right], spoken, self._timbre, slice(seen.start - left * rate, seen.stop - left * rate)
        )
        f0 = self._melody.applied(f0, float(self._timbre[0, -1]), seen.start, self._frame_s)
        stretch = TimeStretch(seen.start, len(seen), self._speed, ended and seen.stop == right * rate)
        latent, f0 = stretch.apply(latent), stretch.apply(f0)

        first, last = stretch.frame(start * rate), stretch.frame(end * rate)
        phase = self._source.phase(f0[0], stretch.first, last)[None]
        reach = shape.reach or f0.shape[1]
        begin, after = max(first - reach, stretch.first), min(last + reach, stretch.first + f0.shape[1])
        within = slice(begin - stretch.first, after - stretch.first)
        audio = self._decoder.vocode(
            latent=latent[..., within],
            timbre=self._timbre,
            f0=f0[:, within],
            phase=phase[:, within],
            noise=noise(self._seed, begin * shape.hop, (after - begin) * shape.hop)[None],
            **self._voice,
        )
        return np.ascontiguousarray(audio[(first - begin) * shape.hop : (last - begin) * shape.hop])

    def _seen(self, first: int, end: int, least: int, most: int) -> range:
        """Frames of the latent that the vocoder sees for those from `first` to `end`, of the ones from `least` to `most`.

        At another speed, between two frames, it sees one more on either side.
        """
        if not self._decoder.shape.reach:
            return range(least, most)
        reach = (
            self._decoder.shape.reach
            if self._speed == 1
            else math.ceil(self._decoder.shape.reach * self._speed) + 1
        )
        return range(max(least, first - reach), min(most, end + reach))
