"""ONNX graphs whose weights lie in one file beside them, each weight once however many graphs use it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import onnx
from onnx import numpy_helper
from onnx.external_data_helper import set_external_data

from timbral.conversion.export.precision import Precision, to_precision

SMALLEST = 4096
"""Bytes from which on a constant goes into the file; of smaller ones only the matrices of a network do."""
ALIGNMENT, _SMALL_ALIGNMENT = 4096, 64
"""Large weights start at multiples of a memory page, so that a runtime can map them."""


def write_graphs(
    folder: Path,
    graphs: Mapping[str, onnx.ModelProto],
    weights: str,
    precision: Precision = "fp32",
    exceptions: Mapping[str, Precision] = MappingProxyType({}),
) -> None:
    """Writes each graph to its file name in `folder`, and their weights to the file `weights` there.

    Weights are recognised by content, so it does not matter what the graphs call them. The graphs passed in
    are changed: their large weights become references. exceptions: graphs that have another precision.
    """
    graphs = {name: to_precision(model, exceptions.get(name, precision)) for name, model in graphs.items()}
    folder.mkdir(parents=True, exist_ok=True)
    offsets: dict[bytes, tuple[int, int]] = {}
    with (folder / weights).open("wb") as file:
        for model in graphs.values():
            for tensor in model.graph.initializer:
                data = numpy_helper.to_array(tensor).tobytes()
                if len(data) < SMALLEST and not _is_matrix(tensor):
                    continue
                digest = hashlib.sha256(data).digest()
                if digest not in offsets:
                    file.write(
                        bytes(-file.tell() % (ALIGNMENT if len(data) >= SMALLEST else _SMALL_ALIGNMENT))
                    )
                    offsets[digest] = file.tell(), len(data)
                    file.write(data)
                tensor.raw_data = data
                set_external_data(tensor, weights, *offsets[digest])
                tensor.ClearField("raw_data")
    for name, model in graphs.items():
        onnx.save(model, folder / name)


def _is_matrix(tensor: onnx.TensorProto) -> bool:
    """Whether a constant is what an adapter may change: a weight of two and more dimensions, or its scales.

    A runtime exchanges only constants that are in a file of their own.
    """
    is_scale = tensor.name.removesuffix("_half").endswith("_scales")
    return "/" not in tensor.name and (len(tensor.dims) > 1 or is_scale)
