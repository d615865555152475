"""How much every weight matters: the loss of its parts when it alone is rounded coarsely."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from timbral.compression.quantization.fed_graph import Values
from timbral.compression.quantization.float_graphs import Kind, Weight
from timbral.compression.quantization.formats import Format, Rounded, nearest
from timbral.compression.quantization.parts import Outputs, Part
from timbral.paths import atomic_write

PROBES: Mapping[Kind, Format] = MappingProxyType(
    {"product": Format(4, 32), "table": Format(4), "dense": Format(8)}
)
"""The format in which weights are measured; that of others is in proportion to their square error."""


def measure_sensitivity(
    parts: Sequence[Part],
    expected: Mapping[str, Outputs],
    weights: Mapping[str, Weight],
    values: Values,
    journal: Path,
    on_progress: Callable[[float], None],
) -> dict[str, float]:
    """Loss per square error of every weight that a part depends on.

    expected: outputs of each part with all weights as they are. journal: a file of what was measured, from which an
    interrupted measurement goes on.
    """
    known: dict[str, float] = json.loads(journal.read_text("utf-8")) if journal.is_file() else {}
    journal.parent.mkdir(parents=True, exist_ok=True)
    pairs = [(part, key) for part in parts for key in sorted(part.keys)]
    found: dict[str, float] = {}
    for number, (part, key) in enumerate(pairs):
        name, weight = f"{part.name} {key}", weights[key]
        probe = nearest(weight, PROBES[weight.kind])
        if name not in known:
            values[key] = probe.value
            known[name] = part.loss(expected[part.name], part.run())
            values[key] = weight.value
            with atomic_write(journal) as file:
                file.write_text(json.dumps(known), "utf-8")
        error = square_error(weight, probe)
        found[key] = found.get(key, 0.0) + (max(0.0, known[name]) / error if error else 0.0)
        on_progress((number + 1) / len(pairs))
    return found


def square_error(weight: Weight, rounded: Rounded) -> float:
    """Sum of squares of what rounding changes."""
    difference = (rounded.value - weight.value).ravel()
    return float(np.dot(difference, difference))
