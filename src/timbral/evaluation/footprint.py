"""Size and needs of a model: bytes, parameters, memory of a process of its own.

    python -m timbral.evaluation.footprint FOLDER RECORDING TRANSCRIPT LANGUAGE TEXT THREADS

loads a model, clones, speaks, and prints what that took as JSON.
"""

import json
import math
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from safetensors import safe_open

from timbral.evaluation.results import Figures
from timbral.evaluation.suite import Case
from timbral.models import Bundle
from timbral.models.weights import read_parameters
from timbral.models.weights.adapter import part_of

_STATUS = Path("/proc/self/status")
_TIMEOUT = 600.0
_READING_RECORDINGS = frozenset({"content", "timbre", "speaker", "mel", "envelope"})
"""Parts that only read recordings: a cloned voice speaks without them."""


def count_parameters(bundle: Bundle) -> dict[str, int]:
    """Parameters of each part of a model; what several graphs share counts once, for the part that speaks.

    A part is what the file names begin with: `semantic`, `latent`, `vocoder`, `timbre` and so on.
    """
    counted: dict[tuple[str, str | int], tuple[str, int]] = {}
    graphs = [bundle.folder / name for name in bundle.manifest.files if name.endswith(".onnx")]
    for path in sorted(graphs, key=lambda path: (part_of(path) in _READING_RECORDINGS, path.name)):
        for parameter in read_parameters(path).values():
            size, stored = math.prod(parameter.shape), parameter.stored
            place = (stored.path.name, stored.offset) if stored.external else (part_of(path), parameter.name)
            if size > 1:  # no settings of operators
                counted.setdefault(place, (part_of(path), size))
    parts: dict[str, int] = {}
    for part, size in counted.values():
        parts[part] = parts.get(part, 0) + size
    for name in bundle.manifest.files:
        if name.endswith(".safetensors"):
            parts[Path(name).stem] = _tensor_sizes(bundle.folder / name)
    return dict(sorted(parts.items()))


def _tensor_sizes(path: Path) -> int:
    with safe_open(path, "numpy") as tensors:
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118


def measure_figures(bundle: Bundle, case: Case | None, threads: int) -> Figures:
    """Size and parameters; with a case also memory and time to load, in a process that speaks it."""
    parts = count_parameters(bundle)
    needed = _in_process(bundle, case, threads) if case else {}
    return Figures(
        size=bundle.size,
        speaking_size=bundle.size - _reading_size(bundle),
        parameters=sum(parts.values()),
        parts=parts,
        memory=needed.get("memory"),
        load_seconds=needed.get("load_seconds"),
    )


def _reading_size(bundle: Bundle) -> int:
    """Bytes of the files that only read recordings: their graphs, and the weights that no other graph points to."""
    listed = bundle.manifest.files
    graphs = [name for name in listed if name.endswith(".onnx")]
    readers = {name for name in graphs if part_of(Path(name)) in _READING_RECORDINGS}
    used: dict[bool, set[str]] = {True: set(), False: set()}
    for name in graphs:
        places = {p.stored.path.name for p in read_parameters(bundle.folder / name).values()}
        used[name in readers] |= places
    return sum(listed[name].bytes for name in readers | (used[True] - used[False]) if name in listed)


def _in_process(bundle: Bundle, case: Case, threads: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "timbral.evaluation.footprint", str(bundle.folder.resolve())]
    command += [
        str(case.voice.recording.resolve()),
        case.voice.transcript,
        case.language,
        case.text,
        str(threads),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=True)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, OSError, ValueError, IndexError):
        return {}
    return found


def _peak_memory() -> int | None:
    """Most bytes that this process has held at once; None where the system does not tell."""
    if _STATUS.exists():  # rusage also counts what the process was forked from
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
        peak = next((line for line in lines if line.startswith("VmHWM:")), None)
        if peak:
            return int(peak.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Loads, clones, speaks and prints."""
    import timbral

    folder, recording, transcript, language, text, threads = sys.argv[1:]
    warnings.simplefilter("ignore")
    began = time.perf_counter()
    synthesizer = timbral.load(Path(folder), languages=(), threads=int(threads))
    load_seconds = time.perf_counter() - began
    needs_text = synthesizer.manifest.semantic.prompts
    voice = synthesizer.clone(recording, text=(transcript or None) if needs_text else None)
    synthesizer.say(text, voice, language, seed=0)
    print(json.dumps({"memory": _peak_memory(), "load_seconds": round(load_seconds, 3)}))


if __name__ == "__main__":
    main()
