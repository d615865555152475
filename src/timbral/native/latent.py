"""The latent network of sovits-tiny, compiled: `timbral.nets.source_filter.LatentNet` from its graph."""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.models import SourceFilter
from timbral.models.weights import Adapter
from timbral.models.weights.parameters import Parameter, read_parameters
from timbral.native.binding import FilmBlock, LatentNetwork, Speaking, library
from timbral.native.packing import TILE, pack, pack_half, readable
from timbral.native.structures import Arrays

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

MOST_BLOCKS = 64
"""Of one network; `kMostBlocks` of model.h."""
_EPSILON = 1e-5
"""Of the layer norms: what torch has by default."""
_OCTAVES = 5.5, 9.5
"""Limits of F0 in log2 Hz, those of the network."""
_BLOCK_PRODUCTS = ("film.weight", "up.weight", "down.weight")
_CONDITION = ("timbre.layers.0", "timbre.layers.2")


@dataclass(frozen=True)
class LatentWeights:
    """What a kernel is made of.

    parameters: by the names of the network. changed: constants of the graph in place of its own, of a fine-tuned voice. shape: of
    stage two.
    """

    parameters: Mapping[str, Parameter]
    changed: Mapping[str, NDArray[Any]]
    shape: SourceFilter

    @staticmethod
    def of(graph: Path, shape: SourceFilter, adapter: Adapter | None = None) -> "LatentWeights | None":
        """None where a kernel cannot read the graph: matrices of other than few bits, or other layers.

        Raises BundleError: the graph cannot be read. VoiceError: the changes do not fit.
        """
        changed = adapter.constants(graph) if adapter else {}
        found = LatentWeights(read_parameters(graph), changed, shape)
        try:
            return found if found._readable() else None
        except (KeyError, ValueError):
            return None

    def read(self, name: str) -> Floats:
        """A weight as numbers, changed where it is."""
        return self.parameters[name].read(self.changed)

    def blocks(self, kind: str) -> list[str]:
        """Prefixes of the names of the blocks of a kind, in the order in which they run."""
        count = 0
        while f"{kind}.{count}.up.weight" in self.parameters:
            count += 1
        return [f"{kind}.{index}." for index in range(count)]

    def _readable(self) -> bool:
        """Whether products have few bits, and all shapes go together. Raises KeyError: a weight is missing."""
        blocks = self.blocks("token_blocks") + self.blocks("frame_blocks")
        names = [prefix + name for prefix in blocks for name in _BLOCK_PRODUCTS]
        products = [self.parameters[name] for name in (*names, "spread.weight")]
        if not self.blocks("frame_blocks") or len(blocks) > MOST_BLOCKS:
            return False
        if not all(readable(product) and len(product.shape) == 2 for product in products):
            return False
        _, channels = self.parameters["tokens.weight"].shape
        inner, _ = self.parameters[f"{blocks[0]}up.weight"].shape
        condition, _ = self.parameters[f"{_CONDITION[0]}.weight"].shape
        pitch, _, taps = self.parameters["to_pitch.0.weight"].shape
        latent, *_ = self.parameters["to_latent.weight"].shape
        rate = self.shape.frames_per_token
        shapes: dict[str, tuple[int, ...]] = {
            f"{_CONDITION[0]}.weight": (condition, self.shape.timbre_size),
            f"{_CONDITION[0]}.bias": (condition,),
            f"{_CONDITION[1]}.weight": (condition, condition),
            f"{_CONDITION[1]}.bias": (condition,),
            "spread.weight": (rate * channels, channels),
            "spread.bias": (rate * channels,),
            "to_latent.weight": (latent, channels, 1),
            "to_latent.bias": (latent,),
            "to_pitch.0.weight": (pitch, channels, taps),
            "to_pitch.0.bias": (pitch,),
            "to_pitch.2.weight": (1, pitch, 1),
            "to_pitch.2.bias": (1,),
        }
        for prefix in blocks:
            *_, kernel = self.parameters[f"{prefix}mix.weight"].shape
            shapes |= {
                f"{prefix}mix.weight": (channels, 1, kernel),
                f"{prefix}film.weight": (2 * channels, condition),
                f"{prefix}film.bias": (2 * channels,),
                f"{prefix}up.weight": (inner, channels),
                f"{prefix}up.bias": (inner,),
                f"{prefix}down.weight": (channels, inner),
            }
            shapes |= {
                prefix + name: (channels,) for name in ("mix.bias", "norm.weight", "norm.bias", "down.bias")
            }
            if kernel % 2 == 0:
                return False
        if self.shape.phones:
            _, width = self.parameters["phones.table.weight"].shape
            shapes |= {"phones.mix.weight": (channels, 2 * width), "phones.mix.bias": (channels,)}
        return (
            all(self.parameters[name].shape == shape for name, shape in shapes.items())
            and taps % 2 == 1
            and not any(size % TILE for size in (channels, inner, condition, pitch))
        )


class LatentKernel:
    """Tokens and phones to latent and F0. Immutable; each call is computed by the thread that makes it.

    Inputs of products with 8 and 4 bits are rounded to 8 bits, as onnxruntime rounds them. A frame's numbers depend neither on
    which frames are asked for with it nor on other callers.

    variant: of `usable_variants`.
    """

    def __init__(self, weights: LatentWeights, variant: str) -> None:
        arrays = self._arrays = Arrays()
        self._variant = variant.encode()
        self._passes = weights.shape.passes if weights.shape.phones else 1
        self._tokens = weights.read("tokens.weight")
        self._phones = _phone_embeddings(weights) if weights.shape.phones else None

        def product(name: str) -> Any:
            packed = pack(weights.parameters[f"{name}.weight"], weights.changed)
            return arrays.product(packed, weights.read(f"{name}.bias"))

        def address(name: str) -> int:
            return arrays.address(weights.read(name))

        prefixes = [weights.blocks(kind) for kind in ("token_blocks", "frame_blocks")]
        blocks = [
            FilmBlock(
                weights.parameters[f"{prefix}mix.weight"].shape[2],
                arrays.address(weights.read(f"{prefix}mix.weight")[:, 0].T),
                address(f"{prefix}mix.bias"),
                address(f"{prefix}norm.weight"),
                address(f"{prefix}norm.bias"),
                product(f"{prefix}film"),
                product(f"{prefix}up"),
                product(f"{prefix}down"),
            )
            for prefix in (*prefixes[0], *prefixes[1])
        ]
        pitch = weights.read("to_pitch.0.weight")
        latent = weights.read("to_latent.weight")[:, :, 0]
        self._latent = len(latent)
        self._network = LatentNetwork(
            self._tokens.shape[1],
            blocks[0].up.outputs,
            *(len(each) for each in prefixes),
            weights.shape.frames_per_token,
            pitch.shape[2],
            _EPSILON,
            float(weights.read("to_pitch.2.bias")[0]),
            (FilmBlock * len(blocks))(*blocks),
            tuple(
                arrays.projection(weights.read(f"{name}.weight"), weights.read(f"{name}.bias"))
                for name in _CONDITION
            ),
            product("spread"),
            arrays.product(pack_half(latent), weights.read("to_latent.bias")),
            arrays.projection(
                pitch.transpose(0, 2, 1).reshape(len(pitch), -1), weights.read("to_pitch.0.bias")
            ),
            arrays.address(weights.read("to_pitch.2.weight")[0, :, 0]),
        )
        functions = library()
        assert functions is not None
        self.engine = f"native {variant}"
        self._run = functions.timbral_speak_latent

    def __call__(
        self, tokens: Ids, phones: Ids | None, timbre: Floats, frames: slice
    ) -> tuple[Floats, Floats]:
        """See `timbral.inference.acoustic.source_filter.LatentNetwork`."""
        first, count = frames.start, frames.stop - frames.start
        if not 0 <= first < frames.stop <= len(tokens) * self._network.rate:
            raise ValueError(f"of {len(tokens)} tokens there are no frames {first} to {frames.stop}")
        spoken = 0.0 if self._phones is None else self._phones.of(phones, len(tokens))
        embedded = [np.asarray(self._tokens[tokens] + spoken, np.float32)]
        if self._passes == 2:
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
    """What the phones of both halves of a token add to its embedding."""

    def __init__(self, first: Floats, second: Floats, bias: Floats) -> None:
        """first, second: [phones + 1, channels], the last one that of an unknown phone."""
        self._first, self._second, self._bias = first, second, bias

    def of(self, phones: Ids | None, count: int) -> Floats:
        """Of phones [count, 2], unknown ones without any: [count, channels]."""
        if phones is None:
            phones = np.full((count, 2), len(self._first) - 1)
        added: Floats = self._first[phones[:, 0]] + self._second[phones[:, 1]] + self._bias
        return added


def _phone_embeddings(weights: LatentWeights) -> _Phones:
    """The embeddings times the layer that mixes them, which is linear."""
    table, mix = weights.read("phones.table.weight"), weights.read("phones.mix.weight")
    halves = np.split(mix, 2, axis=1)
    first, second = (np.einsum("pw,cw->pc", table, half, optimize=True) for half in halves)
    return _Phones(first, second, weights.read("phones.mix.bias"))
