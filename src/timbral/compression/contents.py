"""What a bundle holds: its parameters, and the bits that they are stored in."""

import math
from collections.abc import Mapping
from types import MappingProxyType

from timbral.models import Bundle
from timbral.models.weights import read_parameters
from timbral.models.weights.parameters import Form

_BITS: Mapping[Form, int] = MappingProxyType(
    {"": 32, "_half": 16, "_rows": 8, "_quantized": 8, "_Q8": 8, "_halves": 4, "_Q4": 4}
)


def weight_counts(bundle: Bundle) -> dict[int, int]:
    """Weights by the bits that they are stored in, the most bits first; those that graphs share count once."""
    counts: dict[int, int] = {}
    seen: set[tuple[str, int]] = set()
    for name in sorted(bundle.manifest.files):
        if not name.endswith(".onnx"):
            continue
        for parameter in read_parameters(bundle.folder / name).values():
            place = parameter.stored.path.name, parameter.stored.offset
            if parameter.stored.external and place in seen:
                continue
            seen.add(place)
            bits = _BITS[parameter.form]
            counts[bits] = counts.get(bits, 0) + math.prod(parameter.shape)
    return dict(sorted(counts.items(), reverse=True))
