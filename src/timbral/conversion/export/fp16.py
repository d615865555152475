"""Stage one in float16, for CUDA; on a CPU float32 is faster.

`fp16` graphs hold float16 weights and compute in float32, which every device can. `to_fp16` makes graphs that
compute in float16 with the same weights bit for bit, so that both kinds share one file of weights
(`conversion.export.semantic`). Their KV caches are float16 as well. Tested with onnxruntime on a CPU; not yet
run on CUDA.
"""

import copy

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT32_VALUES = ("logits", "bert")
"""Inputs and outputs that stay float32."""


def to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Stage one's graph in float16, but for the angles of positions, which need more digits.

    The model is not changed.
    """
    model = copy.deepcopy(model)
    graph = model.graph
    exact = _angles(graph)
    _convert_weights(graph, exact)
    for node in graph.node:
        if node.name not in exact:
            _convert_constants(node)
    _cast_between(graph, exact)
    for item in (*graph.input, *graph.output):
        kind = item.type.tensor_type
        if kind.elem_type == TensorProto.FLOAT and item.name not in FLOAT32_VALUES:
            kind.elem_type = TensorProto.FLOAT16
    return model


def _angles(graph: onnx.GraphProto) -> set[str]:
    """Names of sines and cosines and of all nodes that they are computed from."""
    maker = {output: node for node in graph.node for output in node.output}
    waiting = [node for node in graph.node if node.op_type in ("Sin", "Cos")]
    names: set[str] = set()
    while waiting:
        node = waiting.pop()
        if node.name not in names:
            names.add(node.name)
            waiting.extend(maker[name] for name in node.input if name in maker)
    return names


def _convert_weights(graph: onnx.GraphProto, exact: set[str]) -> None:
    kept = {name for node in graph.node if node.name in exact for name in node.input}
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.name not in kept:
            tensor.CopyFrom(_as_fp16(tensor))


def _convert_constants(node: onnx.NodeProto) -> None:
    """Converts the types in a node's attributes: the target of a cast, and constants."""
    for attribute in node.attribute:
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
        elif attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
            attribute.t.CopyFrom(_as_fp16(attribute.t))


def _as_fp16(tensor: onnx.TensorProto) -> onnx.TensorProto:
    # The lowest number of a mask becomes minus infinity, which masks as well.
    with np.errstate(over="ignore"):
        return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name)


def _cast_between(graph: onnx.GraphProto, exact: set[str]) -> None:
    """Casts where float32 enters the part that is float16, and where results leave it."""
    made = {"Sin", "Cos"}
    wide = {output for node in graph.node if node.op_type in made for output in node.output}
    wide |= {item.name for item in graph.input if item.name in FLOAT32_VALUES}
    names = {name: f"{name}/half" for name in wide}
    casts = {name: _cast(name, half, TensorProto.FLOAT16) for name, half in names.items()}
    nodes = [casts.pop(item.name) for item in graph.input if item.name in casts]
    results = {item.name for item in graph.output if item.name in FLOAT32_VALUES}
    for node in graph.node:
        if node.name not in exact:
            node.input[:] = [names.get(name, name) for name in node.input]
        ends = [name for name in node.output if name in results]
        node.output[:] = [f"{name}/half" if name in results else name for name in node.output]
        nodes.append(node)
        nodes += [casts.pop(name) for name in node.output if name in casts]
        nodes += [_cast(f"{name}/half", name, TensorProto.FLOAT) for name in ends]
    kept = [copy.deepcopy(node) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)


def _cast(source: str, target: str, kind: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"Cast/{target}", to=kind)
