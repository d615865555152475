"""Checkpoints of a run: one file, replaced atomically.

Only trained parameters and buffers are saved. Frozen weights are loaded from the base again; the fingerprint
of the run identifies it.
"""

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from timbral.errors import TrainingError

FORMAT = 2
NAME = "checkpoint.pt"


def save_checkpoint(folder: Path, state: Mapping[str, Any]) -> None:
    """Writes tensors and plain values. A kill at any moment leaves the previous checkpoint."""
    part = folder / f"{NAME}.part"
    with part.open("wb") as file:
        torch.save({"format": FORMAT, **state}, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / NAME)


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The last checkpoint, on the CPU, or None. Code in the file is not executed.

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
            f"{path} was written by another version of timbral; resume with that version, or start over"
        )
    return state


def trained_state(module: nn.Module) -> dict[str, Tensor]:
    """Trainable parameters and all buffers by name."""
    trained = {name: weight.detach() for name, weight in module.named_parameters() if weight.requires_grad}
    return trained | dict(module.named_buffers())


@torch.no_grad()
def restore_trained(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copies the result of `trained_state` back. Raises TrainingError: names or shapes differ."""
    own = trained_state(module)
    wrong = sorted(own.keys() ^ state.keys()) or [n for n in own if own[n].shape != state[n].shape]
    if wrong:
        raise TrainingError(
            f"the run was made for another network ({wrong[0]} does not fit); start over in another folder"
        )
    for name, weight in own.items():
        weight.copy_(state[name])
