"""A bundle with some of its graphs exchanged: the others keep their weights, bit for bit."""

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

import onnx

from timbral.conversion.export.weights import load_weights, write_graphs
from timbral.models import Bundle

_GRAPH = ".onnx"


def write_exchanged(
    bundle: Bundle,
    graphs: Mapping[str, Mapping[str, onnx.ModelProto]],
    folder: Path,
    removed: Collection[str] = (),
) -> None:
    """Writes the files of a bundle into `folder`, with new graphs in the place of those of the same names.

    graphs: by the file that is to hold their weights, and by name; their precision is final. removed: graphs that
    are left out. A file of weights that loses a graph is written again, without what is no longer needed.
    """
    new = {name: graph for each in graphs.values() for name, graph in each.items()}
    gone = {*new, *removed}
    names = [name for name in bundle.manifest.files if name.endswith(_GRAPH)]
    weights = {name: _weights_of(bundle.folder / name) for name in names}
    touched = {file for name in names if name in gone for file in weights[name]} | set(graphs)
    for name in bundle.manifest.files:
        if name not in gone and name not in touched and not weights.get(name, set()) & touched:
            shutil.copyfile(bundle.folder / name, folder / name)
    for file in sorted(touched):
        kept = {
            name: _whole(bundle.folder / name) for name in names if name not in gone and file in weights[name]
        }
        together = {**kept, **graphs.get(file, {})}
        if together:
            write_graphs(folder, together, file)


def _whole(path: Path) -> onnx.ModelProto:
    model = onnx.load(path, load_external_data=False)
    load_weights(model, path)
    return model


def copy_graph(bundle: Bundle, name: str, folder: Path) -> None:
    """Copies a graph of a bundle, and the files of weights that it points into, which no other may share."""
    for file in (name, *_weights_of(bundle.path(name))):
        shutil.copyfile(bundle.folder / file, folder / file)


def _weights_of(path: Path) -> set[str]:
    """The files of weights that a graph points into."""
    model = onnx.load(path, load_external_data=False)
    return {
        entry.value
        for tensor in model.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
