"""The graphs of a bundle with their weights in float32 beside them, whatever the bundle stores them in.

Graphs of one bundle share weights: prefill and step, `latent` and `envelope`. A weight is what lies at one place
of one file, and `Weights` holds each once. Convolutions of static quantisation (QDQ) stay as they are.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from timbral.conversion.export.weights import load_weights
from timbral.errors import CompressionError
from timbral.models import Bundle
from timbral.models.weights.parameters import Parameter, read_parameters

Floats = NDArray[np.float32]
Kind = Literal["product", "table", "dense"]
"""What a weight is to its graphs: [outputs, inputs] of a matrix product; rows that are looked up; anything else."""

SMALLEST = 4096
"""Elements from which on a weight is quantised."""


@dataclass(eq=False)
class Weight:
    """A weight of one or several graphs.

    value: float32; products by outputs, [N, K]. users: file names of its graphs and its names there.
    """

    key: str
    kind: Kind
    value: Floats
    users: list[tuple[str, str]] = field(default_factory=list)


@dataclass(eq=False)
class FloatGraph:
    """A graph without its weights.

    weights: keys of `Weight`s by the names that the nodes use. file: of its weights, beside it.
    """

    name: str
    model: onnx.ModelProto
    weights: dict[str, str]
    file: str


@dataclass(eq=False)
class FloatModel:
    """All graphs of a bundle that have files of weights, and these weights by key."""

    graphs: dict[str, FloatGraph]
    weights: dict[str, Weight]


def read_float_model(bundle: Bundle, skip: frozenset[str] = frozenset()) -> FloatModel:
    """The graphs of `bundle` with files of weights beside them, but those in `skip`. Raises CompressionError."""
    model = FloatModel({}, {})
    for name in sorted(bundle.manifest.files):
        if not name.endswith(".onnx") or name in skip:
            continue
        graph = _read(bundle.folder / name, model.weights)
        if graph is not None:
            model.graphs[name] = graph
    return model


def _read(path: Path, weights: dict[str, Weight]) -> FloatGraph | None:
    proto = onnx.load(path, load_external_data=False)
    places = {tensor.name: _place(path.name, tensor) for tensor in proto.graph.initializer}
    files = {place.partition(":")[0] for place in places.values()} - {path.name}
    if not files:
        return None
    if len(files) > 1:
        raise CompressionError(f"{path} has weights in several files: import the model again")
    parameters = [each for each in read_parameters(path).values() if _is_quantizable(each)]
    graph = FloatGraph(path.name, proto, {}, files.pop())
    for parameter in parameters:
        name = _widen(proto.graph, parameter)
        if name is None:
            continue
        kind, by_outputs = _use(proto.graph, name)
        key = f"{places[parameter.constant]}:{kind}"
        if key not in weights:
            value = parameter.read()
            value = value.T if parameter.transposed else value  # as the nodes take it
            value = np.ascontiguousarray(value if by_outputs else value.T)
            weights[key] = Weight(key, kind, value)
        weights[key].users.append((path.name, name))
        graph.weights[name] = key
    _remove_constants(proto.graph, set(graph.weights))
    load_weights(proto, path)
    return graph


def _is_quantizable(parameter: Parameter) -> bool:
    large = math.prod(parameter.shape) >= SMALLEST and len(parameter.shape) > 1
    return large and parameter.form != "_quantized" and parameter.stored.dtype in _TYPES


_TYPES = (np.float32, np.float16, np.int8, np.uint8)


def _place(graph: str, tensor: onnx.TensorProto) -> str:
    """Where the bytes of a constant are."""
    place = {entry.key: entry.value for entry in tensor.external_data}
    if not place:
        return f"{graph}:{tensor.name}"
    return f"{place['location']}:{place.get('offset', 0)}"


def _widen(graph: onnx.GraphProto, parameter: Parameter) -> str | None:
    """Makes the nodes that read a weight take it in float32; its name then, None where they cannot."""
    constant = parameter.constant
    users = [node for node in graph.node if constant in node.input]
    if parameter.form == "":
        return constant if users else None
    if len(users) != 1:
        return None
    user = users[0]
    name = constant.removesuffix(parameter.form)
    if parameter.form == "_half":
        graph.node.remove(user)
        return str(user.output[0])
    if parameter.form in ("_Q8", "_Q4"):
        changed = helper.make_node("MatMul", [user.input[0], name], list(user.output), name=user.name)
        user.CopyFrom(changed)
        return name
    return _widen_rows(graph, user, name)


def _widen_rows(graph: onnx.GraphProto, user: onnx.NodeProto, name: str) -> str:
    """Undoes what `rewriting` and `conversion.export.precision` make of rows with a scale each."""
    ids = user.input[1] if user.op_type == "Gather" else None
    chain = [user]
    while chain[-1].op_type != "Mul":
        output = chain[-1].output[0]
        chain.append(next(node for node in graph.node if output in node.input))
    output = chain[-1].output[0]
    at = list(graph.node).index(user)
    for node in chain:
        graph.node.remove(node)
    if ids is None:
        return str(output)
    graph.node.insert(at, helper.make_node("Gather", [name, ids], [output]))
    return name


def _use(graph: onnx.GraphProto, name: str) -> tuple[Kind, bool]:
    """What a weight is to the nodes that take it, and whether they take it as `Weight.value` is."""
    users = [node for node in graph.node if name in node.input]
    if all(
        node.op_type == "Gather" and node.input[0] == name and _number(node, "axis", 0) == 0 for node in users
    ):
        return "table", True
    if all(
        node.op_type == "MatMul" and node.input[1] == name and name not in node.input[:1] for node in users
    ):
        return "product", False
    if all(node.op_type == "Gemm" and node.input[1] == name and _number(node, "transB", 0) for node in users):
        return "product", True
    return "dense", True


def _number(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), default)


def _remove_constants(graph: onnx.GraphProto, weights: set[str]) -> None:
    """Removes the weights, and nodes and constants that nothing uses any longer (scales and their casts)."""
    outputs = {item.name for item in graph.output}
    while True:
        used = {name for node in graph.node for name in node.input} | outputs
        unused = [node for node in graph.node if not used & set(node.output)]
        if not unused:
            break
        for node in unused:
            graph.node.remove(node)
    kept = [tensor for tensor in graph.initializer if tensor.name in used and tensor.name not in weights]
    held = [onnx.TensorProto.FromString(tensor.SerializeToString()) for tensor in kept]
    del graph.initializer[:]
    graph.initializer.extend(held)
