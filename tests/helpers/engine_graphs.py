"""Small real graphs with the interfaces that the engine runs: convolutions and tables with random weights."""

from pathlib import Path

import numpy as np
import onnx
import onnx.compose
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from timbral.inference.acoustic.latent_network import LatentGraph
from timbral.inference.acoustic.source_filter import SourceFilterDecoder
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models import SourceFilter

VOCABULARY, WIDTH, TIMBRE = 64, 12, 5
FRAMES_PER_TOKEN, HOP, RATE = 4, 240, 24000
CONTEXT_TOKENS = 9
"""Reach of both graphs: convolutions over 5 tokens, twice, the second dilated by 2; then 7 + 7 frames."""


class Builder:
    """Collects nodes and weights of one graph; every method returns the name of its result."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(seed)

    def constant(self, value: NDArray[np.generic]) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def floats(self, *shape: int, scale: float = 1.0) -> str:
        return self.constant((self.rng.standard_normal(shape) * scale).astype(np.float32))

    def add(self, kind: str, *inputs: str, output: str | None = None, **attributes: object) -> str:
        output = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def conv(self, x: str, ins: int, outs: int, size: int, dilation: int = 1) -> str:
        weight = self.floats(outs, ins, size, scale=1 / np.sqrt(ins * size))
        reach = dilation * (size // 2)
        return self.add("Conv", x, weight, pads=[reach, reach], dilations=[dilation])

    def conditioned(self, x: str) -> str:
        shift = self.add("MatMul", "timbre", self.floats(TIMBRE, WIDTH, scale=0.4))
        return self.add("Add", x, self.add("Unsqueeze", shift, self.ints(2)))

    def save(self, path: Path, inputs: dict[str, list[object]], outputs: dict[str, list[object]]) -> Path:
        def values(shapes: dict[str, list[object]]) -> list[onnx.ValueInfoProto]:
            return [
                helper.make_tensor_value_info(
                    name, TensorProto.INT64 if name in ("tokens", "phones") else TensorProto.FLOAT, shape
                )
                for name, shape in shapes.items()
            ]

        graph = helper.make_graph(self.nodes, path.stem, values(inputs), values(outputs), self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model)
        onnx.save(model, path)
        return path


def latent_graph(path: Path, phonemes: int = 0) -> Path:
    """tokens [1, T], timbre [1, D] → latent [1, C, 4 T], f0 [1, 4 T] from 80 to 300 Hz; with phonemes, phones [1, T, 2] too."""
    b = Builder(1)
    x = b.add("Gather", b.floats(VOCABULARY, WIDTH), "tokens")
    if phonemes:
        halves = b.add("Gather", b.floats(phonemes + 1, WIDTH), "phones")
        x = b.add("Add", x, b.add("ReduceSum", halves, b.ints(2), keepdims=0))
    x = b.conditioned(b.add("Transpose", x, perm=[0, 2, 1]))
    x = b.add("Tanh", b.conv(x, WIDTH, WIDTH, 5))
    x = b.add("Tanh", b.conv(x, WIDTH, WIDTH, 5, dilation=2))
    up = b.floats(WIDTH, WIDTH, FRAMES_PER_TOKEN, scale=1 / np.sqrt(WIDTH))
    x = b.add("ConvTranspose", x, up, strides=[FRAMES_PER_TOKEN])
    b.add("Tanh", b.conv(x, WIDTH, WIDTH, 7), output="latent")
    pitch = b.add("Tanh", b.conv("latent", WIDTH, 1, 7))
    pitch = b.add("Squeeze", pitch, b.ints(1))
    wide, middle = b.constant(np.float32(110)), b.constant(np.float32(190))
    b.add("Add", b.add("Mul", pitch, wide), middle, output="f0")
    return b.save(
        path,
        {"tokens": [1, "T"], "timbre": [1, TIMBRE], **({"phones": [1, "T", 2]} if phonemes else {})},
        {"latent": [1, WIDTH, "F"], "f0": [1, "F"]},
    )


def durations_graph(path: Path, phonemes: int, longest: float = 6.0, each: float | None = None) -> Path:
    """phones [1, n] → durations [1, n] from 0 to `longest`, each phone's own, or all the same."""
    b = Builder(3)
    table = b.rng.uniform(0, longest, phonemes).astype(np.float32)
    if each is not None:
        table[:] = each
    b.add("Gather", b.constant(table), "phones", output="durations")
    return b.save(path, {"phones": [1, "n"]}, {"durations": [1, "n"]})


def vocoder_graph(path: Path, gain: float = 1.0, envelope: int = 0) -> Path:
    """A harmonic source of three partials and noise, shaped by the latent, smoothed across frames.

    With envelope it takes residuals of so many points, whose sum is added to the latent.
    """
    b = Builder(2)
    x = b.add("Tanh", b.conv(b.conditioned("latent"), WIDTH, WIDTH, 7))
    if envelope:
        x = b.add("Add", x, b.add("ReduceSum", "residuals", keepdims=0))
    amplitude = b.add("Sigmoid", b.conv(x, WIDTH, 4, 7))

    after = b.add("Slice", "f0", b.ints(1), b.constant(np.array([2**31 - 1])), b.ints(1))
    last = b.add("Slice", "f0", b.ints(-1), b.constant(np.array([2**31 - 1])), b.ints(1))
    bend = b.add("Sub", b.add("Concat", after, last, axis=1), "f0")
    inside = (np.arange(HOP) / HOP).astype(np.float32)
    column = b.ints(2)
    cycles = b.add("Unsqueeze", "phase", column)
    for values, factor in (("f0", inside), (bend, inside**2 / 2)):
        run = b.add("Mul", b.add("Unsqueeze", values, column), b.constant(factor * np.float32(HOP / RATE)))
        cycles = b.add("Add", cycles, run)
    flat = b.ints(1, 1, -1)
    sound = b.add("Reshape", "noise", flat)
    parts = [sound]
    for partial in (1, 2, 3):
        turn = b.add("Mul", cycles, b.constant(np.float32(2 * np.pi * partial)))
        parts.append(b.add("Reshape", b.add("Sin", turn), flat))
    sources = b.add("Concat", *parts, axis=1)
    held = b.add(
        "Resize", amplitude, "", b.constant(np.array([1, 1, HOP], np.float32)), mode="nearest",
        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip
    mixed = b.conv(b.add("Mul", sources, held), 4, 1, 31)
    scaled = b.add("Mul", mixed, b.constant(np.float32(gain)))
    b.add("Squeeze", scaled, b.ints(1), output="audio")
    return b.save(
        path,
        {
            "latent": [1, WIDTH, "F"],
            "timbre": [1, TIMBRE],
            "f0": [1, "F"],
            "phase": [1, "F"],
            "noise": [1, "N"],
            **({"residuals": [1, "K", 2, envelope]} if envelope else {}),
        },
        {"audio": [1, "N"]},
    )


def content_graph(path: Path) -> Path:
    """audio [1, n] at 16 kHz → tokens [1, T]: the loudest of 64 filters every 640 samples; f0 [1, 4 T], always the same."""
    b = Builder(3)
    x = b.add("Unsqueeze", "audio", b.ints(1))
    x = b.add("Conv", x, b.floats(VOCABULARY, 1, 640), strides=[640])
    b.add("ArgMax", x, axis=1, keepdims=0, output="tokens")
    steady = b.add("Expand", b.constant(np.float32(150)), b.add("Shape", "tokens"))
    b.add("Concat", *[steady] * FRAMES_PER_TOKEN, axis=1, output="f0")
    return b.save(path, {"audio": [1, "n"]}, {"tokens": [1, "T"], "f0": [1, "F"]})


def envelope_graph(path: Path, envelope: int) -> Path:
    """tokens [1, T], timbre [1, D], f0 [1, F] → envelope [1, F, envelope]: flat, as high as the timbre's mean and F0 say."""
    b = Builder(5)
    high = b.add("Add", b.add("Log", "f0"), b.add("ReduceMean", "timbre", keepdims=1))
    tokens = b.add(
        "Cast", b.add("ReduceMean", b.add("Mul", "tokens", b.constant(np.int64(0))), keepdims=1), to=1
    )
    column = b.add("Unsqueeze", b.add("Add", high, tokens), b.ints(2))
    b.add("Expand", column, b.constant(np.array([1, 1, envelope])), output="envelope")
    return b.save(
        path, {"tokens": [1, "T"], "timbre": [1, TIMBRE], "f0": [1, "F"]}, {"envelope": [1, "F", envelope]}
    )


def timbre_graph(path: Path) -> Path:
    """audio [1, n] → timbre [1, D]: mean energies of a few filters."""
    b = Builder(4)
    x = b.add("Unsqueeze", "audio", b.ints(1))
    x = b.add("Abs", b.add("Conv", x, b.floats(TIMBRE, 1, 160), strides=[80]))
    b.add("ReduceMean", x, axes=[2], keepdims=0, output="timbre")
    return b.save(path, {"audio": [1, "n"]}, {"timbre": [1, TIMBRE]})


def source_filter(chunk_tokens: int = 16) -> SourceFilter:
    """The shape of the graphs above."""
    return SourceFilter(
        kind="source-filter",
        hop=HOP,
        frames_per_token=FRAMES_PER_TOKEN,
        context_tokens=CONTEXT_TOKENS,
        chunk_tokens=chunk_tokens,
        timbre_size=TIMBRE,
    )


def open_source_filter(
    latent: Path, vocoder: Path, shape: SourceFilter, phonemes: int = 0
) -> SourceFilterDecoder:
    """A decoder over two of the graphs above."""
    options = SessionOptions(device="cpu", threads=1)
    phones = ("phones",) if shape.phones else ()
    residuals = ("residuals",) if shape.envelope else ()
    return SourceFilterDecoder(
        LatentGraph(
            Graph(latent, ("tokens", "timbre", *phones), ("latent", "f0"), options),
            phonemes if shape.phones else None,
        ),
        Graph(vocoder, ("latent", "timbre", "f0", "phase", "noise", *residuals), ("audio",), options),
        shape,
        RATE,
    )
