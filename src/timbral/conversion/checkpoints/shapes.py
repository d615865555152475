"""Tables of tensor names and shapes, and the reading of a network's sizes off them."""

from collections.abc import Mapping
from typing import TypeAlias

from timbral.conversion.checkpoints.defects import DAMAGED, DefectError, quoted
from timbral.conversion.checkpoints.metadata import Value

Shape: TypeAlias = tuple[int, ...]
Shapes: TypeAlias = dict[str, Shape]

_LARGEST_SETTING = 1 << 20


def layer(name: str, *shape: int, bias: bool = True) -> Shapes:
    """A linear layer or convolution: `weight` of this shape and a `bias` as long as its first axis."""
    made = {f"{name}.weight": shape}
    return {**made, f"{name}.bias": shape[:1]} if bias else made


def upsampling(name: str, inputs: int, outputs: int, kernel: int) -> Shapes:
    """A transposed convolution."""
    return {f"{name}.weight": (inputs, outputs, kernel), f"{name}.bias": (outputs,)}


def layer_norm(name: str, size: int) -> Shapes:
    """A layer norm."""
    return {f"{name}.weight": (size,), f"{name}.bias": (size,)}


def batch_norm(name: str, size: int) -> Shapes:
    """A batch norm, less its count of batches."""
    return {f"{name}.{part}": (size,) for part in ("weight", "bias", "running_mean", "running_var")}


def normed(plain: Shapes) -> Shapes:
    """The same with weight norm in its old form: `weight_g` and `weight_v` instead of `weight`."""
    made: Shapes = {}
    for name, shape in plain.items():
        if name.endswith(".weight"):
            made |= {f"{name}_g": (shape[0], 1, 1), f"{name}_v": shape}
        else:
            made[name] = shape
    return made


class ShapeReader:
    """Reads sizes from the shapes of tensors, and what these do not determine from the configuration."""

    def __init__(self, shapes: Mapping[str, Shape], config: Value) -> None:
        self._shapes = shapes
        self._config = config

    def has(self, name: str) -> bool:
        """Whether there is such a tensor."""
        return name in self._shapes

    def length(self, name: str, axis: int) -> int:
        """Length of a tensor along an axis. Raises DefectError where there is none."""
        if name not in self._shapes:
            raise DefectError(f"it has no tensor {name}; {DAMAGED}")
        shape = self._shapes[name]
        if axis >= len(shape) or not shape[axis]:
            raise DefectError(f"its tensor {name} has the shape {shape}; {DAMAGED}")
        return shape[axis]

    def count(self, name: str) -> int:
        """How many tensors there are of a name with `{}` for their index, from 0 on, at least one."""
        count = 0
        while name.format(count) in self._shapes:
            count += 1
        if not count:
            raise DefectError(f"it has no tensor {name.format(0)}; {DAMAGED}")
        return count

    def setting(self, *path: str) -> Value:
        """An entry of the configuration, None where there is none."""
        value = self._config
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def check(self, found: int, *path: str) -> int:
        """A size by the tensors.

        Raises DefectError where the configuration has another one: tensors were cut.
        """
        value = self.setting(*path)
        if value is not None and value != found:
            raise DefectError(
                f"its {path[-1]} is {found}, and {quoted(value)} in its configuration; {DAMAGED}"
            )
        return found

    def number(self, *path: str, default: int) -> int:
        """A whole number of the configuration."""
        value = self.setting(*path)
        return self._checked(value, path) if value is not None else default

    def numbers(self, *path: str, count: int) -> tuple[int, ...] | None:
        """A list of `count` whole numbers of the configuration, None where there is none."""
        value = self.setting(*path)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != count:
            raise DefectError(f"its configuration of {'.'.join(path)} is not a list of {count}; {DAMAGED}")
        return tuple(self._checked(item, path) for item in value)

    @staticmethod
    def _checked(value: Value, path: tuple[str, ...]) -> int:
        if type(value) is not int or not 0 < value < _LARGEST_SETTING:
            raise DefectError(f"its configuration of {'.'.join(path)} is {quoted(value)}; {DAMAGED}")
        return value
