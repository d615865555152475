"""ONNX graphs whose weights lie in one file beside them, each weight once however many graphs use it."""

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import onnx
from onnx import helper, numpy_helper
from onnx.external_data_helper import set_external_data

from timbral.conversion.export.precision import Precision, to_precision
from timbral.errors import BundleError
from timbral.models.weights.graph_file import read_graph_file

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
    constants = [tensor for model in graphs.values() for tensor in model.graph.initializer]
    offsets: dict[bytes, tuple[int, int]] = {}
    with (folder / weights).open("wb") as file:
        # Large ones first: small ones follow each other without padding.
        for tensor in sorted(constants, key=_is_small):
            if _is_small(tensor) and not _is_matrix(tensor):
                continue
            data = numpy_helper.to_array(tensor).tobytes()
            digest = hashlib.sha256(data).digest()
            if digest not in offsets:
                file.write(bytes(-file.tell() % (_SMALL_ALIGNMENT if _is_small(tensor) else ALIGNMENT)))
                offsets[digest] = file.tell(), len(data)
                file.write(data)
            tensor.raw_data = data
            set_external_data(tensor, weights, *offsets[digest])
            tensor.ClearField("raw_data")
    for name, model in graphs.items():
        onnx.save(model, folder / name)


def _is_small(tensor: onnx.TensorProto) -> bool:
    size = math.prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return bool(size < SMALLEST)


def _is_matrix(tensor: onnx.TensorProto) -> bool:
    """Whether an adapter may change a constant: a weight of two or more dimensions, or scales of blocks.

    A runtime replaces only constants that are in a file of their own.
    """
    name = tensor.name.removesuffix("_half")
    is_weight = "/" not in name and len(tensor.dims) > 1 and not name.endswith("_scale")
    return is_weight or name.endswith("_scales")


def load_weights(model: onnx.ModelProto, path: Path) -> None:
    """Brings what the graph of `path` keeps in files of weights into the model itself. Raises BundleError.

    onnx's own function refuses files with several hard links, and uv installs packages as such.
    """
    constants = read_graph_file(path).constants
    for tensor in model.graph.initializer:
        if not tensor.external_data:
            continue
        if tensor.name not in constants:
            raise BundleError(f"{path} has constants of an unknown type: get the model again")
        tensor.raw_data = constants[tensor.name].read().tobytes()
        del tensor.external_data[:]
        tensor.data_location = onnx.TensorProto.DEFAULT
