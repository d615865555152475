"""A bundle with some of its graphs exchanged: the others keep their weights, bit for bit."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import onnx

from timbral.conversion.export.precision import Precision, to_precision
from timbral.conversion.export.weights import write_graphs
from timbral.models import Bundle

_GRAPH = ".onnx"


def write_exchanged(
    bundle: Bundle, graphs: Mapping[str, onnx.ModelProto | None], folder: Path, precision: Precision
) -> None:
    """Writes the files of a bundle into `folder`, with new graphs in this precision in the place of those of these
    names, and without those whose graph is None.

    Files of weights that a removed graph shares with others are written again, without what is no longer needed.
    """
    names = [name for name in bundle.manifest.files if name.endswith(_GRAPH)]
    weights = {name: _weights_of(bundle.folder / name) for name in names}
    touched = {file for name, files in weights.items() if name in graphs for file in files}
    for name in bundle.manifest.files:
        if name in graphs or name in touched or weights.get(name, set()) & touched:
            continue
        shutil.copyfile(bundle.folder / name, folder / name)
    for file in sorted(touched):
        kept = {
            name: onnx.load(bundle.folder / name)
            for name, files in weights.items()
            if file in files and name not in graphs
        }
        if kept:
            write_graphs(folder, kept, file)
    by_file: dict[str, dict[str, onnx.ModelProto]] = {}
    for name, graph in graphs.items():
        if graph is not None:
            by_file.setdefault(f"{name.removesuffix(_GRAPH)}.weights", {})[name] = graph
    for file, new in by_file.items():
        if (folder / file).exists():
            file = f"new_{file}"
        write_graphs(folder, {name: to_precision(graph, precision) for name, graph in new.items()}, file)


def _weights_of(path: Path) -> set[str]:
    """The files of weights that a graph points into."""
    model = onnx.load(path, load_external_data=False)
    return {
        entry.value
        for tensor in model.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
