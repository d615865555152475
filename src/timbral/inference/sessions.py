"""onnxruntime sessions: device, threads and memory are set for each session, never for all."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import onnxruntime
from numpy.typing import NDArray

from timbral.errors import BundleError, SettingError
from timbral.models.weights import Adapter

Device = Literal["auto", "cpu", "cuda"]
Engine = Literal["auto", "native", "onnxruntime", "openvino"]
"""What runs stage two; see `timbral.inference.acoustic.networks`."""

MOST_THREADS = 1024
"""More than any processor has; with far more, onnxruntime runs out of memory."""
_LIMITS_SPINNING = (1, 26)
"""Older versions spin for as long as they like."""


@dataclass(frozen=True)
class SessionOptions:
    """How graphs run.

    device: "auto" takes CUDA where onnxruntime-gpu finds it, otherwise the CPU.
    threads: threads of one graph; 0 for as many as this process may use. decoder_threads: of stage one, whose steps run one
    at a time however many callers there are; None for the same.
    slots: sequences that stage one decodes together, of one utterance or of several requests.
    spin_us: microseconds that an idle thread waits busily for more work. A graph is a hundred short nodes, and waking a thread
    up takes longer than most of them, above all in a virtual machine.
    adapter: changes of the weights, of a fine-tuned voice.
    engine: what runs stage two; "auto" takes the fastest that is installed and fits the graph.
    """

    device: Device = "auto"
    threads: int = 0
    decoder_threads: int | None = None
    slots: int = 8
    spin_us: int = 500
    adapter: Adapter | None = None
    engine: Engine = "auto"

    def __post_init__(self) -> None:
        if self.engine not in get_args(Engine):
            raise SettingError(f"engine is {ascii(self.engine)[:40]}: give {', '.join(get_args(Engine))}")
        if self.device not in ("auto", "cpu", "cuda"):
            raise SettingError(f"device is {ascii(self.device)[:40]}: give auto, cpu or cuda")
        if not isinstance(self.threads, int) or not 0 <= self.threads <= MOST_THREADS:
            given = ascii(self.threads)[:40]
            raise SettingError(
                f"threads is {given}: give a count from 1 to {MOST_THREADS}, or 0 for all cores"
            )


def usable_devices() -> tuple[Device, ...]:
    """The devices that the installed onnxruntime was built for."""
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        return ("cpu", "cuda")
    return ("cpu",)


def on_cuda(options: SessionOptions) -> bool:
    """Whether graphs that are opened with these options run on CUDA."""
    return options.device != "cpu" and "cuda" in usable_devices()


def usable_cores() -> int:
    """Logical cores that this process may use: its affinity, and its share where a container limits it."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = min(cores, len(os.sched_getaffinity(0)))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        cores = min(cores, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        pass  # no control groups here, or no limit ("max")
    return max(1, cores)


def open_session(path: Path, options: SessionOptions) -> Any:
    """An `onnxruntime.InferenceSession` of the graph at `path`.

    Raises BundleError if the file is missing or not a graph, SettingError if the device is not to be had,
    VoiceError if the adapter does not fit the graph.
    """
    if not path.is_file():
        raise BundleError(f"{path} is missing: get the model again")
    session_options = onnxruntime.SessionOptions()
    session_options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session_options.log_severity_level = 3
    # Every request has its own lengths: plans kept for each of them would pile up and never be used again.
    session_options.enable_mem_pattern = False
    cores = usable_cores()
    if options.threads:
        session_options.intra_op_num_threads = options.threads
    elif cores < (os.cpu_count() or 1):
        session_options.intra_op_num_threads = cores
    spins = options.spin_us > 0 and onnxruntime_release() >= _LIMITS_SPINNING
    session_options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spins)))
    if spins:
        session_options.add_session_config_entry("session.intra_op.spin_duration_us", str(options.spin_us))
    providers = _providers(options.device)
    constants = options.adapter.constants(path) if options.adapter else {}
    if constants:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(constant) for constant in constants.values()]
        session_options.add_external_initializers(list(constants), values)
    try:
        session = onnxruntime.InferenceSession(str(path), session_options, providers=providers)
    except Exception as error:  # onnxruntime's own exceptions share no base below Exception
        raise BundleError(f"{path} is not a graph that onnxruntime can run: {_reason(error)}") from error
    if options.device == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
        raise SettingError(
            "onnxruntime could not start CUDA: check the driver and the CUDA and cuDNN libraries"
        )
    return session


def onnxruntime_release() -> tuple[int, int]:
    """Major and minor version."""
    major, minor = onnxruntime.__version__.split(".")[:2]
    return int(major), int(minor)


def _providers(device: Device) -> list[str | tuple[str, dict[str, str]]]:
    cpu = "CPUExecutionProvider"
    if device == "cpu" or (device == "auto" and "cuda" not in usable_devices()):
        return [cpu]
    if "cuda" not in usable_devices():
        raise SettingError("this onnxruntime has no CUDA: install onnxruntime-gpu instead of onnxruntime")
    return [("CUDAExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"}), cpu]


class Graph:
    """A session whose inputs and outputs have been checked by name.

    inputs: exactly what it has to take; more: what it may take besides; outputs: what it has to give.
    takes, gives: the names that it has. engine: what runs it.
    """

    engine = "onnxruntime"

    def __init__(
        self,
        path: Path,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        options: SessionOptions,
        more: tuple[str, ...] = (),
    ) -> None:
        self.session = open_session(path, options)
        self._path = path
        self._inputs = {value.name: value for value in self.session.get_inputs()}
        self.takes = tuple(self._inputs)
        self.gives = tuple(value.name for value in self.session.get_outputs())
        self._outputs = outputs
        if not set(inputs) <= set(self.takes) <= {*inputs, *more} or not set(outputs) <= set(self.gives):
            raise BundleError(
                f"{path} takes {', '.join(self.takes)} and gives {', '.join(self.gives)}, which is not what"
                " this version of timbral expects: get the model again"
            )

    def input_shape(self, name: str) -> list[Any]:
        """The shape of an input: numbers, and names for axes of any length."""
        return list(self._inputs[name].shape)

    def input_type(self, name: str) -> str:
        """The type of an input, as onnxruntime names it."""
        return str(self._inputs[name].type)

    def __call__(
        self, inputs: Mapping[str, NDArray[Any]], outputs: tuple[str, ...] | None = None
    ) -> list[NDArray[Any]]:
        """The named outputs, by default those that were named when the graph was opened."""
        try:
            values: list[NDArray[Any]] = self.session.run(outputs or self._outputs, dict(inputs))
        except Exception as error:  # onnxruntime's own exceptions share no base below Exception
            raise BundleError(f"{self._path} failed: {_reason(error)}; get the model again") from error
        return values


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
