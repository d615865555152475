"""Stage one for rows of a batch, with keys and values in caches of its own."""

import ctypes
import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.errors import BundleError
from timbral.models.weights import Adapter
from timbral.models.weights.graph_file import read_graph_file
from timbral.models.weights.parameters import Parameter, read_parameters
from timbral.native.binding import Batch, Layer, Model, Product, Projection, library
from timbral.native.packing import TILE, block, pack, readable
from timbral.native.pages import pages
from timbral.native.structures import Arrays

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

LARGEST_HEAD = 512
"""Channels of a head, at most."""
MOST_MEMBERS = 8
"""Threads, beyond which there is too little to share out."""
MIXED_BLOCK = 64
"""Inputs that share a scale at most, where products differ in that: what is rounded together in stage_one.h."""
_EPSILON = 1e-5
"""Of the layer norms: what torch has by default, and the official networks with it."""
_PRODUCTS = ("self_attn.in_proj_weight", "self_attn.out_proj.weight", "linear1.weight", "linear2.weight")
_BIASES = ("self_attn.in_proj_bias", "self_attn.out_proj.bias", "linear1.bias", "linear2.bias")
_NORMS = ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias")
_PREDICT = "ar_predict_layer.weight"
_FEATURES = "bert_proj.weight", "bert_proj.bias"
_POSITIONS = "ar_text_position", "ar_audio_position"
_PHONES, _TOKENS = "ar_text_embedding.word_embeddings", "ar_audio_embedding.word_embeddings"


@dataclass(frozen=True)
class StageOneWeights:
    """What a kernel is made of.

    parameters: by the names of the network. changed: constants of the graph in place of its own. heads: of attention.
    """

    parameters: Mapping[str, Parameter]
    changed: Mapping[str, NDArray[Any]]
    heads: int

    @staticmethod
    def of(prefill: Path, step: Path, adapter: Adapter | None = None) -> "StageOneWeights | None":
        """The weights of the two graphs of `timbral.conversion.export.semantic`, with the changes of a fine-tuned voice.

        None where a kernel cannot read them: matrices of other than few bits, other shapes, no attention over caches.
        Raises BundleError: weights are missing. VoiceError: changes do not fit.
        """
        parameters, heads = read_parameters(prefill), read_graph_file(step).heads
        try:
            if heads is None or heads < 1 or not _readable(parameters, heads):
                return None
        except KeyError as error:
            raise BundleError(f"{prefill} has no {error.args[0]}: get the model again") from None
        return StageOneWeights(parameters, adapter.constants(prefill) if adapter else {}, heads)

    def read(self, name: str) -> Floats:
        """A weight as numbers, changed where it is."""
        return self.parameters[name].read(self.changed)


class StageOneKernel:
    """`timbral.nets.semantic.SemanticTransformer` with 8-bit keys and values.

    Each key and each value of a head has a scale of its own, as have blocks of what goes into products with weights of 8 and 4
    bits. A row's numbers depend neither on other rows nor on the count of threads. Not safe for threads: its owner takes turns.

    rows, capacity: rows that run together, and places that each can hold. threads: with the caller's. spin_us: how long an idle
    one keeps its core busy. variant: of `usable_variants`.
    """

    def __init__(
        self,
        weights: StageOneWeights,
        *,
        rows: int,
        capacity: int,
        threads: int,
        spin_us: int,
        variant: str,
    ) -> None:
        self._arrays = Arrays()
        count, heads = _layers(weights.parameters), weights.heads
        layers = (Layer * count)(*(self._layer(weights, f"h.layers.{index}.") for index in range(count)))
        predict = self._product(weights, _PREDICT, None)
        hidden: int = layers[0].queries.inputs
        size, places = layers[0].attended.inputs // heads, -(-capacity // TILE) * TILE
        cache = (count, rows, heads, places)
        self._keys = pages((count, rows, heads, places // TILE, size // 4, TILE, 4), np.uint8)
        self._values = pages((*cache, size), np.int8)
        self._key_scales, self._value_scales = pages(cache, np.float32), pages(cache, np.float32)
        self.vocabulary: int = predict.outputs
        self._logits = np.zeros((rows, -(-predict.outputs // TILE) * TILE), np.float32)
        self._fronts: dict[int, _Front] = {}
        self._phones = weights.read(f"{_PHONES}.weight")
        self._tokens = weights.read(f"{_TOKENS}.weight")
        self._phone_waves = _waves(weights, _POSITIONS[0], places)
        self._token_waves = _waves(weights, _POSITIONS[1], places)
        self._features = (
            _Features(weights.read(_FEATURES[0]), weights.read(_FEATURES[1]))
            if _FEATURES[0] in weights.parameters
            else None
        )
        self._model = Model(
            layers=count,
            hidden=hidden,
            heads=heads,
            head_size=size,
            feed_forward=layers[0].inner.outputs,
            rows=rows,
            capacity=places,
            epsilon=_EPSILON,
            layer=layers,
            predict=predict,
            keys=self._keys.ctypes.data,
            values=self._values.ctypes.data,
            key_scales=self._key_scales.ctypes.data,
            value_scales=self._value_scales.ctypes.data,
        )
        functions = library()
        assert functions is not None
        self._run_batch, self._project = functions.timbral_run, functions.timbral_project
        members = min(threads, MOST_MEMBERS)
        self._opened = functions.timbral_open(ctypes.byref(self._model), variant.encode(), members, spin_us)
        if not self._opened:
            raise MemoryError("no memory for stage one")
        closing = weakref.finalize(self, _close, functions, self._opened, os.getpid())
        closing.atexit = False  # at the end of the program, somebody may be in the middle of a step

    def prefill(self, row: int, phones: Ids, features: Floats | None, tokens: Ids) -> Floats:
        """Starts a row: phones [n], features [n, d], tokens [t] to logits [vocabulary], valid until the next call.

        Where a model takes features and there are none, they are zeros, as officially for all but Chinese.
        """
        x = np.empty((len(phones) + len(tokens), self._model.hidden), np.float32)
        said, spoken = x[: len(phones)], x[len(phones) :]
        said[:] = self._phones[phones] + self._phone_waves[: len(phones)]
        if self._features is not None:
            if features is None:
                said += self._features.bias
            else:
                said += self._projected(self._features, features)
        spoken[:] = self._tokens[tokens] + self._token_waves[: len(tokens)]
        places = np.arange(len(x), dtype=np.int32)
        seen = np.maximum(places + 1, len(phones), dtype=np.int32)
        rows = np.full(len(x), row, np.int32)
        self._run(_batch(x, rows, places, seen, self._logits[:1]))
        logits: Floats = self._logits[0, : self.vocabulary]
        return logits

    def _projected(self, projection: "_Features", features: Floats) -> Floats:
        """Features [n, d] as embeddings [n, hidden].

        numpy would wake threads for it, which stay busy for a while and take the cores from what comes next.
        """
        given = np.ascontiguousarray(features, np.float32)
        if given.ndim != 2 or given.shape[1] != projection.inputs:
            raise ValueError(f"features have the shape {given.shape}, not (n, {projection.inputs})")
        found = np.empty((len(given), len(projection.bias)), np.float32)
        self._project(self._opened, projection.pointer, given.ctypes.data, len(given), found.ctypes.data)
        return found

    def step(self, rows: Ids, tokens: Ids, positions: Ids, lengths: NDArray[np.int32]) -> Floats:
        """Adds a token to some rows: rows, tokens, positions among the semantic tokens, places held so far, each [r].

        Returns logits [r, vocabulary], valid until the next call.
        """
        count = len(tokens)
        if count not in self._fronts:
            self._fronts[count] = _Front(count, self._model.hidden, self._logits, self.vocabulary)
        front = self._fronts[count]
        np.add(self._tokens[tokens], self._token_waves[positions], out=front.x)
        front.rows[:] = rows
        front.places[:] = lengths
        self._run(front.batch)
        return front.logits

    def copy(self, source: int, target: int, count: int) -> None:
        """The first places of a row to another one."""
        groups = -(-count // TILE)
        self._keys[:, target, :, :groups] = self._keys[:, source, :, :groups]
        for cache in (self._values, self._key_scales, self._value_scales):
            cache[:, target, :, :count] = cache[:, source, :, :count]

    def _run(self, batch: Batch) -> None:
        fault = self._run_batch(self._opened, batch)
        if fault == 1:
            raise ValueError(f"no places, or more than the {self._model.capacity} of a row")
        if fault:
            raise MemoryError("no memory for stage one")

    def _layer(self, weights: StageOneWeights, prefix: str) -> Layer:
        products = (
            self._product(weights, prefix + name, prefix + bias)
            for name, bias in zip(_PRODUCTS, _BIASES, strict=True)
        )
        return Layer(*products, *(self._arrays.address(weights.read(prefix + name)) for name in _NORMS))

    def _product(self, weights: StageOneWeights, name: str, bias: str | None) -> Product:
        packed = pack(weights.parameters[name], weights.changed)
        return self._arrays.product(packed, None if bias is None else weights.read(bias))


class _Features:
    """The projection of BERT features to embeddings."""

    def __init__(self, weight: Floats, bias: Floats) -> None:
        """weight: [hidden, d]; bias: [hidden]."""
        self.bias, self._weights = bias, np.ascontiguousarray(weight.T)
        self.inputs = len(self._weights)
        self._structure = Projection(self.inputs, len(bias), self._weights.ctypes.data, bias.ctypes.data)
        self.pointer = ctypes.byref(self._structure)


class _Front:
    """`count` rows: buffers of a step, whose addresses are found once and for all."""

    def __init__(self, count: int, hidden: int, logits: Floats, vocabulary: int) -> None:
        self.x = np.zeros((count, hidden), np.float32)
        self.places = np.zeros(count, np.int32)
        self.logits = logits[:count, :vocabulary]
        self.rows = np.zeros(count, np.int32)
        self.batch = _batch(self.x, self.rows, self.places, None, logits[:count])


def _batch(
    x: Floats,
    rows: NDArray[np.int32],
    places: NDArray[np.int32],
    seen: NDArray[np.int32] | None,
    logits: Floats,
) -> Batch:
    """A batch of these arrays, which have to live as long; logits of the last ones go to `logits`."""
    return Batch(
        len(x),
        len(logits),
        x.ctypes.data,
        rows.ctypes.data,
        places.ctypes.data,
        None if seen is None else seen.ctypes.data,
        logits.ctypes.data,
    )


def _layers(parameters: Mapping[str, Parameter]) -> int:
    return sum(name.endswith(".linear1.bias") for name in parameters)


def _readable(parameters: Mapping[str, Parameter], heads: int) -> bool:
    """Whether matrices have few bits in whole blocks, and all shapes go together. Raises KeyError: one is missing.

    Some of them may be float16; where all are, onnxruntime is faster.
    """
    prefixes = [f"h.layers.{index}." for index in range(_layers(parameters))]
    products = [parameters[prefix + name] for prefix in prefixes for name in _PRODUCTS]
    if not all(readable(product) for product in (*products, parameters[_PREDICT])):
        return False
    blocks = {block(product) for product in products if product.form != "_half"}
    if not blocks or (len(blocks) > 1 and max(blocks) > MIXED_BLOCK):
        return False
    hidden, attention, inner = (products[index].shape[1] for index in (0, 1, 3))
    vocabulary = parameters[_PREDICT].shape[0]
    shapes: dict[str, tuple[int, ...]] = {
        _PREDICT: (vocabulary, hidden),
        f"{_TOKENS}.weight": (vocabulary, hidden),
        f"{_PHONES}.weight": (parameters[f"{_PHONES}.weight"].shape[0], hidden),
    }
    for name in _POSITIONS:
        shapes |= {f"{name}.rates": (hidden // 2,), f"{name}.alpha": (1,)}
    if _FEATURES[0] in parameters:
        shapes |= {_FEATURES[0]: (hidden, parameters[_FEATURES[0]].shape[1]), _FEATURES[1]: (hidden,)}
    for prefix in prefixes:
        inputs, outputs = (hidden, attention, hidden, inner), (3 * attention, hidden, inner, hidden)
        both = zip(outputs, inputs, strict=True)
        shapes |= {prefix + name: shape for name, shape in zip(_PRODUCTS, both, strict=True)}
        shapes |= {prefix + name: (length,) for name, length in zip(_BIASES, outputs, strict=True)}
        shapes |= {prefix + name: (hidden,) for name in _NORMS}
    size, rest = divmod(attention, heads)
    return (
        all(parameters[name].shape == shape for name, shape in shapes.items())
        and (rest, size % TILE, inner % TILE) == (0, 0, 0)
        and 0 < size <= LARGEST_HEAD
        and inner > 0
    )


def _waves(weights: StageOneWeights, name: str, places: int) -> Floats:
    """What `SinePositions` adds at each place, [places, hidden]."""
    angles = np.arange(places, dtype=np.float32)[:, None] * weights.read(f"{name}.rates")
    waves = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(places, -1)
    return np.asarray(weights.read(f"{name}.alpha") * waves, np.float32)


def _close(functions: ctypes.CDLL, opened: int, process: int) -> None:
    """In a forked process there are no threads that could be waited for."""
    if os.getpid() == process:
        functions.timbral_close(opened)
