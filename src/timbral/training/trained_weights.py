"""The result of training a stage as a file: low-rank updates or whole weights, by parameter name."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from timbral.errors import TrainingError
from timbral.nets.normalization import folded_copy
from timbral.training.adapters import LowRank, low_rank_of, merge_low_rank
from timbral.training.ema import copy_weights
from timbral.training.settings import STAGES, Stage

_KEY = "timbral_training"
_DOWN, _UP = ".down", ".up"
_TRAINING_ONLY = ("enc_q.",)
"""Prefixes of weights that inference does not need."""


@dataclass(frozen=True)
class TrainedWeights:
    """Trained weights of a stage.

    base: identifies the weights of the model (`Manifest.base`). low_rank: updates of weights by their names
    in the network with folded weight norm. replaced: weights that were trained in full, by the same names.
    """

    stage: Stage
    base: str
    low_rank: dict[str, LowRank]
    replaced: dict[str, Tensor]

    @staticmethod
    def of(network: nn.Module, stage: Stage, base: str) -> "TrainedWeights":
        """The trained weights of a network: low-rank updates and what was trained beside them, or else all
        weights.
        """
        low_rank = low_rank_of(network)
        if low_rank:
            trained = {n: w.detach() for n, w in network.named_parameters() if w.requires_grad}
            replaced = {n: w for n, w in trained.items() if ".parametrizations." not in n}
        else:
            replaced = {n: w.detach() for n, w in folded_copy(network).state_dict().items()}
        return TrainedWeights(
            stage, base, low_rank, {n: w for n, w in replaced.items() if not n.startswith(_TRAINING_ONLY)}
        )

    def apply(self, network: nn.Module) -> None:
        """Loads the trained weights into the base network, whose weight norm is folded.

        Raises TrainingError: they belong to another network.
        """
        missing = self.replaced.keys() - network.state_dict().keys()
        if missing:
            raise TrainingError(f"the weights were trained on another network: {min(missing)} does not fit")
        own = dict(network.named_parameters())
        copy_weights(network, {n: w for n, w in self.replaced.items() if n in own})
        for name, buffer in network.named_buffers():
            if name in self.replaced:
                buffer.copy_(self.replaced[name])
        merge_low_rank(network, self.low_rank)

    def save(self, path: Path) -> None:
        """Writes a safetensors file: low-rank updates in float32, whole weights in float16."""
        tensors = {name: _half(weight) for name, weight in self.replaced.items()}
        for name, (down, up) in self.low_rank.items():
            tensors |= {name + _DOWN: down, name + _UP: up}
        held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        part = path.with_suffix(".part")
        save_file(held, part, {_KEY: json.dumps({"format": 1, "stage": self.stage, "base": self.base})})
        part.replace(path)

    @staticmethod
    def load(path: Path) -> "TrainedWeights":
        """Reads the file of `save`. Raises TrainingError: the file is missing or of another kind."""
        try:
            with safe_open(path, "pt") as file:
                metadata: dict[str, Any] = json.loads((file.metadata() or {}).get(_KEY, "{}"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, ValueError) as error:
            raise TrainingError(f"{path}: cannot be read as the result of a training ({error})") from None
        if metadata.get("format") != 1 or metadata.get("stage") not in STAGES:
            raise TrainingError(f"{path}: is not the result of a training")
        names = {name.removesuffix(_DOWN) for name in tensors if name.endswith(_DOWN)}
        low_rank = {name: (tensors.pop(name + _DOWN), tensors.pop(name + _UP)) for name in names}
        return TrainedWeights(metadata["stage"], str(metadata["base"]), low_rank, tensors)


def _half(weight: Tensor) -> Tensor:
    return weight.half() if weight.is_floating_point() else weight
