"""One graph in several precisions."""

from copy import deepcopy
from pathlib import Path

import onnx

from timbral.conversion.export.precision import Precision
from timbral.conversion.export.weights import write_graphs


def write_precisions(
    folder: Path, name: str, graph: onnx.ModelProto, precisions: tuple[Precision, ...]
) -> Path:
    """Writes the graph to a folder for each precision in `folder`, which it returns."""
    for precision in precisions:
        # Writing changes the graph.
        write_graphs(folder / precision, {name: deepcopy(graph)}, "acoustic.weights", precision)
    return folder
