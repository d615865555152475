"""Low-rank adapters of weights (LoRA, Hu et al. 2021, https://arxiv.org/abs/2106.09685).

Changed weights replace a graph's own when it is opened: speaking takes no longer, in any precision.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.errors import VoiceError
from timbral.models.weights.parameters import Floats, read_parameters


@dataclass(frozen=True, eq=False)
class LowRank:
    """A change of a weight [outputs, ...]: up [outputs, rank] times down [rank, all other dimensions]."""

    down: NDArray[np.floating[Any]]
    up: NDArray[np.floating[Any]]

    def added_to(self, weight: Floats) -> Floats:
        """The changed weight. Raises ValueError for another shape, before anything is multiplied."""
        # Quantised products have lost a first dimension of 1.
        outputs = len(self.up)
        if outputs not in (1, len(weight)) or outputs * self.down.shape[1] != weight.size:
            raise ValueError(f"a change of {outputs} x {self.down.shape[1]} for a weight of {weight.shape}")
        change = self.up.astype(np.float32) @ self.down.astype(np.float32)
        return weight + change.reshape(weight.shape)


@dataclass(frozen=True, eq=False)
class Adapter:
    """Low-rank changes by part of a model, and there by the name of the weight in its network.

    A part is `semantic` (both graphs of stage one), or the graph of stage two that holds the weight:
    `latent`, `vocoder`, `features`, `condition`, `flow`.
    """

    parts: Mapping[str, Mapping[str, LowRank]]

    @staticmethod
    def of(tensors: Mapping[str, NDArray[Any]]) -> "Adapter":
        """The adapter with these `tensors`.

        Raises ValueError: wrong names, types or shapes, values that are not finite.
        """
        if any(tensor.dtype != np.float16 or tensor.ndim != 2 for tensor in tensors.values()):
            raise ValueError("an adapter has float16 matrices")
        parts: dict[str, dict[str, LowRank]] = {}
        for key, down in tensors.items():
            stem, _, side = key.rpartition("/")
            part, _, name = stem.partition("/")
            up = tensors.get(f"{stem}/up")
            if side not in ("down", "up") or not name or up is None or f"{stem}/down" not in tensors:
                raise ValueError(f"{key} is not a change of a weight")
            if not np.isfinite(down).all():
                raise ValueError(f"{key} is not finite")
            if side == "down":
                if up.shape[1] != len(down):
                    raise ValueError(f"{stem} has two ranks")
                parts.setdefault(part, {})[name] = LowRank(down, up)
        return Adapter(parts)

    def tensors(self) -> dict[str, NDArray[np.float16]]:
        """Its matrices in float16, by `part/name of the weight/down` and `.../up`."""
        found: dict[str, NDArray[np.float16]] = {}
        for part, changes in self.parts.items():
            for name, change in changes.items():
                found[f"{part}/{name}/down"] = change.down.astype(np.float16)
                found[f"{part}/{name}/up"] = change.up.astype(np.float16)
        return found

    @cached_property
    def digest(self) -> str:
        """SHA-256 of its contents."""
        found = hashlib.sha256()
        for name, tensor in sorted(self.tensors().items()):
            found.update(f"{name}{tensor.shape}".encode())
            found.update(tensor.tobytes())
        return found.hexdigest()

    def constants(self, graph: Path) -> dict[str, NDArray[Any]]:
        """Constants that replace those of the graph at `graph`, by name; {} where nothing of it changes.

        Graphs of one part need not hold all of its weights. Raises VoiceError: a change that does not fit the
        graph, or that the graph's precision cannot hold.
        """
        changes = self.parts.get(part_of(graph))
        if not changes:
            return {}
        parameters = read_parameters(graph)
        found: dict[str, NDArray[Any]] = {}
        for name in parameters.keys() & changes.keys():
            parameter = parameters[name]
            try:
                changed = changes[name].added_to(parameter.read())
            except ValueError:
                raise VoiceError(f"this voice changes {name} in another shape than {graph} has it") from None
            if not parameter.exchangeable:
                raise VoiceError(
                    f"this voice changes {name}, which {graph} cannot exchange; pull or import the model again"
                )
            with np.errstate(over="ignore"):
                packed = parameter.packed(changed)
            if not all(np.isfinite(array).all() for array in packed.values()):
                raise VoiceError(
                    f"this voice changes {name} to numbers that {graph} cannot hold; train it again at a lower rate"
                )
            found |= packed
        return found


def part_of(graph: Path) -> str:
    """The part of a model that a graph belongs to."""
    return graph.stem.partition("_")[0]
