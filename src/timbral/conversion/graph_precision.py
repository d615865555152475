"""The precision of a graph's weights, read off the graph: those of one model differ."""

import math
from pathlib import Path

import onnx
from onnx import TensorProto

from timbral.conversion.export.precision import Precision

_KINDS: dict[int, Precision] = {
    TensorProto.FLOAT: "fp32",
    TensorProto.FLOAT16: "fp16",
    TensorProto.INT8: "int8",
    TensorProto.UINT8: "int8",
}
"""By type of the tensor; positions, lengths and the like are no weights."""
_PACKED: dict[int, Precision] = {4: "int4", 8: "int8"}
"""Of matrix products with several weights to a byte, by bits."""


def graph_precision(path: Path) -> Precision:
    """The precision of most of the weights of a graph; fp32 where it has none.

    Files of weights are not read.
    """
    graph = onnx.load(path, load_external_data=False).graph
    bits = {
        node.input[1]: attribute.i
        for node in graph.node
        if node.op_type == "MatMulNBits"
        for attribute in node.attribute
        if attribute.name == "bits"
    }
    counts: dict[Precision, int] = {"fp32": 0}
    for tensor in graph.initializer:
        packed = bits.get(tensor.name)
        kind = _KINDS.get(tensor.data_type) if packed is None else _PACKED[packed]
        if kind is not None:
            weights = math.prod(tensor.dims) * (8 // packed if packed else 1)
            counts[kind] = counts.get(kind, 0) + weights
    return max(counts, key=lambda kind: counts[kind])
