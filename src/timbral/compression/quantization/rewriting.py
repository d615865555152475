"""Puts weights in their formats into graphs, and writes these.

The names of constants are those that `timbral.models.weights.parameters` reads, so that quantised models can
be fine-tuned, take the voices that were fine-tuned on their parents, and be compressed again.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from timbral.compression.quantization.float_graphs import FloatGraph, FloatModel, Weight
from timbral.compression.quantization.formats import Rounded
from timbral.conversion.export.weights import write_graphs

_OPSET = 18
"""Of the first version with operators on bits."""


def write_model(folder: Path, model: FloatModel, rounded: Mapping[str, Rounded]) -> None:
    """Writes all graphs and their files of weights. rounded: by the keys of the weights."""
    files = sorted({graph.file for graph in model.graphs.values()})
    for file in files:
        graphs = {
            name: _with_weights(graph, model.weights, rounded)
            for name, graph in model.graphs.items()
            if graph.file == file
        }
        write_graphs(folder, graphs, file)


def _with_weights(
    graph: FloatGraph, weights: Mapping[str, Weight], rounded: Mapping[str, Rounded]
) -> onnx.ModelProto:
    made = copy.deepcopy(graph.model)
    for name, key in graph.weights.items():
        _store(made.graph, name, weights[key], rounded[key])
    return made


def _store(graph: onnx.GraphProto, name: str, weight: Weight, rounded: Rounded) -> None:
    if rounded.numbers is None:
        _store_floats(graph, name, weight, rounded)
    elif weight.kind == "product":
        _store_product(graph, name, rounded)
    elif weight.kind == "table":
        _store_table(graph, name, rounded)
    else:
        _store_rows(graph, name, rounded)


def _store_floats(graph: onnx.GraphProto, name: str, weight: Weight, rounded: Rounded) -> None:
    value = rounded.floats
    assert value is not None
    if weight.kind == "product" and any(
        node.op_type == "MatMul" and node.input[1] == name for node in graph.node
    ):
        value = np.ascontiguousarray(value.T)
    if rounded.format.bits == 32:
        _add(graph, name, value)
        return
    _add(graph, f"{name}_half", value)
    _cast_first(graph, f"{name}_half", name)


def _store_product(graph: onnx.GraphProto, name: str, rounded: Rounded) -> None:
    assert rounded.numbers is not None
    assert rounded.scales is not None
    bits = rounded.format.stored_bits
    users = [node for node in graph.node if len(node.input) > 1 and node.input[1] == name]
    # Products of the form x W^T have the weight as the network does; the others have it transposed.
    stem = f"{name}.T" if users[0].op_type == "Gemm" else name
    numbers = (rounded.numbers.astype(np.int16) + 2 ** (bits - 1)).astype(np.uint8)
    if bits == 4:
        numbers = numbers[..., ::2] | numbers[..., 1::2] << 4
    _add(graph, f"{stem}_Q{bits}", numbers)
    scales = f"{stem}_scales"
    if rounded.scales.dtype == np.float16:
        _add(graph, f"{scales}_half", rounded.scales)
        _cast_first(graph, f"{scales}_half", scales)
    else:
        _add(graph, scales, rounded.scales)
    for node in users:
        _to_n_bits(graph, node, [f"{stem}_Q{bits}", scales], rounded)


def _to_n_bits(graph: onnx.GraphProto, node: onnx.NodeProto, constants: list[str], rounded: Rounded) -> None:
    """Makes a product one of few bits; a bias is added behind it."""
    output, bias = node.output[0], node.input[2] if len(node.input) > 2 else ""
    product = f"{output}/product" if bias else output
    made = helper.make_node(
        "MatMulNBits",
        [node.input[0], *constants],
        [product],
        name=f"{node.name}_{rounded.format.stored_bits}",
        domain="com.microsoft",
        K=rounded.shape[1],
        N=rounded.shape[0],
        bits=rounded.format.stored_bits,
        block_size=rounded.format.block,
        accuracy_level=4,
    )
    at = list(graph.node).index(node)
    node.CopyFrom(made)
    if bias:
        graph.node.insert(at + 1, helper.make_node("Add", [product, bias], [output], name=f"Add/{output}"))


def _store_table(graph: onnx.GraphProto, name: str, rounded: Rounded) -> None:
    assert rounded.numbers is not None
    assert rounded.scales is not None
    numbers = rounded.numbers[:, 0]
    users = [node for node in graph.node if node.input and node.input[0] == name]
    _add(graph, f"{name}_scale", rounded.scales.astype(np.float32))
    suffix = "_rows" if rounded.format.bits == 8 else "_halves"
    if rounded.format.bits == 8:
        _add(graph, f"{name}_rows", numbers[:, : rounded.shape[1]])
    else:
        # The first half of a row in the low halves of its bytes, the second half in the high ones.
        first, second = np.split((numbers + 8).astype(np.uint8), 2, axis=1)
        _add(graph, f"{name}_halves", first | second << 4)
        _add_halving(graph)
    for node in users:
        at = list(graph.node).index(node)
        made = _lookup(node, f"{name}{suffix}", f"{name}_scale", rounded)
        graph.node.remove(node)
        for offset, each in enumerate(made):
            graph.node.insert(at + offset, each)


_LOW, _FOUR, _EIGHT = "table/low", "table/four", "table/eight"


def _add_halving(graph: onnx.GraphProto) -> None:
    """The constants by which half bytes are taken apart, once a graph."""
    if all(tensor.name != _LOW for tensor in graph.initializer):
        for name, value in ((_LOW, np.uint8(15)), (_FOUR, np.uint8(4)), (_EIGHT, np.float32(8))):
            _add(graph, name, np.asarray(value))


def _lookup(node: onnx.NodeProto, rows: str, scale: str, rounded: Rounded) -> list[onnx.NodeProto]:
    """Nodes that look up rows and widen them."""
    ids, output = node.input[1], node.output[0]
    nodes = [
        helper.make_node("Gather", [rows, ids], [f"{output}_rows"]),
        helper.make_node("Gather", [scale, ids], [f"{output}_scale"]),
    ]
    if rounded.format.bits == 8:
        nodes.append(helper.make_node("Cast", [f"{output}_rows"], [f"{output}_wide"], to=TensorProto.FLOAT))
    else:
        nodes += [
            helper.make_node("BitwiseAnd", [f"{output}_rows", _LOW], [f"{output}_first"]),
            helper.make_node("BitShift", [f"{output}_rows", _FOUR], [f"{output}_second"], direction="RIGHT"),
            helper.make_node("Concat", [f"{output}_first", f"{output}_second"], [f"{output}_both"], axis=-1),
            helper.make_node("Cast", [f"{output}_both"], [f"{output}_floats"], to=TensorProto.FLOAT),
            helper.make_node("Sub", [f"{output}_floats", _EIGHT], [f"{output}_wide"]),
        ]
    return [*nodes, helper.make_node("Mul", [f"{output}_wide", f"{output}_scale"], [output])]


def _store_rows(graph: onnx.GraphProto, name: str, rounded: Rounded) -> None:
    """A weight of any operator: widened once, when the graph is loaded."""
    assert rounded.numbers is not None
    assert rounded.scales is not None
    numbers = rounded.numbers.reshape(rounded.shape[0], -1)[:, : int(np.prod(rounded.shape[1:]))]
    _add(graph, f"{name}_rows", numbers.reshape(rounded.shape))
    scale = rounded.scales.astype(np.float32).reshape(-1, *[1] * (len(rounded.shape) - 1))
    _add(graph, f"{name}_scale", scale)
    graph.node.insert(0, helper.make_node("Cast", [f"{name}_rows"], [f"{name}_wide"], to=TensorProto.FLOAT))
    graph.node.insert(1, helper.make_node("Mul", [f"{name}_wide", f"{name}_scale"], [name]))


def _cast_first(graph: onnx.GraphProto, source: str, target: str) -> None:
    graph.node.insert(0, helper.make_node("Cast", [source], [target], to=TensorProto.FLOAT))


def _add(graph: onnx.GraphProto, name: str, value: NDArray[Any]) -> None:
    if all(tensor.name != name for tensor in graph.initializer):
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
