"""Stage two of v1, v2, v2Pro and v2ProPlus: tokens and phones to frames, a flow, and HiFi-GAN.

The latent of an utterance is computed as a whole, since every frame depends on all tokens. The vocoder takes most of the
time and sees a few frames around each: the beginning of a speech is vocoded before the rest.
"""

from collections.abc import Iterator

import numpy as np

from timbral.inference.acoustic.interface import (
    Network,
    Samples,
    TimedTokens,
    engine_of,
    stretched,
    timbre_of,
)
from timbral.inference.acoustic.networks import open_vocoder
from timbral.inference.acoustic.vocoder_windows import RowByRow, vocode_in_windows
from timbral.inference.request import UtteranceRequest
from timbral.inference.seeds import derive_seed, noise
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models import Bundle, Vits, files

ROWS = 2
"""Rows of onnxruntime's batch that share an utterance, whatever the cores, so that samples are the same everywhere. Other engines
use all cores for one row."""
OPENING_FRAMES = 48
"""Of the first window of a speech: 0.96 s."""


class VitsDecoder:
    """Tokens, phones and a timbre to samples by VITS. Immutable."""

    def __init__(self, latent: Network, vocoder: Network, hidden: int, shape: Vits, sample_rate: int) -> None:
        """hidden: channels of the frames that the latent is computed from."""
        self.sample_rate = sample_rate
        self._latent = latent
        self._vocoder = vocoder
        self.engine = engine_of(vocoder)
        self._rows = ROWS if shape.reach and isinstance(vocoder, RowByRow | Graph) else 1
        self.shape = shape
        # The latent graph can continue an earlier part of the same utterance; a whole one has none.
        self._no_overlap = np.zeros((1, hidden, 0), np.float32)

    @classmethod
    def open(cls, bundle: Bundle, shape: Vits, options: SessionOptions) -> "VitsDecoder":
        """Opens `latent.onnx` and `vocoder.onnx`, as `timbral.conversion.export.acoustic` describes them."""
        inputs = ("tokens", "phones", "timbre", "select", "overlap", "noise")
        latent = Graph(bundle.path(files.LATENT), inputs, ("latent",), options)
        vocoder = open_vocoder(
            bundle.path(files.VOCODER),
            ("latent", "timbre"),
            options,
            exact=bundle.manifest.precision == "fp32",
            apart=shape.reach > 0,
        )
        return cls(latent, vocoder, latent.input_shape("overlap")[1], shape, bundle.manifest.sample_rate)

    def opening(self, request: UtteranceRequest) -> int:
        """All tokens. See AcousticDecoder."""
        return 0

    def synthesize(self, request: UtteranceRequest, timed: TimedTokens) -> Iterator[Samples]:
        """Samples; the first chunk of a speech is short. See AcousticDecoder."""
        tokens, shape = timed.tokens, self.shape
        timbre = timbre_of(request, shape.timbre_size)
        if not len(tokens):
            return
        count = shape.frames_per_token * len(tokens)
        numbers = stretched(count, request.speed) * shape.latent
        drawn = noise(derive_seed(request.seed, "sound"), 0, numbers).reshape(-1, shape.latent).T
        (latent,) = self._latent(
            {
                "tokens": tokens[None],
                "phones": request.phones[None],
                "timbre": timbre,
                "select": np.arange(count),
                "overlap": self._no_overlap,
                "noise": np.float32(shape.noise_scale) * drawn[None],
            }
        )
        first = OPENING_FRAMES if request.opens and shape.reach else latent.shape[2]
        yield from vocode_in_windows(self._vocoder, latent, timbre, first, self._rows, shape.reach, shape.hop)
