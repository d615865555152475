"""Makes a graph small: 8-bit weights in its matrix products, half precision for what else is large.

Only weights are stored with fewer bits. Products with 8-bit weights are MatMulNBits (com.microsoft) with one scale for a
block of 128 inputs; everything else is widened to float32 when the graph is loaded.
"""

from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Precision = Literal["fp32", "int8"]

SMALLEST = 4096
"""Elements from which on a weight is worth making small."""
BLOCK = 128


def compact(model: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """The same graph in the given precision."""
    if precision == "fp32":
        return model
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(model, bits=8, block_size=BLOCK, is_symmetric=True, accuracy_level=4)
    quantizer.process()
    small: onnx.ModelProto = quantizer.model.model
    _halve(small.graph)
    return small


def _halve(graph: onnx.GraphProto) -> None:
    """Store large float32 weights as float16; onnxruntime folds the cast back when it loads the graph."""
    scales = {name for node in graph.node if node.op_type == "MatMulNBits" for name in node.input[1:]}
    casts = []
    for weight in graph.initializer:
        if weight.data_type != TensorProto.FLOAT or weight.name in scales or np.prod(weight.dims) < SMALLEST:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), name + "_half"))
        casts.append(helper.make_node("Cast", [name + "_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
