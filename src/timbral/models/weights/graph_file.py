"""Reads the constants of an ONNX file, inside it or in external files, without the onnx package.

Speaking does not install onnx. Protobuf parses the fields that are needed, by their numbers in onnx.proto3,
and skips others. `docs/adr/012-reading-graphs.md` compares the alternatives.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.errors import BundleError

_TYPES: Mapping[int, type] = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    6: np.int32,
    7: np.int64,
    10: np.float16,
}
"""Element types of weights by their number in ONNX."""

_FLOAT, _INT, _TEXT, _BYTES, _MESSAGE = 2, 3, 9, 12, 11
_SCHEMA: Mapping[str, tuple[tuple[str, int, int | str, bool], ...]] = {
    "Entry": (("key", 1, _TEXT, False), ("value", 2, _TEXT, False)),
    "Tensor": (
        ("dims", 1, _INT, True),
        ("data_type", 2, _INT, False),
        ("float_data", 4, _FLOAT, True),
        ("int32_data", 5, _INT, True),
        ("name", 8, _TEXT, False),
        ("raw_data", 9, _BYTES, False),
        ("external_data", 13, "Entry", True),
    ),
    "Attribute": (("name", 1, _TEXT, False), ("i", 3, _INT, False), ("ints", 8, _INT, True)),
    "Node": (
        ("input", 1, _TEXT, True),
        ("output", 2, _TEXT, True),
        ("op_type", 4, _TEXT, False),
        ("attribute", 5, "Attribute", True),
    ),
    "Graph": (("node", 1, "Node", True), ("initializer", 5, "Tensor", True)),
    "Model": (("graph", 7, "Graph", False),),
}
"""Fields of each message: name, number, type, whether it repeats."""


@dataclass(frozen=True)
class Constant:
    """A constant of a graph: its type and shape, and where its bytes are.

    external: whether its bytes are in a file of their own, at `offset` of `path`; only these can be replaced
    when the graph is opened. data: the bytes of the others.
    """

    dtype: Any
    shape: tuple[int, ...]
    path: Path
    offset: int = 0
    data: bytes | None = None

    @property
    def external(self) -> bool:
        return self.data is None

    def read(self) -> NDArray[Any]:
        """Its values. Raises BundleError where the file is too short."""
        count = math.prod(self.shape)
        try:
            if self.data is not None:
                values = np.frombuffer(self.data, self.dtype)
            else:
                values = np.fromfile(self.path, self.dtype, count, offset=self.offset)
            return values.reshape(self.shape)
        except (OSError, ValueError, OverflowError):
            raise BundleError(f"{self.path} does not hold what its graphs say: get the model again") from None


@dataclass(frozen=True)
class GraphFile:
    """Constants by name, and the number of inputs of each quantised product, by the name of its weights.

    heads: of its attention with a KV cache, None where there is none.
    steps: the last stride and dilation of each convolution, by the name of its weights.
    """

    constants: Mapping[str, Constant]
    inputs: Mapping[str, int]
    heads: int | None
    steps: Mapping[str, tuple[int, int]]


def read_graph_file(path: Path) -> GraphFile:
    """Constants of the graph at `path`.

    Raises BundleError: it is missing, no graph, or points out of its folder.
    """
    # Imported here: most commands read no weights.
    from google.protobuf.message import DecodeError

    model = _message("Model")()
    try:
        model.ParseFromString(path.read_bytes())
    except (OSError, DecodeError):
        raise BundleError(f"{path} is not a graph that can be read: get the model again") from None
    constants = {tensor.name: _constant(path, tensor) for tensor in model.graph.initializer}
    products = (node for node in model.graph.node if node.op_type == "MatMulNBits" and len(node.input) > 1)
    inputs = {node.input[1]: _number(node, "K") for node in products}
    attentions = (node for node in model.graph.node if node.op_type == "GroupQueryAttention")
    heads = next((_number(node, "num_heads") for node in attentions), None)
    return GraphFile(
        {name: constant for name, constant in constants.items() if constant},
        inputs,
        heads,
        _steps(model.graph.node),
    )


def _steps(nodes: Any) -> dict[str, tuple[int, int]]:
    """Stride and dilation of convolutions, whose weights may be widened or dequantised in front of them."""
    made_of = {
        node.output[0]: node.input[0]
        for node in nodes
        if node.op_type in ("Cast", "DequantizeLinear") and node.input and node.output
    }
    found = {}
    for node in nodes:
        if node.op_type in ("Conv", "ConvTranspose") and len(node.input) > 1:
            lists = {attribute.name: list(attribute.ints) for attribute in node.attribute}
            stride, dilation = ((lists.get(name) or [1])[-1] for name in ("strides", "dilations"))
            weights = node.input[1]
            found[made_of.get(weights, weights)] = (int(stride), int(dilation))
    return found


def _number(node: Any, name: str) -> int:
    """The attribute of a node that is a whole number; 0 where it has none of that name."""
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == name), 0)


def _constant(path: Path, tensor: Any) -> Constant | None:
    dtype, shape = _TYPES.get(tensor.data_type), tuple(tensor.dims)
    if dtype is None:
        return None
    if not tensor.external_data:
        listed = np.array([*tensor.float_data, *tensor.int32_data])
        return Constant(dtype, shape, path, data=tensor.raw_data or listed.astype(dtype).tobytes())
    place = {entry.key: entry.value for entry in tensor.external_data}
    location, offset = place.get("location", ""), place.get("offset", "0")
    if location in ("", "..") or Path(location).name != location or not offset.isdecimal():
        raise BundleError(f"{path} points out of its folder: get the model again")
    return Constant(dtype, shape, path.with_name(location), int(offset))


@cache
def _message(name: str) -> Any:
    """The class of a message of `_SCHEMA`."""
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message_factory import GetMessageClass

    file = FileDescriptorProto(name="timbral.proto", package="timbral", syntax="proto3")
    for message, fields in _SCHEMA.items():
        described = file.message_type.add(name=message)
        for field, number, kind, repeats in fields:
            nested = isinstance(kind, str)
            described.field.add(
                name=field,
                number=number,
                type=FieldDescriptorProto.Type.ValueType(_MESSAGE if nested else kind),
                type_name=f".timbral.{kind}" if nested else None,
                label=FieldDescriptorProto.LABEL_REPEATED if repeats else FieldDescriptorProto.LABEL_OPTIONAL,
            )
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"timbral.{name}"))
