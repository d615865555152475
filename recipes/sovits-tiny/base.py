"""Weights of a bundle in float32, from which a training can begin.

Tokens have the same meaning only with the codebook of the bundle: `codebook.npz` in this folder belongs to
the shipped weights. Copy it into the working folder before `tokens.py` makes another one.
"""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from timbral.models import open_bundle
from timbral.nets.source_filter import LatentNet
from timbral.training.networks import restore_reference, restore_semantic, restore_source_filter


def base_semantic(bundle: Path) -> dict[str, Tensor]:
    """Stage one."""
    return restore_semantic(open_bundle(bundle)).state_dict()


def base_content(bundle: Path) -> dict[str, Tensor]:
    """The content encoder, without what train_pace.py adds to it."""
    weights = restore_reference(open_bundle(bundle)).content.state_dict()
    return {name: weight for name, weight in weights.items() if not name.startswith("usual.")}


def base_acoustic(bundle: Path) -> dict[str, Tensor]:
    """Both networks of stage two, with the prefixes `latent.` and `vocoder.`, also of bundles without phone
    input.
    """
    opened = open_bundle(bundle)
    latent, vocoder = restore_source_filter(opened)
    shape = opened.manifest.semantic
    new = LatentNet(replace(latent.config, vocabulary=shape.vocabulary, phonemes=shape.phonemes))
    # Phone inputs that are missing begin as zero, an embedding of the unknown token as the mean of all
    # tokens.
    weights = {**new.state_dict(), **latent.state_dict()}
    tokens = weights["tokens.weight"]
    missing = shape.vocabulary - len(tokens)
    weights["tokens.weight"] = torch.cat([tokens, tokens.mean(0, keepdim=True).expand(missing, -1)])
    networks = (("latent.", weights), ("vocoder.", vocoder.state_dict()))
    return {prefix + name: weight for prefix, state in networks for name, weight in state.items()}
