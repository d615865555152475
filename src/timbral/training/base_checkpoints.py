"""The networks that training starts from: stage one of a model or a checkpoint, stage two of a checkpoint."""

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
class BaseCheckpoints:
    """Official checkpoints to start from.

    gpt: stage one, by default that of the model. sovits: stage two; a model lacks its posterior encoder, so
    training needs the checkpoint. discriminator: of stage two, by default with random weights.
    """

    gpt: Path | None = None
    sovits: Path | None = None
    discriminator: Path | None = None


def load_semantic(bundle: Bundle, checkpoint: Path | None, *, same: bool = False) -> SemanticTransformer:
    """Stage one of a checkpoint, or else of the model.

    same: require that the checkpoint holds the weights of the model. Raises CheckpointError, BundleError:
    unsuitable files.
    """
    if checkpoint is None:
        return restore_semantic(bundle)
    network = identify(read_checkpoint(checkpoint))
    if network.kind != "semantic":
        raise CheckpointError(f"{checkpoint} is no stage one; give a .ckpt of stage one as --gpt")
    loaded = semantic_network(network, SYMBOLS[bundle.manifest.symbols])
    shape = bundle.manifest.semantic
    if (loaded.config.layers, loaded.config.hidden, loaded.config.bert) != (
        shape.layers,
        shape.hidden,
        shape.bert,
    ):
        raise CheckpointError(f"{checkpoint} is of another size than stage one of {bundle.manifest.name}")
    if same:
        _check_same(bundle, "semantic", loaded, checkpoint)
    return loaded


def check_acoustic_version(bundle: Bundle, path: Path) -> None:
    """Raises CheckpointError: the file is not a stage two of the version of the model."""
    _read_acoustic(bundle, path)


def load_acoustic(
    bundle: Bundle, path: Path, *, same: bool = False
) -> tuple[AcousticNetwork | MelAcousticNetwork, bool]:
    """Stage two of a checkpoint, and whether its posterior encoder is new because the checkpoint has none.

    same: require that the checkpoint holds the weights of the model. Raises CheckpointError: another version
    or weights.
    """
    checkpoint, network = _read_acoustic(bundle, path)
    if network.kind == "flow-matching":
        mel = mel_acoustic_network(network)
        if same:
            _check_same(bundle, "acoustic", mel, path)
        return mel, False
    without_posterior = acoustic_network(network)
    if same:
        _check_same(bundle, "acoustic", without_posterior, path)
    loaded = AcousticNetwork(replace(without_posterior.config, posterior=True))
    posterior = {
        name.removeprefix(_POSTERIOR): _floats(tensor)
        for name, tensor in checkpoint.tensors.items()
        if name.startswith(_POSTERIOR)
    }
    loaded.load_state_dict(without_posterior.state_dict(), strict=False, assign=True)
    for weight in loaded.parameters():
        weight.requires_grad_(True)
    if posterior:
        try:
            loaded.enc_q.load_state_dict(posterior)
        except RuntimeError:
            raise CheckpointError(
                f"{path}: its posterior encoder does not fit; the file is damaged"
            ) from None
    return loaded, not posterior


def _read_acoustic(bundle: Bundle, path: Path) -> tuple[Checkpoint, Network]:
    version = family_of(bundle.manifest)
    mel_version: MelVersion | None = "v3" if version == "v3" else "v4" if version == "v4" else None
    checkpoint = read_checkpoint(path)
    network = identify(checkpoint, version=mel_version)
    if network.version != version or network.kind not in ("acoustic", "flow-matching"):
        raise CheckpointError(
            f"{path} is {network.kind} of {network.version}, and {bundle.manifest.name} is of {version}; give a stage two "
            f"of {version} as --sovits"
        )
    return checkpoint, network


def _check_same(bundle: Bundle, stage: Stage, network: nn.Module, path: Path) -> None:
    """Raises CheckpointError: a voice trained on these weights would not fit those of the model."""
    known = bundle.manifest.weights
    if known is not None and weights_of(stage, network) not in (known[:WEIGHTS], known[WEIGHTS:]):
        raise CheckpointError(
            f"{path} holds other weights than {bundle.manifest.name}, so the voice would not fit it; import the checkpoint, and "
            "give that model"
        )


def load_discriminators(version: str, path: Path | None) -> Discriminators:
    """Discriminators of a checkpoint (s2D*.pth), or with random weights. Raises CheckpointError."""
    discriminators = Discriminators(DISCRIMINATORS[version])
    if path is not None:
        tensors = {
            name.removeprefix("module."): _floats(t) for name, t in read_checkpoint(path).tensors.items()
        }
        try:
            discriminators.load_state_dict(tensors)
        except RuntimeError:
            raise CheckpointError(
                f"{path} holds no discriminators of {version}; give its s2D*.pth as --discriminator"
            ) from None
    return discriminators


def _floats(tensor: Array) -> Tensor:
    return torch.from_numpy(np.asarray(tensor, np.float32, order="C").copy())
