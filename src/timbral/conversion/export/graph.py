"""Exports a torch module as an ONNX graph, reproducibly."""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import onnx
import torch
from onnx import numpy_helper
from onnxscript import ir
from onnxscript.optimizer import optimize_ir
from torch import Tensor, nn

OPSET = 20
"""Version of the ONNX operators; onnxruntime has run it since 1.17."""

FOLDED = 1 << 14
"""Elements up to which constants are folded here.

Onnxruntime folds larger ones, which keeps the file small.
"""

Free = Mapping[int, str]
"""Names of those dimensions of an input that may differ from run to run; equal names are equal sizes."""


def to_graph(
    network: nn.Module,
    function: Callable[..., tuple[Tensor, ...]],
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    free: Mapping[str, Free],
) -> onnx.ModelProto:
    """The graph of `function`, which uses the weights of `network` and takes the inputs in their order.

    inputs: an example of each, with sizes above 1 in free dimensions, which `free` names by input. Inputs and
    outputs of the graph have the given names. Source lines and stack traces are removed, so that the same
    weights give the same bytes. Weights keep their names in `network`, with the suffix `.T` where the graph
    holds them transposed.
    """
    shapes = tuple(dict(free.get(name, {})) for name in inputs)
    with warnings.catch_warnings(), torch.inference_mode(), _silent("torch.onnx"):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Traced(network, function).eval(),
            tuple(inputs.values()),
            input_names=[_INPUT + name for name in inputs],
            output_names=[_OUTPUT + name for name in outputs],
            opset_version=OPSET,
            dynamo=True,
            optimize=False,
            dynamic_shapes=(shapes,),
            verbose=False,
        )
        assert program is not None
        with _equal_weights_kept(program.model.graph):
            optimize_ir(program.model, output_size_limit=FOLDED)
    model = program.model_proto
    _remove_metadata(model)
    _rename(model.graph, _weights(model.graph, network))
    return model


class _Traced(nn.Module):
    """One module that owns the weights and whose `forward` is the function, as torch's exporter requires."""

    def __init__(self, network: nn.Module, function: Callable[..., tuple[Tensor, ...]]) -> None:
        super().__init__()
        self.network = network
        self.function = function

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return self.function(*inputs)


@contextmanager
def _equal_weights_kept(graph: ir.Graph) -> Iterator[None]:
    """Keeps the names of small weights of equal values, such as layer norms before any training.

    The optimiser would merge them under the name of the first, so that the network could not be read back
    from the graph. It does not merge inputs.
    """
    seen: set[tuple[tuple[int, ...], bytes]] = set()
    equal = []
    for value in tuple(graph.initializers.values()):
        constant = value.const_value
        if not str(value.name).startswith(_OWNERS) or constant is None or constant.size > _MERGED:
            continue
        content = tuple(map(int, constant.numpy().shape)), constant.tobytes()
        if content in seen:
            equal.append(value)
        seen.add(content)
    for value in equal:
        graph.initializers.pop(str(value.name))
        graph.inputs.append(value)
    yield
    for value in equal:
        graph.inputs.remove(value)
        if value.uses():
            graph.initializers[str(value.name)] = value


def _remove_metadata(model: onnx.ModelProto) -> None:
    graph = model.graph
    del model.metadata_props[:]
    del graph.metadata_props[:]
    del graph.value_info[:]
    graph.name = "timbral"
    for item in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""


TRANSPOSED = ".T"
"""Behind the name of a weight that a graph holds transposed."""
_INPUT, _OUTPUT = "input:", "output:"
_OWNERS = ("network.", "function.")
"""Under which the exporter finds weights: `function` may be a network itself."""
_MERGED = 1024
"""Elements up to which the optimiser merges equal weights."""


def _weights(graph: onnx.GraphProto, network: nn.Module) -> dict[str, str]:
    """Names in `network` of those constants of the graph that are its weights.

    The exporter transposes the weights of linear layers and drops their names; they are recognised by their
    content.
    """
    state = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    names, transposed = {}, []
    for tensor in graph.initializer:
        name = next((tensor.name[len(o) :] for o in _OWNERS if tensor.name.startswith(o)), "")
        if name in state:
            names[tensor.name] = name
        elif _is_matrix(tensor.dims) and tensor.data_type == onnx.TensorProto.FLOAT:
            transposed.append(tensor)
    if transposed:
        unseen: dict[bytes, list[str]] = {}
        for name, weight in state.items():
            if _is_matrix(weight.shape) and name not in names.values():
                turned = weight.detach().transpose(-1, -2).contiguous()
                unseen.setdefault(turned.numpy().tobytes(), []).append(name)
        for tensor in transposed:
            alike = unseen.get(numpy_helper.to_array(tensor).tobytes())
            if alike:
                names[tensor.name] = alike.pop(0) + TRANSPOSED
    return names | _biases(graph, network)


def _is_matrix(shape: Sequence[int]) -> bool:
    """Whether a weight has two dimensions, beside others of size 1 in front."""
    return len(shape) >= 2 and all(size == 1 for size in shape[:-2])


def _biases(graph: onnx.GraphProto, network: nn.Module) -> dict[str, str]:
    """Names of the biases of recurrent layers, of which the exporter joins two: `bias_l0` of layer 0."""
    layers = (
        f"{name}.bias_l{layer}"
        for name, module in network.named_modules()
        if isinstance(module, nn.LSTM)
        for layer in range(module.num_layers)
    )
    nodes = (node for node in graph.node if node.op_type == "LSTM")
    return {node.input[3]: name for node, name in zip(nodes, layers, strict=False)}


def _rename(graph: onnx.GraphProto, weights: Mapping[str, str]) -> None:
    """Numbers all values inside the graph but its weights, so that none has the name of an input or output."""
    names = {item.name: item.name.removeprefix(_INPUT) for item in graph.input}
    names |= {item.name: item.name.removeprefix(_OUTPUT) for item in graph.output}
    names |= weights
    inside = [tensor.name for tensor in graph.initializer]
    inside += [name for node in graph.node for name in node.output if name]
    for name in inside:
        names.setdefault(name, f"/{len(names)}")
    names[""] = ""
    for item in (*graph.input, *graph.output, *graph.initializer):
        item.name = names[item.name]
    for number, node in enumerate(graph.node):
        assert all(not attribute.HasField("g") for attribute in node.attribute), "a graph inside the graph"
        node.name = f"{node.op_type}/{number}"
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """Keeps a logger quiet below errors."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
