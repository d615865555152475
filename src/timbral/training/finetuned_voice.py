"""Makes a fine-tuned voice of a cloned voice and trained low-rank updates."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from timbral.errors import TrainingError
from timbral.models import Bundle, files
from timbral.models.weights import Adapter, LowRank, Parameter, part_of, read_parameters
from timbral.training.settings import Stage
from timbral.training.source_filter import TIMBRE
from timbral.training.trained_weights import TrainedWeights
from timbral.voices.voice import Voice

_GRAPHS: dict[Stage, tuple[str, ...]] = {
    "semantic": (files.SEMANTIC_PREFILL, files.SEMANTIC_STEP),
    "acoustic": (files.LATENT, files.VOCODER, files.FEATURES, files.CONDITION, files.FLOW),
}
"""Graphs with weights of each stage."""
_PREFIXES = {"cfm.estimator.": None, "latent.": "latent", "vocoder.": "vocoder"}
"""Prefixes of names in stage two that graphs leave out, and the only graph that does so."""


class ExchangeableWeights:
    """The weights of a stage that a voice can change when the graphs of a model are opened."""

    def __init__(self, bundle: Bundle, stage: Stage) -> None:
        paths = [bundle.path(name) for name in _GRAPHS[stage] if name in bundle.manifest.files]
        self._graphs = {path: read_parameters(path) for path in paths}

    def __contains__(self, name: object) -> bool:
        """Whether the weight of this name in the network is in some graph, and exchangeable wherever it is."""
        parameters = [parameter for _, _, parameter in self.places(str(name))]
        return bool(parameters) and all(parameter.exchangeable for parameter in parameters)

    def places(self, name: str) -> list[tuple[Path, str, Parameter]]:
        """Graphs that hold the weight of this name in the network, its name there, and the parameter."""
        return [
            (path, known, parameters[known])
            for path, parameters in self._graphs.items()
            for known in _names(name, path)
            if known in parameters
        ]


def _names(name: str, path: Path) -> list[str]:
    """Possible names of a weight in the graph at `path`."""
    return [name] + [
        name.removeprefix(prefix)
        for prefix, graph in _PREFIXES.items()
        if name.startswith(prefix) and graph in (None, path.stem)
    ]


def finetuned_voice(voice: Voice, results: Sequence[TrainedWeights], bundle: Bundle) -> Voice:
    """A voice with the trained updates of its model.

    voice: cloned with the same model. Raises TrainingError: results of another model, of a full training,
    which a voice cannot hold, or of weights that the graphs cannot exchange.
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
        weights = ExchangeableWeights(bundle, result.stage)
        for name, update in result.low_rank.items():
            if name not in weights:
                raise TrainingError(
                    f"no graph of {bundle.manifest.name} can be changed in {name}; import the model again"
                )
            down, up = (side.detach().cpu().float().numpy().astype(np.float16) for side in update)
            for path, known, _ in weights.places(name):
                parts.setdefault(part_of(path), {})[known] = LowRank(down, up)
    return replace(voice, timbre=timbre, adapter=Adapter(parts), base=bundle.manifest.base)
