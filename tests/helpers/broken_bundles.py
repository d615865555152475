"""Copies of the embedded model that are broken on purpose, each in its own way."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from timbral.models import files, open_bundle
from timbral.models.bundle import Bundle, write_manifest
from timbral.models.weights import read_parameters

Floats = NDArray[np.float32]


def broken(kind: str, folder: Path) -> Path:
    """Makes a copy of the embedded model in `folder` that is broken in the way that WAYS names."""
    bundle = open_bundle()
    shutil.copytree(bundle.folder, folder)
    WAYS[kind](folder)
    _write_manifest(bundle, folder, 1.25 if kind == "sped up by the rate" else 1.0)
    return folder


def change_weights(graph: Path, change: Callable[[str, Floats], Floats | None]) -> None:
    """Replaces weights of a graph where they are stored; `change` returns None for those that stay."""
    for name, parameter in read_parameters(graph).items():
        if not parameter.exchangeable or len(parameter.shape) < 2:
            continue
        changed = change(name, parameter.read())
        if changed is None:
            continue
        for constant, values in parameter.packed(changed.astype(np.float32)).items():
            stored = parameter.stored if constant == parameter.constant else parameter.stored_scales
            with stored.path.open("r+b") as file:
                file.seek(stored.offset)
                file.write(np.ascontiguousarray(values, stored.dtype).tobytes())


def append_to_output(
    graph: Path, output: str, *operations: tuple[str, Mapping[str, NDArray[np.float32]]]
) -> None:
    """Puts operators with one constant each behind an output of a graph."""
    model = onnx.load(graph, load_external_data=False)
    inner = f"{output}_before"
    for node in model.graph.node:
        for names in (node.input, node.output):
            for at, name in enumerate(names):
                if name == output:
                    names[at] = inner
    current = inner
    for number, (operator, constants) in enumerate(operations):
        last = number == len(operations) - 1
        for name, values in constants.items():
            model.graph.initializer.append(numpy_helper.from_array(values, f"{output}_{name}"))
        made = output if last else f"{output}_{number}"
        given = [current, *(f"{output}_{name}" for name in constants)]
        model.graph.node.append(helper.make_node(operator, given, [made]))
        current = made
    assert all(
        tensor.data_location in (TensorProto.DEFAULT, TensorProto.EXTERNAL)
        for tensor in model.graph.initializer
    )
    onnx.save(model, graph)


def _without_layers(graph: str, *prefixes: str) -> Callable[[Path], None]:
    """Zeroes what residual blocks add."""
    ends = ("down.weight", "linear2.weight", "out_proj.weight")

    def change(name: str, weight: Floats) -> Floats | None:
        return np.zeros_like(weight) if name.startswith(prefixes) and name.endswith(ends) else None

    return lambda folder: change_weights(folder / graph, change)


def _scaled(graph: str, which: str, factor: float) -> Callable[[Path], None]:
    return lambda folder: change_weights(
        folder / graph, lambda name, w: w * factor if which in name else None
    )


def _noisy(graph: str, share: float) -> Callable[[Path], None]:
    def break_(folder: Path) -> None:
        random = np.random.default_rng(0)

        def change(name: str, weight: Floats) -> Floats:
            return weight + share * weight.std() * random.standard_normal(weight.shape)

        change_weights(folder / graph, change)

    return break_


def _multiplied(graph: str, output: str, factor: float) -> Callable[[Path], None]:
    constant = {"factor": np.array(factor, np.float32)}
    return lambda folder: append_to_output(folder / graph, output, ("Mul", constant))


def _other_timbre(folder: Path) -> None:
    """Every voice gets the timbre of the default voice's opposite: that of the other prompt."""
    from timbral import load

    voice = load(languages=()).clone(OTHER)
    operations = [("Mul", {"zero": np.array(0, np.float32)}), ("Add", {"other": voice.timbre[None]})]
    append_to_output(folder / files.TIMBRE, "timbre", *operations)


def _write_manifest(bundle: Bundle, folder: Path, speed: float) -> None:
    description = bundle.manifest.model_dump(exclude={"files", "format"})
    if speed != 1.0:
        description["token_rate"] = int(description["token_rate"] * speed)
        description["sample_rate"] = description["token_rate"] * 960
    (folder / files.MANIFEST).unlink()
    write_manifest(folder, description)


OTHER = Path(__file__).parents[1] / "data" / "english.flac"

WAYS: dict[str, Callable[[Path], None]] = {
    "stage one without a layer": _without_layers(files.SEMANTIC_STEP, "h.layers.2."),
    "stage two without a layer": _without_layers(files.LATENT, "frame_blocks.2."),
    "vocoder without a layer": _without_layers(files.VOCODER, "blocks.1."),
    "stage one scaled": _scaled(files.SEMANTIC_STEP, "linear1.weight", 2.0),
    "stage two scaled": _scaled(files.LATENT, "spread.weight", 2.0),
    "vocoder scaled": _scaled(files.VOCODER, "from_latent.weight", 1.5),
    "noise in stage one": _noisy(files.SEMANTIC_STEP, 0.3),
    "noise in stage two": _noisy(files.LATENT, 0.3),
    "noise in the vocoder": _noisy(files.VOCODER, 0.2),
    "muted": _multiplied(files.VOCODER, "audio", 0.0),
    "nearly muted": _multiplied(files.VOCODER, "audio", 0.05),
    "sped up": _multiplied(files.DURATIONS, "durations", 0.8),
    "sped up by the rate": lambda folder: None,
    "another's timbre": _other_timbre,
}
