"""Static 8-bit quantisation of a vocoder's convolutions, calibrated on real inputs; some stay float.

Dynamic 8-bit convolutions are slower than float32 ones. With static ranges onnxruntime fuses rounding and
product (QLinearConv) and is two to three times as fast. Weights have a scale per output channel, inputs and
outputs one per tensor. Ranges minimise the square error on the examples, which clips rare values (Banner et
al. 2019, https://arxiv.org/abs/1810.05723). Then each convolution is quantised alone: the noises of different
layers nearly add up, so that those with the most noise per saved product stay float until the whole is good
enough.
"""

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from timbral.audio.measures import Floats, signal_to_noise

Example = Mapping[str, NDArray[Any]]
"""Inputs of the graph by name."""

SIGNAL_TO_NOISE = 32.5
"""Least signal-to-noise ratio of the quantised graph against the float one, in dB."""
_SAMPLE = 1 << 15
"""Values of a tensor that each example contributes to its range."""
_TENSORS_PER_RUN = 24
"""Tensors per run, which bounds memory."""


def quantize_convolutions(
    model: onnx.ModelProto, examples: Iterable[Example], least: float = SIGNAL_TO_NOISE
) -> onnx.ModelProto:
    """The graph with 8-bit convolutions, as far as its signal-to-noise ratio stays at `least` dB.

    examples: inputs of a second or so each. All of them set the ranges and judge the whole; layers are
    compared on the first. The model has one output, and is not changed.
    """
    examples = list(examples)
    if not examples:
        raise ValueError("calibration needs at least one example")
    layers = [node for node in model.graph.node if node.op_type == "Conv"]
    ranges = _ranges(model, layers, examples)
    expected = [_run(model, example) for example in examples]
    noise = {
        layer.name: _noise(expected[0], _run(_quantized(model, ranges, [layer.name]), examples[0]))
        for layer in layers
    }
    products = _products(model, layers)
    allowed = 10 ** (-least / 10)
    budget = allowed
    while True:
        quantized = _quantized(model, ranges, _choose_layers(noise, products, budget))
        session = _session(quantized)
        found = [_output(session, example) for example in examples]
        together = float(np.mean([_noise(*pair) for pair in zip(expected, found, strict=True)]))
        if together <= allowed:
            return quantized
        budget *= 0.98 * allowed / together


def _choose_layers(noise: Mapping[str, float], products: Mapping[str, int], budget: float) -> list[str]:
    """Layers whose noise adds up to the budget at most, those with the most saved products per noise first."""
    chosen, total = [], 0.0
    for layer in sorted(noise, key=lambda layer: noise[layer] / products[layer]):
        if total + noise[layer] <= budget:
            chosen.append(layer)
            total += noise[layer]
    return chosen


def _noise(expected: Floats, found: Floats) -> float:
    """Power of the difference over that of the expected output."""
    return float(10 ** (-signal_to_noise(expected, found) / 10))


def _products(model: onnx.ModelProto, layers: Sequence[onnx.NodeProto]) -> dict[str, int]:
    """Multiplications of each convolution, relative: its weights times the upsampling in front of it."""
    sizes = {tensor.name: math.prod(tensor.dims) for tensor in model.graph.initializer}
    rate, found, names = 1, {}, {layer.name for layer in layers}
    for node in model.graph.node:
        if node.op_type == "ConvTranspose":
            strides = next(attribute.ints for attribute in node.attribute if attribute.name == "strides")
            rate *= math.prod(strides)
        if node.name in names:
            found[node.name] = sizes[node.input[1]] * rate
    return found


def _ranges(
    model: onnx.ModelProto, layers: Sequence[onnx.NodeProto], examples: Sequence[Example]
) -> dict[str, tuple[np.float32, np.float32]]:
    """Range of every tensor that goes into or out of a layer."""
    tensors = list(dict.fromkeys(name for layer in layers for name in (layer.input[0], layer.output[0])))
    open_model = copy.deepcopy(model)
    given = {item.name for item in (*model.graph.input, *model.graph.output)}
    open_model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in tensors if name not in given
    )
    session = _session(open_model)
    samples: dict[str, list[Floats]] = {name: [] for name in tensors}
    rng = np.random.default_rng(0)
    for example in examples:
        for start in range(0, len(tensors), _TENSORS_PER_RUN):
            names = [name for name in tensors[start : start + _TENSORS_PER_RUN] if name not in example]
            for name, values in zip(names, session.run(names, dict(example)), strict=True):
                samples[name].append(rng.choice(values.ravel(), min(values.size, _SAMPLE)))
        for name in samples.keys() & example.keys():
            samples[name].append(example[name].ravel())
    return {name: _range(np.concatenate(values)) for name, values in samples.items()}


def _range(values: Floats) -> tuple[np.float32, np.float32]:
    """Range of 256 evenly spaced values, 0 among them, with the least square rounding error."""
    low, high = min(0.0, float(values.min())), max(1e-6, float(values.max()))

    def error(share: float) -> float:
        step = share * (high - low) / 255
        rounded = np.rint(np.clip(values, share * low, share * high) / step) * step
        return float(np.square(values - rounded).mean())

    share = min(np.geomspace(0.1, 1.0, 24), key=error)
    return np.float32(share * low), np.float32(share * high)


def _quantized(
    model: onnx.ModelProto, ranges: Mapping[str, tuple[np.float32, np.float32]], layers: Sequence[str]
) -> onnx.ModelProto:
    """A copy of the graph in which the named convolutions are quantised."""
    if not layers:
        return copy.deepcopy(model)
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    quantizer = QDQQuantizer(
        copy.deepcopy(model),
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, dict(ranges)),
        nodes_to_quantize=list(layers),
        nodes_to_exclude=[],
        op_types_to_quantize=["Conv"],
        extra_options={},
    )
    quantizer.quantize_model()
    quantized: onnx.ModelProto = quantizer.model.model
    return quantized


def _run(model: onnx.ModelProto, example: Example) -> Floats:
    return _output(_session(model), example)


def _output(session: Any, example: Example) -> Floats:
    (output,) = session.run(None, dict(example))
    result: Floats = output
    return result


def _session(model: onnx.ModelProto) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
