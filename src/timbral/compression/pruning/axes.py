"""Which axes of the weights of a network belong together, so that they can be cut together.

A *dimension* is a set of units that many weights share, such as the channels of a residual stream. A layout
says for each weight which dimension lies along each of its axes. An axis may hold the units several times,
one set after the other, as the axis of queries, keys and values does, and a unit may be several entries wide,
as a head is.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Axis:
    """An axis with the units of a dimension.

    dimension: may name the groups of the pattern of the weight, as in `inner {0}`. repeats: sets of all units
    along the axis. width: entries of a unit.
    """

    dimension: str
    repeats: int = 1
    width: int = 1

    def units(self, size: int) -> int:
        """How many units an axis of this size holds."""
        return size // (self.repeats * self.width)

    def entries(self, units: Tensor, size: int) -> Tensor:
        """Indices along an axis of this size of the given units, in their order."""
        count = self.units(size)
        first = torch.arange(self.repeats)[:, None] * count + units
        return (first[..., None] * self.width + torch.arange(self.width)).flatten()


Layout = Mapping[str, Sequence[Axis | None]]
"""The axes of weights by a regular expression of their names; None for an axis that is never cut."""


def axes_of(layout: Layout, name: str) -> Sequence[Axis | None]:
    """The axes of a weight. Raises KeyError: the layout does not know it."""
    for pattern, axes in layout.items():
        found = re.fullmatch(pattern, name)
        if found:
            return [
                axis and Axis(axis.dimension.format(*found.groups()), axis.repeats, axis.width)
                for axis in axes
            ]
    raise KeyError(name)


def walk(layout: Layout, state: Mapping[str, Tensor]) -> Iterator[tuple[str, int, Axis]]:
    """The name, the number of the axis and the axis, of all axes with a dimension."""
    for name in state:
        for number, axis in enumerate(axes_of(layout, name)):
            if axis is not None:
                yield name, number, axis


def sizes(layout: Layout, state: Mapping[str, Tensor]) -> dict[str, int]:
    """Number of units of each dimension."""
    return {axis.dimension: axis.units(state[name].shape[n]) for name, n, axis in walk(layout, state)}


def cut(layout: Layout, state: Mapping[str, Tensor], kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights with the kept units of each dimension, int64 [n]; dimensions without an entry stay whole."""
    result = {name: weight.detach().clone() for name, weight in state.items()}
    for name, number, axis in walk(layout, state):
        if axis.dimension in kept:
            entries = axis.entries(kept[axis.dimension], state[name].shape[number])
            result[name] = result[name].index_select(number, entries)
    return result
