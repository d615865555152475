"""From what was learned to a voice: the changes of a training, and the voice that was heard, in one file."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from timbral.errors import TimbralWarning, TrainingError
from timbral.models import Bundle
from timbral.models.weights import Adapter, LowRank, part_of, read_parameters
from timbral.training.adapters import LowRank as Learned
from timbral.training.result import Result
from timbral.training.source_filter import TIMBRE
from timbral.voices.voice import Voice

_GRAPHS = {
    "semantic": ("semantic_prefill.onnx", "semantic_step.onnx"),
    "acoustic": ("latent.onnx", "vocoder.onnx", "features.onnx", "condition.onnx", "flow.onnx"),
}
"""Where weights of a stage are."""
_WRAPPED = ("cfm.estimator.", "latent.", "vocoder.")
"""Beginnings of names in a whole stage two that its graphs leave out, since they hold a part of it each."""


def tuned_voice(voice: Voice, results: Sequence[Result], bundle: Bundle) -> Voice:
    """A voice that brings what was learned of its speaker.

    voice: as the model heard it. Raises TrainingError: results of another model, or of a training in full, which is a model
    of its own and no voice.
    """
    parts: dict[str, dict[str, LowRank]] = {}
    timbre = voice.timbre
    for result in results:
        if result.base != bundle.manifest.base:
            raise TrainingError(f"{bundle.manifest.name} is not the model that was trained; give that one")
        replaced = dict(result.replaced)
        if TIMBRE in replaced:
            timbre = replaced.pop(TIMBRE).detach().cpu().numpy().astype(np.float32)
        if replaced:
            raise TrainingError(
                f"{result.stage} was trained in full ({min(replaced)} and more), which a voice cannot hold; train by lora"
            )
        for part, changes in _parts(result, bundle).items():
            parts.setdefault(part, {}).update(changes)
    return replace(voice, timbre=timbre, adapter=Adapter(parts), base=bundle.manifest.base)


def _parts(result: Result, bundle: Bundle) -> dict[str, dict[str, LowRank]]:
    """The changes of a stage by the part of the model whose graphs hold the weight."""
    paths = [bundle.path(name) for name in _GRAPHS[result.stage] if name in bundle.manifest.files]
    held = {path: read_parameters(path) for path in paths}
    parts: dict[str, dict[str, LowRank]] = {}
    left = []
    for name, learned in result.low_rank.items():
        places = [(path, known) for path in held for known in _names(name, path) if known in held[path]]
        if not places or not all(held[path][known].exchangeable for path, known in places):
            left.append(name)
            continue
        for path, known in places:
            parts.setdefault(part_of(path), {})[known] = _as_arrays(learned)
    if len(left) == len(result.low_rank):
        raise TrainingError(
            f"no graph of {bundle.manifest.name} can be changed in {left[0]}; import the model again"
        )
    if left:
        warnings.warn(
            f"{len(left)} small weights cannot be changed in a graph and stay as they are ({left[0]})",
            TimbralWarning,
            stacklevel=3,
        )
    return parts


def _names(name: str, path: Path) -> list[str]:
    """What a weight may be called in the graph at `path`."""
    found = [name]
    for beginning in _WRAPPED:
        # The halves of the embedded family have weights of the same names, so each is looked for in its own graph.
        own = beginning.rstrip(".")
        if name.startswith(beginning) and (own not in ("latent", "vocoder") or own == path.stem):
            found.append(name.removeprefix(beginning))
    return found


def _as_arrays(learned: Learned) -> LowRank:
    down, up = (side.detach().cpu().float().numpy().astype(np.float16) for side in learned)
    return LowRank(down, up)
