"""The networks that a training starts from: stage one of a model or a checkpoint, stage two of a checkpoint."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from timbral.conversion.checkpoints import Checkpoint, Network, identify, read_checkpoint
from timbral.conversion.checkpoints.identify import MelVersion
from timbral.conversion.checkpoints.tensors import Array
from timbral.conversion.fingerprint import WEIGHTS, weights_of
from timbral.conversion.networks import acoustic_network, mel_acoustic_network, semantic_network
from timbral.errors import CheckpointError
from timbral.models import Bundle
from timbral.models.manifest import SYMBOLS
from timbral.nets.acoustic import AcousticNetwork
from timbral.nets.discriminators import DISCRIMINATORS, Discriminators
from timbral.nets.mel_acoustic import MelAcousticNetwork
from timbral.nets.semantic import SemanticTransformer
from timbral.training.networks import restore_semantic
from timbral.training.settings import Stage, family_of

_POSTERIOR = "enc_q."


@dataclass(frozen=True)
class AcousticBase:
    """Stage two. new_posterior: the checkpoint had no posterior encoder, so it has its first weights."""

    network: AcousticNetwork | MelAcousticNetwork
    new_posterior: bool = False


def semantic_base(bundle: Bundle, checkpoint: Path | None, *, same: bool = False) -> SemanticTransformer:
    """Stage one of a checkpoint, or else of the model.

    same: the checkpoint has to hold the weights of the model. Raises CheckpointError, BundleError: neither can be used.
    """
    if checkpoint is None:
        return restore_semantic(bundle)
    network = identify(read_checkpoint(checkpoint))
    if network.kind != "semantic":
        raise CheckpointError(f"{checkpoint} is no stage one; give a .ckpt of stage one as --gpt")
    made = semantic_network(network, SYMBOLS[bundle.manifest.symbols])
    shape = bundle.manifest.semantic
    if (made.config.layers, made.config.hidden, made.config.bert) != (shape.layers, shape.hidden, shape.bert):
        raise CheckpointError(f"{checkpoint} is of another size than stage one of {bundle.manifest.name}")
    if same:
        _check_same(bundle, "semantic", made, checkpoint)
    return made


def check_acoustic(bundle: Bundle, path: Path) -> None:
    """Raises CheckpointError: the file is no stage two of the model's version."""
    _stage_two(bundle, path)


def acoustic_base(bundle: Bundle, path: Path, *, same: bool = False) -> AcousticBase:
    """Stage two of a checkpoint, which has to be of the model's version; same: of its very weights. Raises CheckpointError."""
    checkpoint, network = _stage_two(bundle, path)
    if network.kind == "flow-matching":
        mel = mel_acoustic_network(network)
        if same:
            _check_same(bundle, "acoustic", mel, path)
        return AcousticBase(mel)
    held = acoustic_network(network)
    if same:
        _check_same(bundle, "acoustic", held, path)
    made = AcousticNetwork(replace(held.config, posterior=True))
    posterior = {
        name.removeprefix(_POSTERIOR): _floats(tensor)
        for name, tensor in checkpoint.tensors.items()
        if name.startswith(_POSTERIOR)
    }
    made.load_state_dict(held.state_dict(), strict=False, assign=True)
    for weight in made.parameters():
        weight.requires_grad_(True)
    if posterior:
        try:
            made.enc_q.load_state_dict(posterior)
        except RuntimeError:
            raise CheckpointError(
                f"{path}: its posterior encoder does not fit; the file is damaged"
            ) from None
    return AcousticBase(made, not posterior)


def _stage_two(bundle: Bundle, path: Path) -> tuple[Checkpoint, Network]:
    version = family_of(bundle.manifest)
    told: MelVersion | None = "v3" if version == "v3" else "v4" if version == "v4" else None
    checkpoint = read_checkpoint(path)
    network = identify(checkpoint, version=told)
    if network.version != version or network.kind not in ("acoustic", "flow-matching"):
        raise CheckpointError(
            f"{path} is {network.kind} of {network.version}, and {bundle.manifest.name} is of {version}; give a stage two "
            f"of {version} as --sovits"
        )
    return checkpoint, network


def _check_same(bundle: Bundle, stage: Stage, network: nn.Module, path: Path) -> None:
    """Raises CheckpointError where a voice that learns from these weights would speak with others."""
    known = bundle.manifest.weights
    if known is not None and weights_of(stage, network) not in (known[:WEIGHTS], known[WEIGHTS:]):
        raise CheckpointError(
            f"{path} holds other weights than {bundle.manifest.name}, so the voice would not fit it; import the checkpoint, and "
            "give that model"
        )


def discriminators_base(version: str, path: Path | None) -> Discriminators:
    """The discriminators of a checkpoint (s2D*.pth), or new ones. Raises CheckpointError."""
    made = Discriminators(DISCRIMINATORS[version])
    if path is not None:
        tensors = {
            name.removeprefix("module."): _floats(t) for name, t in read_checkpoint(path).tensors.items()
        }
        try:
            made.load_state_dict(tensors)
        except RuntimeError:
            raise CheckpointError(
                f"{path} holds no discriminators of {version}; give its s2D*.pth as --discriminator"
            ) from None
    return made


def _floats(tensor: Array) -> Tensor:
    return torch.from_numpy(np.asarray(tensor, np.float32, order="C").copy())
