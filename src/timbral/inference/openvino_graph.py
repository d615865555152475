"""Graphs run by OpenVINO, where it is installed (`timbral[openvino]`): in bfloat16 in half the time of float32."""

import importlib
import sys
import threading
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.errors import BundleError, InstallationError
from timbral.inference.sessions import SessionOptions, usable_cores

SHAPES = 8
"""Combinations of input shapes for which OpenVINO keeps what it has prepared: with the vocoder of v2Pro, 42 MB each."""
_TELEMETRY = "openvino_telemetry"
_IMPORTING = threading.Lock()


def is_installed() -> bool:
    """Whether the package is there."""
    return find_spec("openvino") is not None


@cache
def precisions() -> tuple[str, ...]:
    """What the processor computes in, of `f32` and `bf16`, the most exact first."""
    found = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ("f32", "bf16") if "BF16" in found else ("f32",)


class OpenVinoGraph:
    """A graph on the CPU, as `timbral.inference.sessions.Graph`. May be called by several threads.

    exact: float32 in any case, not bfloat16 where the processor has it.
    """

    def __init__(
        self,
        path: Path,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        options: SessionOptions,
        *,
        exact: bool,
    ) -> None:
        """Raises BundleError: the graph is missing or cannot be run; VoiceError: the adapter does not fit it;
        InstallationError: OpenVINO is not there.
        """
        precision = precisions()[0 if exact else -1]
        self.engine = f"openvino {precision}"
        self._path = path
        self._outputs = outputs
        self._lock = threading.Lock()
        self._shapes: set[tuple[tuple[int, ...], ...]] = set()
        self._idle: list[Any] = []
        self._properties = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": options.threads or usable_cores(),
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # other programs, and the kernels of stage one, use the same cores
        }
        if not path.is_file():
            raise BundleError(f"{path} is missing: get the model again")
        constants = options.adapter.constants(path) if options.adapter else {}
        try:
            self._model = _core().read_model(path)
            _replace(self._model, constants)
            self._compiled = self._compile()
        except RuntimeError as error:
            raise BundleError(f"{path} is not a graph that OpenVINO can run: {_reason(error)}") from error
        takes = {value.any_name for value in self._model.inputs}
        gives = {name for value in self._model.outputs for name in value.names}
        if takes != set(inputs) or not set(outputs) <= gives:
            raise BundleError(f"{path} is not what this version of timbral expects: get the model again")

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The outputs that were named when the graph was opened."""
        given = dict(inputs)
        with self._lock:
            self._bound_memory(tuple(value.shape for value in given.values()))
            compiled = self._compiled
            request = self._idle.pop() if self._idle else compiled.create_infer_request()
        try:
            request.infer(given)
            values = [np.array(request.get_tensor(name).data) for name in self._outputs]
        except RuntimeError as error:
            raise BundleError(f"{self._path} failed: {_reason(error)}; get the model again") from error
        with self._lock:
            if compiled is self._compiled:
                self._idle.append(request)
        return values

    def _compile(self) -> Any:
        return _core().compile_model(self._model, "CPU", self._properties)

    def _bound_memory(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        """Compiles the graph again after many shapes: OpenVINO would keep what it prepares for each of them."""
        if shapes in self._shapes:
            return
        if len(self._shapes) >= SHAPES:
            self._shapes.clear()
            self._idle.clear()
            self._compiled = self._compile()
        self._shapes.add(shapes)


@cache
def _core() -> Any:
    return _openvino().Core()


@cache
def _openvino() -> Any:
    """The package, imported without its telemetry, which reports each import to its makers."""
    with _IMPORTING:
        absent = _TELEMETRY not in sys.modules
        if absent:
            sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
        try:
            return importlib.import_module("openvino")
        except ImportError as error:
            raise InstallationError(
                f"OpenVINO cannot be used: {_reason(error)}; pip install 'timbral[openvino]', or leave out --engine"
            ) from error
        finally:
            if absent:
                del sys.modules[_TELEMETRY]


def _replace(model: Any, constants: Mapping[str, NDArray[Any]]) -> None:
    """Puts other constants in the place of those of the same names. Raises RuntimeError where one is not there."""
    if not constants:
        return
    found = {node.get_friendly_name(): node for node in model.get_ops() if node.get_type_name() == "Constant"}
    if missing := constants.keys() - found.keys():
        raise RuntimeError(f"{min(missing)} cannot be exchanged")
    for name, value in constants.items():
        own = importlib.import_module("openvino.opset13").constant(np.ascontiguousarray(value))
        importlib.import_module("openvino.utils").replace_node(found[name], own)


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
