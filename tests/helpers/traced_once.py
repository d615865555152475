"""Traces each small network once in a run of the tests: torch's exporter takes seconds for every graph.

Several files of tests export the same networks, in several precisions; what differs comes after tracing. Graphs are kept
in a folder that all processes of a run share. Tests of tracing itself do without this.
"""

import hashlib
import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import onnx
import pytest
from torch import Tensor, nn

from timbral.conversion.export import (
    acoustic,
    encoders,
    graph,
    istft_vocoder,
    mel_acoustic,
    semantic,
    source_filter,
)


def kept_in(factory: pytest.TempPathFactory) -> Path:
    """The folder of this run; pytest-xdist gives each of its workers a folder inside it."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "traced"
    folder.mkdir(exist_ok=True)
    return folder


@contextmanager
def traced_once(folder: Path) -> Iterator[None]:
    """Takes a graph from `folder` where the same function of the same weights has been traced before."""

    def to_graph(
        network: nn.Module,
        function: Callable[..., tuple[Tensor, ...]],
        inputs: Mapping[str, Tensor],
        outputs: Sequence[str],
        free: Mapping[str, Mapping[int, str]],
    ) -> onnx.ModelProto:
        path = folder / f"{_digest(network, function, inputs, outputs, free)}.onnx"
        if not path.exists():
            made = path.with_suffix(f".{os.getpid()}")
            onnx.save(graph.to_graph(network, function, inputs, outputs, free), made, "protobuf")
            made.replace(path)
        return onnx.load(path, "protobuf")

    with pytest.MonkeyPatch.context() as patch:
        for module in (acoustic, encoders, istft_vocoder, mel_acoustic, semantic, source_filter):
            patch.setattr(module, "to_graph", to_graph)
        yield


def _digest(
    network: nn.Module, function: Callable[..., Any], inputs: Mapping[str, Tensor], *signature: Any
) -> str:
    """Of all that a graph depends on: source, settings, weights and examples."""
    settings = [
        (name, setting, repr(value))
        for name, module in network.named_modules()
        for setting, value in sorted(vars(module).items())
        if not setting.startswith("_") and setting != "training" and not isinstance(value, nn.Module)
    ]
    called = function.func if isinstance(function, partial) else function
    source = called.forward if isinstance(called, nn.Module) else called
    bound = function.keywords | dict(enumerate(function.args)) if isinstance(function, partial) else {}
    described = (inspect.getsource(source), bound, repr(network), settings, signature)
    found = hashlib.sha256(repr(described).encode())
    for name, tensor in (*network.named_parameters(), *network.named_buffers(), *inputs.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().contiguous().numpy().tobytes())
    return found.hexdigest()
