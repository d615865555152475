"""What both compiled networks of sovits-tiny's stage two are made of: weights by name, and blocks of ConvNeXt."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.models.weights import Adapter
from timbral.models.weights.parameters import Parameter, read_parameters
from timbral.native.binding import FilmBlock, FilmBlocks, Norm, Product
from timbral.native.packing import TILE, pack, pack_half, readable
from timbral.native.structures import Arrays

Floats = NDArray[np.float32]
Shapes = dict[str, tuple[int, ...]]

MOST_BLOCKS = 64
"""Of one network; `kMostBlocks` of model.h."""
_EPSILON = 1e-5
"""Of the layer norms: what torch has by default."""
_CONDITION = ("timbre.layers.0", "timbre.layers.2")


@dataclass(frozen=True)
class NetworkWeights:
    """Weights of a network as its graph stores them.

    parameters: by the names of the network. changed: constants of the graph in place of its own, of a fine-tuned voice.
    """

    parameters: Mapping[str, Parameter]
    changed: Mapping[str, NDArray[Any]]

    @staticmethod
    def of(
        graph: Path, adapter: Adapter | None, fit: Callable[["NetworkWeights"], bool]
    ) -> "NetworkWeights | None":
        """None where a kernel cannot read the weights: of other bits, or of other layers.

        fit: whether it can, or KeyError where one is missing and ValueError where one has another count of dimensions. Raises
        BundleError: the graph cannot be read. VoiceError: the changes do not fit.
        """
        weights = NetworkWeights(read_parameters(graph), adapter.constants(graph) if adapter else {})
        try:
            return weights if fit(weights) else None
        except (KeyError, ValueError):
            return None

    def read(self, name: str) -> Floats:
        """A weight as numbers, changed where it is. Raises KeyError: there is none of that name."""
        return self.parameters[name].read(self.changed)

    def shape(self, name: str) -> tuple[int, ...]:
        return self.parameters[name].shape

    def have(self, shapes: Shapes) -> bool:
        """Whether weights have these shapes. Raises KeyError: one is missing."""
        return all(self.shape(name) == shape for name, shape in shapes.items())

    def are_of(self, modules: Iterable[str]) -> bool:
        """Whether all are of these modules of the network. A graph that computes something else as well has other constants."""
        return {name.split(".")[0] for name in self.parameters} <= {*modules}

    def blocks(self, kind: str) -> list[str]:
        """Prefixes of the names of blocks, in the order in which they run."""
        count = 0
        while f"{kind}.{count}.up.weight" in self.parameters:
            count += 1
        return [f"{kind}.{index}." for index in range(count)]

    def multiplies(self, names: list[str]) -> bool:
        """Whether kernels can read the weights of these products."""
        products = [self.parameters[f"{name}.weight"] for name in names]
        return all(readable(product) and len(product.shape) == 2 for product in products)

    def fit(self, prefixes: list[str], timbre: int) -> bool:
        """Whether kernels can read the blocks of these names and what makes their condition of a timbre.

        Raises KeyError: a weight is missing.
        """
        if not 0 < len(prefixes) <= MOST_BLOCKS:
            return False
        channels = self.shape(f"{prefixes[0]}norm.weight")[0]
        inner = self.shape(f"{prefixes[0]}up.bias")[0]
        condition = self.shape(f"{_CONDITION[0]}.bias")[0]
        shapes: Shapes = {
            f"{_CONDITION[0]}.weight": (condition, timbre),
            f"{_CONDITION[1]}.weight": (condition, condition),
            f"{_CONDITION[1]}.bias": (condition,),
        }
        for prefix in prefixes:
            *_, taps = self.shape(f"{prefix}mix.weight")
            if taps % 2 == 0:
                return False
            shapes |= {
                f"{prefix}mix.weight": (channels, 1, taps),
                f"{prefix}film.weight": (2 * channels, condition),
                f"{prefix}film.bias": (2 * channels,),
                f"{prefix}up.weight": (inner, channels),
                f"{prefix}up.bias": (inner,),
                f"{prefix}down.weight": (channels, inner),
            }
            names = ("mix.bias", "norm.weight", "norm.bias", "down.bias")
            shapes |= {prefix + name: (channels,) for name in names}
        products = [prefix + name for prefix in prefixes for name in ("film", "up", "down")]
        whole = not any(size % TILE for size in (channels, inner, condition))
        return whole and self.multiplies(products) and self.have(shapes)


class NetworkArrays(Arrays):
    """Arrays of a network's weights."""

    def __init__(self, weights: NetworkWeights) -> None:
        super().__init__()
        self._weights = weights

    def weight(self, name: str) -> int:
        """The address of a weight as numbers."""
        return self.address(self._weights.read(name))

    def norm(self, name: str) -> Norm:
        return Norm(self.weight(f"{name}.weight"), self.weight(f"{name}.bias"))

    def layer(self, name: str) -> Product:
        """A product as it is stored, and its bias."""
        packed = pack(self._weights.parameters[f"{name}.weight"], self._weights.changed)
        return self.product(packed, self._weights.read(f"{name}.bias"))

    def convolution(self, name: str, inputs: int = 0) -> Product:
        """A convolution in float16, as a product of [taps, inputs]; inputs: filled up to so many."""
        weight = self._weights.read(f"{name}.weight")
        outputs, given, taps = weight.shape
        filled = np.zeros((outputs, taps, max(inputs, given)), np.float32)
        filled[:, :, :given] = weight.transpose(0, 2, 1)
        return self.product(pack_half(filled.reshape(outputs, -1)), self._weights.read(f"{name}.bias"))

    def blocks(self, prefixes: list[str]) -> FilmBlocks:
        """The blocks of these names, with what makes their condition of a timbre."""
        weights = self._weights
        blocks = [
            FilmBlock(
                weights.shape(f"{prefix}mix.weight")[2],
                self.address(weights.read(f"{prefix}mix.weight")[:, 0].T),
                self.weight(f"{prefix}mix.bias"),
                self.norm(f"{prefix}norm"),
                *(self.layer(prefix + name) for name in ("film", "up", "down")),
            )
            for prefix in prefixes
        ]
        condition = (
            self.projection(weights.read(f"{name}.weight"), weights.read(f"{name}.bias"))
            for name in _CONDITION
        )
        return FilmBlocks(
            blocks[0].down.outputs,
            blocks[0].up.outputs,
            len(blocks),
            _EPSILON,
            (FilmBlock * len(blocks))(*blocks),
            tuple(condition),
        )
