"""A graph whose weights are inputs: one session, any values of them."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from timbral.compression.quantization.float_graphs import FloatGraph, Floats, Weight

Values = dict[str, Floats]
"""Values of weights by key."""


class FedGraph:
    """A float32 graph that is fed its weights with every run.

    inputs: what its matrix products take, names of values by the keys of their weights, in the order of the graph.
    values: of all weights of the model by key, read at every run, so that whoever holds the mapping may change
    them. outputs: what it gives, which may be any value inside the graph.
    """

    def __init__(
        self, graph: FloatGraph, weights: Mapping[str, Weight], values: Values, outputs: Sequence[str]
    ) -> None:
        self.name = graph.name
        self.keys = dict(graph.weights)
        self.inputs = _product_inputs(graph)
        self._values = values
        self._outputs = list(outputs)
        self._model = copy.deepcopy(graph.model)
        for name, key in graph.weights.items():
            _feed(self._model.graph, name, weights[key])
        self._session = _session(self._model, self._outputs)
        self._moments: dict[str, Floats] | None = None

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        fed = {name: self._values[key] for name, key in self.keys.items()}
        names = [*self._outputs, *(self._moments or ())]
        found: list[NDArray[Any]] = self._session.run(names, {**fed, **inputs})
        count = len(self._outputs)
        for name, values in zip(names[count:], found[count:], strict=True):
            assert self._moments is not None
            rows = values.reshape(-1, values.shape[-1])
            self._moments[name] += rows.T @ rows
        return found[:count]

    @contextmanager
    def collecting(self, sizes: Mapping[str, int]) -> Iterator[dict[str, Floats]]:
        """Second moments [K, K] of values inside the graph, summed over all runs in the block.

        sizes: K by the name of the value.
        """
        kept = self._session
        self._session = _session(self._model, [*self._outputs, *sizes])
        self._moments = {name: np.zeros((size, size), np.float32) for name, size in sizes.items()}
        try:
            yield self._moments
        finally:
            self._session, self._moments = kept, None


def _session(model: onnx.ModelProto, outputs: Sequence[str]) -> Any:
    """A session that gives these values, which may be any inside the graph."""
    model = copy.deepcopy(model)
    given = {item.name for item in model.graph.output}
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs if name not in given
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _product_inputs(graph: FloatGraph) -> dict[str, str]:
    """What each matrix product takes: names of values by the key of its weight, in the order of the graph."""
    return {
        graph.weights[node.input[1]]: str(node.input[0])
        for node in graph.model.graph.node
        if node.op_type in ("MatMul", "Gemm") and node.input[1] in graph.weights
    }


def _feed(graph: onnx.GraphProto, name: str, weight: Weight) -> None:
    """Makes a weight an input, by outputs; products that take it by inputs get a transposition, which is fused."""
    graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(weight.value.shape)))
    users = [node for node in graph.node if node.op_type == "MatMul" and node.input[1] == name]
    if weight.kind != "product" or not users:
        return
    for node in users:
        node.input[1] = f"{name}/by_inputs"
    graph.node.insert(0, helper.make_node("Transpose", [name], [f"{name}/by_inputs"], perm=[1, 0]))


def float_outputs(graph: FloatGraph) -> list[str]:
    """The outputs that are float32, and for those that are not, the scores that the last choice is made from."""
    kinds = {item.name: item.type.tensor_type.elem_type for item in graph.model.graph.output}
    names = [name for name, kind in kinds.items() if kind == TensorProto.FLOAT]
    chosen = [node for node in graph.model.graph.node if node.op_type in ("ArgMax", "ArgMin", "TopK")]
    if len(names) < len(kinds) and chosen:
        names.append(str(chosen[-1].input[0]))
    return names


def last_of_kind(graph: FloatGraph, kind: str) -> str | None:
    """The output of the last node of some kind."""
    nodes = [node for node in graph.model.graph.node if node.op_type == kind]
    return str(nodes[-1].output[0]) if nodes else None
