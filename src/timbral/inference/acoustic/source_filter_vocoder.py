"""The vocoder of the embedded family: compiled, or as a graph."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.audio.source_filter import BANDS, SPEAKER
from timbral.inference.acoustic.interface import Network
from timbral.inference.acoustic.networks import kernel_variant, open_network
from timbral.inference.acoustic.rendering import FilteredSource, apply_residuals
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle, SourceFilter, files
from timbral.native.binding import usable_variants
from timbral.native.envelope import EnvelopeKernel, envelope_weights
from timbral.native.film_blocks import NetworkWeights


class CompiledVocoder:
    """`SourceFilterVocoder`: envelopes by a kernel, the rest in numpy. Immutable; takes what the graph takes, by name.

    engine: what it is called.
    """

    def __init__(self, weights: NetworkWeights, shape: SourceFilter, sample_rate: int, variant: str) -> None:
        """weights: of `timbral.native.envelope.envelope_weights`."""
        self._envelope = EnvelopeKernel(weights, variant)
        self._rendering = FilteredSource(shape.hop, sample_rate, self._envelope.points, self._envelope.bands)
        self._colour = weights.read("colour")
        self.engine = self._envelope.engine

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The audio [1, F * hop] of latent, timbre, f0, phase, noise and, where there are any, residuals."""
        timbre, f0 = inputs["timbre"], inputs["f0"]
        envelope, aperiodicity = self._envelope(inputs["latent"], timbre, f0)
        envelope = envelope + np.einsum("pb,b->p", self._colour, timbre[0, SPEAKER : SPEAKER + BANDS])
        if "residuals" in inputs:
            envelope = apply_residuals(envelope, inputs["residuals"][0])
        audio = self._rendering.render(envelope, aperiodicity, f0[0], inputs["phase"][0], inputs["noise"][0])
        return [audio[None]]


def open_vocoder(bundle: Bundle, shape: SourceFilter, options: SessionOptions) -> Network:
    """The vocoder of a bundle, compiled where there is a kernel for its weights and the processor."""
    path = bundle.path(files.VOCODER)
    compiled = open_compiled(path, shape, bundle.manifest.sample_rate, options)
    if compiled is not None:
        return compiled
    residuals = ("residuals",) if shape.envelope else ()
    inputs = ("latent", "timbre", "f0", "phase", "noise", *residuals)
    # OpenVINO shows no gain here.
    return open_network(path, inputs, ("audio",), options, exact=True, gains=False)


def open_compiled(
    path: Path, shape: SourceFilter, sample_rate: int, options: SessionOptions, variant: str | None = None
) -> CompiledVocoder | None:
    """The compiled vocoder; None where there is none, or another engine is asked for. variant: by default the fastest."""
    fastest = kernel_variant(options, usable_variants())
    if fastest is None:
        return None
    weights = envelope_weights(path, shape, options.adapter)
    return None if weights is None else CompiledVocoder(weights, shape, sample_rate, variant or fastest)
