"""Makes a graph small: 8-bit weights in its matrix products and embeddings, half precision for what else is large.

Only weights are stored with fewer bits. Products with 8-bit weights are MatMulNBits (com.microsoft) with one scale for a
block of 128 inputs; embeddings have a scale for each row, and the rows that are looked up are widened; everything else is
widened to float32 when the graph is loaded.
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
    _quantize_embeddings(small.graph)
    _halve(small.graph)
    return small


def _quantize_embeddings(graph: onnx.GraphProto) -> None:
    """Store matrices that are only looked up by rows as int8."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        weight = weights.get(node.input[0]) if node.op_type == "Gather" else None
        if weight is None or not _is_embedding(weight) or len(users[weight.name]) > 1:
            nodes.append(node)
            continue
        table = numpy_helper.to_array(weight)
        scale = np.maximum(np.abs(table).max(1, keepdims=True), 1e-12) / 127
        name, rows, output = weight.name, node.input[1], node.output[0]
        graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), name + "_scale"))
        weight.CopyFrom(numpy_helper.from_array(np.rint(table / scale).astype(np.int8), name + "_rows"))
        nodes += [
            helper.make_node("Gather", [name + "_rows", rows], [output + "_rows"]),
            helper.make_node("Gather", [name + "_scale", rows], [output + "_scale"]),
            helper.make_node("Cast", [output + "_rows"], [output + "_wide"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [output + "_wide", output + "_scale"], [output]),
        ]
    del graph.node[:]
    graph.node.extend(nodes)


def _is_embedding(weight: onnx.TensorProto) -> bool:
    whole = weight.data_type == TensorProto.FLOAT and len(weight.dims) == 2
    return whole and bool(np.prod(weight.dims) >= SMALLEST)


def _halve(graph: onnx.GraphProto) -> None:
    """Store large float32 weights as float16; onnxruntime folds the cast back when it loads the graph."""
    scales = {name for node in graph.node if node.op_type == "MatMulNBits" for name in node.input[1:]}
    casts = []
    for weight in graph.initializer:
        if weight.data_type != TensorProto.FLOAT or weight.name in scales or np.prod(weight.dims) < SMALLEST:
            continue
        name = weight.name
        weight.CopyFrom(
            numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), name + "_half")
        )
        casts.append(helper.make_node("Cast", [name + "_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
