"""Stage two of v1, v2, v2Pro and v2ProPlus: tokens and phones to frames, a flow, and HiFi-GAN.

The latent of a sentence is made as a whole, since in every frame there is something of all of its tokens. The vocoder, which
takes most of the time, sees a few frames around each: what is waited for, the beginning of a speech, is made before the rest.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbral.inference.acoustic.interface import Network, SentenceStream, check_line, stretched
from timbral.inference.acoustic.vocoder_windows import RowByRow, vocode_in_windows
from timbral.inference.request import UtteranceRequest
from timbral.inference.seeds import noise
from timbral.inference.sessions import Graph, SessionOptions, on_cuda, usable_cores

ROWS = 2
"""Rows of the vocoder's batch that share an utterance, whatever the cores, so that samples are the same everywhere."""
OPENING_FRAMES = 48
"""Of the first window of a speech: 0.96 s."""


@dataclass(frozen=True)
class VitsConfig:
    """What the manifest says of stage two.

    sample_rate: Hz. frames_per_token: frames a semantic token. timbre_size: length D of the timbre vector.
    latent: channels of the noise; noise_scale: its deviation. hop: samples a frame.
    reach: frames on each side that the vocoder sees around a sample; 0 where that is not known.
    """

    sample_rate: int
    frames_per_token: int
    timbre_size: int
    latent: int
    noise_scale: float
    hop: int
    reach: int = 0


def open_vocoder(path: Path, options: SessionOptions, *, apart: bool = True) -> Network:
    """The vocoder at `path`; on several cores a second one besides, which one thread runs, for rows `apart`."""

    def opened(options: SessionOptions) -> Graph:
        return Graph(path, ("latent", "timbre"), ("audio",), options)

    threads = options.threads or usable_cores()
    if not apart or threads == 1 or on_cuda(options):
        return opened(options)
    return RowByRow(opened(options), opened(replace(options, threads=1)), threads)


class VitsDecoder:
    """Tokens, phones and a timbre to samples. Immutable: what an utterance remembers is in its stream."""

    def __init__(self, latent: Network, vocoder: Network, hidden: int, config: VitsConfig) -> None:
        """hidden: channels of the frames that the latent is read off."""
        self._latent = latent
        self._vocoder = vocoder
        self.config = config
        # The latent graph can go on from an earlier piece of the same utterance; a whole one has none.
        self._nothing_before = np.zeros((1, hidden, 0), np.float32)

    @classmethod
    def open(cls, latent: Path, vocoder: Path, config: VitsConfig, options: SessionOptions) -> "VitsDecoder":
        """Opens the graphs that `timbral.conversion.export.acoustic` describes."""
        read = ("tokens", "phones", "timbre", "select", "overlap", "noise")
        graph = Graph(latent, read, ("latent",), options)
        shapes = {value.name: value.shape for value in graph.session.get_inputs()}
        hidden = shapes["overlap"][1]
        return cls(graph, open_vocoder(vocoder, options, apart=config.reach > 0), hidden, config)

    @property
    def sample_rate(self) -> int:
        """Of the sound, in Hz."""
        return self.config.sample_rate

    def stream(self, line: UtteranceRequest, seed: int) -> SentenceStream:
        """A new utterance of the phones of a line in its timbre [D]; the seed names its noise."""
        check_line(line, self.config.timbre_size)
        return SentenceStream(lambda tokens: self._decode(tokens, line, seed))

    def _decode(
        self, tokens: NDArray[np.int64], line: UtteranceRequest, seed: int
    ) -> Iterator[NDArray[np.float32]]:
        """Pieces of the sound float32 [n] of tokens [T], at least one, that say the phones of a line."""
        config = self.config
        count, channels = config.frames_per_token * len(tokens), config.latent
        drawn = noise(seed, 0, stretched(count, line.speed) * channels).reshape(-1, channels).T
        timbre = line.timbre[None]
        (latent,) = self._latent(
            {
                "tokens": tokens[None],
                "phones": line.phones[None],
                "timbre": timbre,
                "select": np.arange(count),
                "overlap": self._nothing_before,
                "noise": np.float32(config.noise_scale) * drawn[None],
            }
        )
        rows = ROWS if config.reach else 1
        first = OPENING_FRAMES if line.opens and config.reach else latent.shape[2]
        yield from vocode_in_windows(self._vocoder, latent, timbre, first, rows, config.reach, config.hop)
