"""A run on disk: all that is needed to go on as if nothing had happened, in one file that is old or new, never half.

Only what is trained is in it. Frozen weights come from the base again, which the run knows by its fingerprint.
"""

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from timbral.errors import TrainingError

FORMAT = 1
NAME = "checkpoint.pt"


def save_checkpoint(folder: Path, state: Mapping[str, Any]) -> None:
    """Writes tensors and plain values to the run's folder; a kill at any moment leaves the one before."""
    part = folder / f"{NAME}.part"
    with part.open("wb") as file:
        torch.save({"format": FORMAT, **state}, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / NAME)


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """What was saved last, on the CPU; None if nothing was. Nothing in the file is run.

    Raises TrainingError: the file is damaged, or of another version of this package.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError, KeyError):
        state = None
    if not isinstance(state, dict):
        raise TrainingError(f"{path} is damaged; remove it to start over, or choose another folder")
    if state.get("format") != FORMAT:
        raise TrainingError(
            f"{path} was written by another version of timbral; go on with that one, or start over"
        )
    return state


def trained_state(module: nn.Module) -> dict[str, Tensor]:
    """Parameters that are trained, and all buffers, by name."""
    trained = {name: weight.detach() for name, weight in module.named_parameters() if weight.requires_grad}
    return trained | dict(module.named_buffers())


@torch.no_grad()
def restore_trained(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Puts back what `trained_state` gave. Raises TrainingError where names or shapes are others."""
    own = trained_state(module)
    wrong = sorted(own.keys() ^ state.keys()) or [n for n in own if own[n].shape != state[n].shape]
    if wrong:
        raise TrainingError(
            f"the run was made for another network ({wrong[0]} does not fit); start over in another folder"
        )
    for name, weight in own.items():
        weight.copy_(state[name])
