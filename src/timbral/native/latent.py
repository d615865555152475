"""The latent network of sovits-tiny, compiled: `timbral.nets.source_filter.LatentNet` from its graph."""

import ctypes
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbral.models import SourceFilter
from timbral.models.weights import Adapter
from timbral.native.binding import LatentNetwork, Speaking, library
from timbral.native.film_blocks import NetworkArrays, NetworkWeights, Shapes
from timbral.native.packing import TILE

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

_MODULES = ("timbre", "tokens", "phones", "token_blocks", "spread", "frame_blocks", "to_latent", "to_pitch")
_OCTAVES = 5.5, 9.5
"""Limits of F0 in log2 Hz, those of the network."""


def latent_weights(graph: Path, shape: SourceFilter, adapter: Adapter | None = None) -> NetworkWeights | None:
    """Weights of the latent network at `graph`; None where the kernel cannot read them.

    Raises BundleError: the graph cannot be read. VoiceError: the changes do not fit.
    """
    return NetworkWeights.of(graph, adapter, lambda weights: _fits(weights, shape))


def _fits(weights: NetworkWeights, shape: SourceFilter) -> bool:
    framewise = weights.blocks("frame_blocks")
    if not framewise:
        return False
    _, channels = weights.shape("tokens.weight")
    (pitch,) = weights.shape("to_pitch.0.bias")
    *_, taps = weights.shape("to_pitch.0.weight")
    (latent,) = weights.shape("to_latent.bias")
    rate = shape.frames_per_token
    shapes: Shapes = {
        "spread.weight": (rate * channels, channels),
        "spread.bias": (rate * channels,),
        "to_latent.weight": (latent, channels, 1),
        "to_pitch.0.weight": (pitch, channels, taps),
        "to_pitch.2.weight": (1, pitch, 1),
        "to_pitch.2.bias": (1,),
        f"{framewise[0]}norm.weight": (channels,),
    }
    if shape.phones:
        _, width = weights.shape("phones.table.weight")
        shapes |= {"phones.mix.weight": (channels, 2 * width), "phones.mix.bias": (channels,)}
    return (
        weights.are_of(_MODULES)
        and taps % 2 == 1
        and pitch % TILE == 0
        and weights.multiplies(["spread"])
        and weights.have(shapes)
        and weights.fit([*weights.blocks("token_blocks"), *framewise], shape.timbre_size)
    )


class LatentKernel:
    """Tokens and phones to latent and F0. Immutable; each call is computed by the thread that makes it.

    Inputs of products with 8 and 4 bits are rounded to 8 bits, as onnxruntime rounds them. A frame's numbers depend neither on
    which frames are asked for with it nor on other callers.

    variant: of `usable_variants`. engine: what it is called.
    """

    def __init__(self, weights: NetworkWeights, shape: SourceFilter, variant: str) -> None:
        """weights: of `latent_weights`, for that shape."""
        arrays = self._arrays = NetworkArrays(weights)
        self._variant, self.engine = variant.encode(), f"native {variant}"
        self._passes = shape.passes if shape.phones else 1
        self._tokens = weights.read("tokens.weight")
        self._phones = _Phones(weights) if shape.phones else None
        (self._latent,) = weights.shape("to_latent.bias")
        tokenwise = weights.blocks("token_blocks")
        self._network = LatentNetwork(
            arrays.blocks([*tokenwise, *weights.blocks("frame_blocks")]),
            len(tokenwise),
            shape.frames_per_token,
            weights.shape("to_pitch.0.weight")[2],
            float(weights.read("to_pitch.2.bias")[0]),
            arrays.layer("spread"),
            arrays.convolution("to_latent"),
            arrays.convolution("to_pitch.0"),
            arrays.weight("to_pitch.2.weight"),
        )
        functions = library()
        assert functions is not None
        self._run = functions.timbral_speak_latent

    def __call__(
        self, tokens: Ids, phones: Ids | None, timbre: Floats, frames: slice
    ) -> tuple[Floats, Floats]:
        """See `timbral.inference.acoustic.latent_network.LatentNetwork`."""
        first, count = frames.start, frames.stop - frames.start
        if not 0 <= first < frames.stop <= len(tokens) * self._network.rate:
            raise ValueError(f"of {len(tokens)} tokens there are no frames {first} to {frames.stop}")
        spoken = 0.0 if self._phones is None else self._phones.embed(phones, len(tokens))
        embedded = [np.asarray(self._tokens[tokens] + spoken, np.float32)]
        if self._passes == 2:
            # The last token is the unknown one.
            embedded.append(np.asarray(self._tokens[-1] + spoken, np.float32))
        latent = np.empty((count, -(-self._latent // TILE) * TILE), np.float32)
        pitch = np.empty((self._passes, count), np.float32)
        given = np.ascontiguousarray(timbre[0], np.float32)
        speaking = Speaking(
            len(tokens),
            self._passes,
            first,
            count,
            (ctypes.c_void_p * 2)(*(each.ctypes.data for each in embedded)),
            given.ctypes.data,
            latent.ctypes.data,
            pitch.ctypes.data,
        )
        if self._run(self._variant, ctypes.byref(self._network), ctypes.byref(speaking)):
            raise MemoryError("no memory for the latent network")
        octaves = np.clip(pitch + timbre[0, -1], *_OCTAVES).mean(0, keepdims=True)
        return latent[:, : self._latent].T[None], np.exp2(octaves, dtype=np.float32)


class _Phones:
    """What the phones of both halves of a token add to its embedding: the layer that mixes their embeddings is linear."""

    def __init__(self, weights: NetworkWeights) -> None:
        table, mix = weights.read("phones.table.weight"), weights.read("phones.mix.weight")
        self._first, self._second = (np.einsum("pw,cw->pc", table, half) for half in np.split(mix, 2, axis=1))
        self._bias = weights.read("phones.mix.bias")

    def embed(self, phones: Ids | None, count: int) -> Floats:
        """Of phones [count, 2], which are the unknown one where there are none: [count, channels]."""
        if phones is None:
            phones = np.full((count, 2), len(self._first) - 1)
        added: Floats = self._first[phones[:, 0]] + self._second[phones[:, 1]] + self._bias
        return added
