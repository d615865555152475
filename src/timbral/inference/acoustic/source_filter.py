"""Stage two of the embedded family: semantic tokens to sound, in pieces, over graphs that keep no state.

The graphs are convolutional, so a stretch of sound depends on the tokens near it alone; what does reach
further, the phase of the harmonic source, is integrated here in double precision. Whole utterances are
decoded through the same windows as streams, so the two are the same samples, and memory does not grow
with length.
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.inference.acoustic.frames import HarmonicSource, Stretch
from timbral.inference.acoustic.interface import Spoken, check_line
from timbral.inference.request import UtteranceRequest
from timbral.inference.seeds import noise
from timbral.inference.sessions import Graph, SessionOptions

GROWTH, LARGEST = 2, 4
"""Each piece is GROWTH times as long as the one before it, up to LARGEST times the first, with which a line begins that nobody
waits for."""


@dataclass(frozen=True)
class SourceFilterConfig:
    """What the manifest says of stage two.

    sample_rate: Hz. hop: samples a frame. frames_per_token: frames a semantic token.
    context_tokens: how many tokens on each side, both graphs together, the sound of a token depends on.
    chunk_tokens: tokens of the first piece of a stream; later ones grow.
    timbre_size: length D of the timbre vector. phonemes: kinds of phones that the latent graph is told, 0 where it is told none.
    envelope: points of the residuals that the vocoder graph takes, 0 where it takes none.
    """

    sample_rate: int
    hop: int
    frames_per_token: int
    context_tokens: int
    chunk_tokens: int
    timbre_size: int
    phonemes: int = 0
    envelope: int = 0


class SourceFilterDecoder:
    """Tokens and a timbre to samples. Immutable: what an utterance remembers is in its `SourceFilterStream`."""

    def __init__(self, latent: Graph, vocoder: Graph, config: SourceFilterConfig) -> None:
        self.latent = latent
        self.vocoder = vocoder
        self.config = config

    @classmethod
    def open(
        cls, latent: Path, vocoder: Path, config: SourceFilterConfig, options: SessionOptions
    ) -> "SourceFilterDecoder":
        """Opens the two graphs of the source-filter family.

        latent: tokens int64 [1, T], timbre float32 [1, D] → latent float32 [1, C, F], f0 [1, F], Hz; where the manifest
        says so, phones int64 [1, T, 2] too, of both halves of each token.
        vocoder: these two, timbre, phase [1, F] in cycles, noise float32 [1, F * hop] → audio, as noise; where the manifest
        says so, residuals float32 [1, sounds, 2, points] of the voice too.
        """
        told = ("phones",) if config.phonemes else ()
        known = ("residuals",) if config.envelope else ()
        return cls(
            Graph(latent, ("tokens", "timbre", *told), ("latent", "f0"), options),
            Graph(vocoder, ("latent", "timbre", "f0", "phase", "noise", *known), ("audio",), options),
            config,
        )

    @property
    def sample_rate(self) -> int:
        """Of the sound, in Hz."""
        return self.config.sample_rate

    def stream(self, line: UtteranceRequest, seed: int) -> "SourceFilterStream":
        """A new utterance in the timbre [D] of a line; the seed names its noise, the speed divides its duration."""
        check_line(line, self.config.timbre_size)
        return SourceFilterStream(self, line, seed)


class SourceFilterStream:
    """One utterance on its way to sound: give it tokens as they come, take pieces as they are ready.

    A piece is decoded as soon as the tokens on its right that it depends on are there. Pieces are cut at
    fixed places, counted from the beginning, so the same tokens always give the same samples.
    """

    def __init__(self, decoder: SourceFilterDecoder, line: UtteranceRequest, seed: int) -> None:
        config = decoder.config
        self._decoder = decoder
        self._timbre = line.timbre[None]
        self._known: dict[str, NDArray[np.float32]] = {}
        if config.envelope:
            nothing = np.zeros((1, 2, config.envelope), np.float32)
            self._known["residuals"] = (nothing if line.residuals is None else line.residuals)[None]
        self._seed = seed
        self._speed = line.speed
        # A faster utterance squeezes more tokens into what the vocoder sees around a frame.
        self._context = math.ceil(max(1, config.context_tokens) * max(1.0, line.speed))
        self._size = config.chunk_tokens * (1 if line.opens else LARGEST)
        self._tokens: list[int] = []
        self._phones: list[Spoken] = []
        self._unknown = (config.phonemes, config.phonemes)
        self._done = 0
        self._heard = 0
        self._source = HarmonicSource(config.hop / config.sample_rate)

    @property
    def heard(self) -> int:
        """Tokens that the sound decoded so far depends on: those before it may not change any more."""
        return self._heard

    @property
    def tokens(self) -> tuple[int, ...]:
        """The tokens so far."""
        return tuple(self._tokens)

    def push(self, token: int, spoken: Spoken | None = None) -> NDArray[np.float32] | None:
        """Takes one token; returns the next piece of sound [n] once there is one."""
        self._tokens.append(token)
        self._phones.append(spoken or self._unknown)
        if len(self._tokens) < self._done + self._size + self._context:
            return None
        return self._decode(self._done + self._size, ended=False)

    def finish(self) -> Iterator[NDArray[np.float32]]:
        """Says that no token follows; the rest of the sound in pieces [n], decoded as they are asked for."""
        while self._done < len(self._tokens):
            yield self._decode(min(self._done + self._size, len(self._tokens)), ended=True)

    def copy(self) -> "SourceFilterStream":
        """The same utterance at the same place, to go another way from here."""
        twin = copy.copy(self)
        twin._tokens, twin._phones = list(self._tokens), list(self._phones)
        twin._source = copy.copy(self._source)
        return twin

    def forget(self) -> None:
        """Drops the tokens that no decoded sound depends on; others may follow in their place."""
        del self._tokens[self._heard :], self._phones[self._heard :]

    def _decode(self, end: int, *, ended: bool) -> NDArray[np.float32]:
        """Sound of the tokens from those done up to `end`."""
        config = self._decoder.config
        start = self._done
        left = max(0, start - self._context)
        right = min(len(self._tokens), end + self._context)
        at_end = ended and right == len(self._tokens)

        feed: dict[str, NDArray[Any]] = {
            "tokens": np.asarray(self._tokens[left:right], np.int64)[None],
            "timbre": self._timbre,
        }
        if config.phonemes:
            feed["phones"] = np.asarray(self._phones[left:right], np.int64)[None]
        latent, f0 = self._decoder.latent(feed)
        window = Stretch(left * config.frames_per_token, latent.shape[2], self._speed, at_end)
        latent, f0 = window.apply(latent), window.apply(f0)

        first = window.frame(start * config.frames_per_token)
        last = window.frame(end * config.frames_per_token)
        phase = self._source.phase(f0[0], window.first, last)
        hop = config.hop
        (audio,) = self._decoder.vocoder(
            {
                "latent": latent,
                "timbre": self._timbre,
                "f0": f0,
                "phase": phase[None],
                "noise": noise(self._seed, window.first * hop, f0.shape[1] * hop)[None],
                **self._known,
            }
        )
        self._done, self._heard = end, right
        self._size = min(self._size * GROWTH, config.chunk_tokens * LARGEST)
        return np.ascontiguousarray(audio[0, (first - window.first) * hop : (last - window.first) * hop])
