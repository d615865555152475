"""Spectral envelopes of sovits-tiny, compiled: `timbral.nets.source_filter.SourceFilterVocoder.envelope` from its graph."""

import ctypes
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbral.models import SourceFilter
from timbral.models.weights import Adapter
from timbral.native.binding import EnvelopeNetwork, Shaping, library
from timbral.native.film_blocks import NetworkArrays, NetworkWeights, Shapes
from timbral.native.packing import TILE

Floats = NDArray[np.float32]

_MODULES = (
    *("timbre", "from_latent", "blocks", "norm", "to_envelope", "to_aperiodicity"),
    *("envelope_bins", "aperiodicity_bins", "colour", "fourier", "minimum_phase"),
    *("scale", "basis"),  # of Fourier transforms by one matrix, in older graphs
)
_OCTAVE = 7.5
"""Of F0 in log2 Hz, about which the network takes it."""


def envelope_weights(
    graph: Path, shape: SourceFilter, adapter: Adapter | None = None
) -> NetworkWeights | None:
    """Weights of the vocoder at `graph`; None where the kernel cannot read them.

    Raises BundleError: the graph cannot be read. VoiceError: the changes do not fit.
    """
    return NetworkWeights.of(graph, adapter, lambda weights: _fits(weights, shape))


def _fits(weights: NetworkWeights, shape: SourceFilter) -> bool:
    channels, latent, taps = weights.shape("from_latent.weight")
    (envelope,), (aperiodicity,) = (
        weights.shape(f"{name}.bias") for name in ("to_envelope", "to_aperiodicity")
    )
    blocks = weights.blocks("blocks")
    if not blocks:
        return False
    shapes: Shapes = {
        "from_latent.bias": (channels,),
        "norm.weight": (channels,),
        "norm.bias": (channels,),
        "to_envelope.weight": (envelope, channels),
        "to_aperiodicity.weight": (aperiodicity, channels),
        f"{blocks[0]}norm.weight": (channels,),
    }
    return (
        weights.are_of(_MODULES)
        and taps % 2 == 1
        and latent > 1
        and (not shape.envelope or shape.envelope == envelope)
        and weights.multiplies(["to_envelope", "to_aperiodicity"])
        and weights.have(shapes)
        and weights.fit(blocks, shape.timbre_size)
    )


class EnvelopeKernel:
    """Latent, timbre and F0 to envelope and aperiodicity. Immutable; each call is computed by the thread that makes it.

    variant: of `usable_variants`. engine: what it is called. points, bands: of an envelope, and of its aperiodicity.
    """

    def __init__(self, weights: NetworkWeights, variant: str) -> None:
        """weights: of `envelope_weights`."""
        arrays = self._arrays = NetworkArrays(weights)
        self._variant, self.engine = variant.encode(), f"native {variant}"
        _, self._inputs, self._taps = weights.shape("from_latent.weight")
        (self.points,), (self.bands,) = (
            weights.shape(f"{name}.bias") for name in ("to_envelope", "to_aperiodicity")
        )
        # Products of float16 take inputs in pairs.
        inputs = self._inputs + self._inputs % 2
        self._network = EnvelopeNetwork(
            arrays.blocks(weights.blocks("blocks")),
            arrays.norm("norm"),
            inputs,
            arrays.convolution("from_latent", inputs),
            arrays.layer("to_envelope"),
            arrays.layer("to_aperiodicity"),
        )
        functions = library()
        assert functions is not None
        self._run = functions.timbral_shape_envelope

    def __call__(self, latent: Floats, timbre: Floats, f0: Floats) -> tuple[Floats, Floats]:
        """Latent [1, C, F], timbre [1, D] and F0 [1, F] in Hz → log magnitudes [F, points], about the mean spectrum of the
        timbre, and log odds of noise [F, bands].
        """
        frames, edge = latent.shape[2], self._taps // 2
        if latent.shape[:2] != (1, self._inputs - 1) or f0.shape != (1, frames) or not frames:
            raise ValueError(f"a vocoder of {self._inputs - 1} channels was given {latent.shape}")
        x = np.zeros((frames + 2 * edge, self._network.inputs), np.float32)
        x[edge : edge + frames, : self._inputs - 1] = latent[0].T
        x[edge : edge + frames, self._inputs - 1] = np.log2(f0[0]) - _OCTAVE
        envelope, aperiodicity = (
            np.empty((frames, -(-outputs // TILE) * TILE), np.float32)
            for outputs in (self.points, self.bands)
        )
        given = np.ascontiguousarray(timbre[0], np.float32)
        shaping = Shaping(
            frames, x.ctypes.data, given.ctypes.data, envelope.ctypes.data, aperiodicity.ctypes.data
        )
        if self._run(self._variant, ctypes.byref(self._network), ctypes.byref(shaping)):
            raise MemoryError("no memory for the vocoder")
        return envelope[:, : self.points], aperiodicity[:, : self.bands]
