"""The constants of a graph as the weights of a network: dequantised, and quantised again.

`conversion.export.precision` and `conversion.export.calibration` quantise weights; the suffix of a name
states how:

| name               | stored as                                                                   |
|--------------------|-----------------------------------------------------------------------------|
| `w`                | float32                                                                     |
| `w_half`           | float16                                                                     |
| `w_rows`           | int8 [rows, ...], and `w_scale` float32 [rows, 1...]                        |
| `w_halves`         | uint8 [rows, n / 2] around 8, and `w_scale` float32 [rows, 1]               |
| `w_Q8`, `w_Q4`     | uint8 [outputs, blocks, bytes] around 128 or 8, and `w_scales`              |
| `w_quantized`      | int8 [outputs, ...], and `w_scale` float32 [outputs]                        |

Many scales are float16, and their names end in `_half` too. `w` ends in `.T` where the graph holds a matrix
transposed. Blocks of quantised products are stored by outputs, as in the network.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from timbral.models.weights.graph_file import Constant, read_graph_file

Floats = NDArray[np.float32]
Form = Literal["", "_half", "_rows", "_halves", "_Q8", "_Q4", "_quantized"]
_FORMS: tuple[Form, ...] = ("_half", "_rows", "_halves", "_Q8", "_Q4", "_quantized")
_SCALES: Mapping[Form, str] = MappingProxyType(
    {
        "_rows": "_scale",
        "_halves": "_scale",
        "_Q8": "_scales",
        "_Q4": "_scales",
        "_quantized": "_scale",
    }
)
_TRANSPOSED = ".T"


@dataclass(frozen=True)
class Parameter:
    """A weight of a network, as a graph holds it.

    constant: name of the stored constant, scale: of its scales. inputs: columns of a quantised product.
    """

    name: str
    form: Form
    transposed: bool
    constant: str
    stored: Constant
    scale: str = ""
    scales: Constant | None = None
    inputs: int = 0

    @property
    def exchangeable(self) -> bool:
        """Whether a graph can be opened with another value of it."""
        return self.stored.external and (self.form not in ("_Q8", "_Q4") or self.stored_scales.external)

    @property
    def stored_scales(self) -> Constant:
        assert self.scales is not None
        return self.scales

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in the network."""
        if self.form in ("_Q8", "_Q4"):
            shape: tuple[int, ...] = (self.stored.shape[0], self.inputs)
            return shape if self.transposed else shape[::-1]
        if self.form == "_halves":
            return self.stored.shape[0], 2 * self.stored.shape[1]
        return self.stored.shape[::-1] if self.transposed else self.stored.shape

    def constants(self, changed: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
        """The stored constant and its scales (empty without any), or their replacements in `changed`."""
        stored, scales = changed.get(self.constant), changed.get(self.scale)
        if scales is None:
            scales = self.scales.read() if self.scales else np.zeros(0, np.float32)
        return self.stored.read() if stored is None else stored, scales

    def read(self, changed: Mapping[str, NDArray[Any]] = MappingProxyType({})) -> Floats:
        """The dequantised value, in the network's shape; changed: constants that replace the graph's."""
        stored, scales = self.constants(changed)
        value: Floats
        if self.form in ("", "_half"):
            value = stored.astype(np.float32)
            return value.T if self.transposed else value
        scales = scales.astype(np.float32)
        if self.form == "_halves":
            both = np.concatenate([stored & 15, stored >> 4], axis=1)
            value = (both.astype(np.float32) - _zero_point(self.form)) * scales
            return value
        if self.form in ("_rows", "_quantized"):
            value = stored.astype(np.float32) * scales.reshape(-1, *[1] * (stored.ndim - 1))
            return value.T if self.transposed else value
        numbers = _unpacked(stored, self.form).astype(np.float32) - _zero_point(self.form)
        value = (numbers * scales.reshape(*stored.shape[:2], 1)).reshape(len(stored), -1)[:, : self.inputs]
        return value if self.transposed else value.T

    def packed(self, value: Floats) -> dict[str, NDArray[Any]]:
        """Constants of another value [the network's shape], quantised as this one."""
        if self.form in ("", "_half"):
            turned = value.T if self.transposed else value
            return {self.constant: np.ascontiguousarray(turned, self.stored.dtype).reshape(self.stored.shape)}
        if self.form in ("_rows", "_quantized"):
            # These scales are few: they are inside the graph and cannot be replaced.
            scales = self.stored_scales.read().astype(np.float32)
            steps = np.rint(
                (value.T if self.transposed else value)
                / scales.reshape(-1, *[1] * (len(self.stored.shape) - 1))
            )
            return {self.constant: np.clip(steps, -127, 127).astype(np.int8).reshape(self.stored.shape)}
        if self.form == "_halves":
            steps = np.rint(value / self.stored_scales.read().astype(np.float32))
            numbers = (np.clip(steps, -7, 7) + _zero_point(self.form)).astype(np.uint8)
            first, second = np.split(numbers, 2, axis=1)
            return {self.constant: first | second << 4}
        return self._in_blocks(value if self.transposed else value.T)

    def _in_blocks(self, value: Floats) -> dict[str, NDArray[Any]]:
        outputs, blocks, size = self.stored.shape
        size *= 2 if self.form == "_Q4" else 1
        padded = np.zeros((outputs, blocks, size), np.float32)
        padded.reshape(outputs, -1)[:, : self.inputs] = value
        zero_point = _zero_point(self.form)
        # As the quantiser does: the largest value of a block, with its sign, becomes the lowest number.
        largest = np.take_along_axis(padded, np.abs(padded).argmax(2)[..., None], 2)
        scales = (largest / -zero_point).astype(self.stored_scales.dtype)
        steps = np.divide(padded, scales, out=np.zeros_like(padded), where=scales != 0)
        numbers = np.clip(np.rint(steps) + zero_point, 0, 2 * zero_point - 1).astype(np.uint8)
        if self.form == "_Q4":
            numbers = numbers[..., ::2] | (numbers[..., 1::2] << 4)
        return {
            self.constant: np.ascontiguousarray(numbers),
            self.scale: scales.reshape(self.stored_scales.shape),
        }


def read_parameters(graph: Path) -> dict[str, Parameter]:
    """The weights of the graph at `graph` by their names in the network.

    Raises BundleError: the file cannot be read.
    """
    file = read_graph_file(graph)
    parameters: dict[str, Parameter] = {}
    scales: set[str] = set()
    for name, constant in file.constants.items():
        form: Form = next((form for form in _FORMS if name.endswith(form)), "")
        stem, scale = name.removesuffix(form), ""
        if form in _SCALES:
            # Where there are many scales, they are stored as float16 themselves.
            scale = stem + _SCALES[form]
            scale = scale if scale in file.constants else scale + "_half"
            scales.add(scale.removesuffix("_half"))
            if scale not in file.constants:
                continue  # a bias, whose scale follows from those of weight and input
        own = stem.removesuffix(_TRANSPOSED)
        parameters[own] = Parameter(
            own, form, own != stem, name, constant, scale, file.constants.get(scale), file.inputs.get(name, 0)
        )
    return {
        name: each for name, each in parameters.items() if not name.startswith("/") and name not in scales
    }


def _zero_point(form: Form) -> int:
    return 128 if form == "_Q8" else 8


def _unpacked(stored: NDArray[Any], form: Form) -> NDArray[np.uint8]:
    if form == "_Q8":
        return stored
    both = np.stack([stored & 15, stored >> 4], -1)
    return both.reshape(*stored.shape[:2], -1)
