"""Quantises the weights of a graph; activations stay float32.

| precision | matrix products                       | embeddings         | other large weights | bytes |
|-----------|---------------------------------------|--------------------|---------------------|-------|
| fp32      | float32                               | float32            | float32             | 1     |
| fp16      | float16                               | float16            | float16             | 1/2   |
| int8      | 8 bits, a scale for a block of inputs | 8 bits, scaled row | float16             | 1/4   |
| int4      | 4 bits, a scale for a block of inputs | 8 bits, scaled row | float16             | 1/7   |

Products with 8- or 4-bit weights are MatMulNBits (com.microsoft), which rounds its input to 8 bits as well.
Rows of embeddings are dequantised when they are looked up. float16 becomes float32 when the graph is loaded,
so that `fp16` halves a download, but not the memory or the time of a CPU. For CUDA, `conversion.export.fp16`
makes graphs over the same weights that also compute in float16.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from timbral.errors import CheckpointError

Precision = Literal["fp32", "fp16", "int8", "int4"]

SMALLEST = 4096
"""Elements from which on a weight is quantised."""
BLOCKS = {8: 64, 4: 32}
"""Inputs that share a scale, by bits.

With larger blocks onnxruntime rounds a single row differently from one of several.
"""


def to_precision(model: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """The same graph in the given precision. The one passed in is changed."""
    if precision == "fp32":
        return model
    if precision != "fp16":
        model = _quantize_products(model, 8 if precision == "int8" else 4)
        _quantize_embeddings(model.graph)
    _halve(model.graph)
    return model


def encoder_precision(precision: Precision) -> Precision:
    """Precision of the encoders of a reference, in a bundle of the given one: fp16 at least.

    They run once per reference, so that fewer bits would save little time, and their error would affect all
    speech.
    """
    return "fp32" if precision == "fp32" else "fp16"


def _quantize_products(model: onnx.ModelProto, bits: int) -> onnx.ModelProto:
    """Store the weights of matrix products with so many bits."""
    with _quiet():
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

        quantizer = MatMulNBitsQuantizer(
            model, bits=bits, block_size=BLOCKS[bits], is_symmetric=True, accuracy_level=4
        )
        quantizer.process()
    small: onnx.ModelProto = quantizer.model.model
    return small


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps a library from logging every node, and from setting up the program's logging when it is imported."""
    root = logging.getLogger()
    handlers, level, disabled = list(root.handlers), root.level, root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)
        root.handlers[:] = handlers
        root.setLevel(level)


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
    casts = []
    for weight in graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < SMALLEST:
            continue
        name = weight.name
        with np.errstate(over="ignore"):
            half = numpy_helper.to_array(weight).astype(np.float16)
        if not name.startswith("/") and not np.isfinite(half).all():
            raise CheckpointError(
                f"the weight {name} is beyond what float16 holds; import with --precision fp32"
            )
        weight.CopyFrom(numpy_helper.from_array(half, name + "_half"))
        casts.append(helper.make_node("Cast", [name + "_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
