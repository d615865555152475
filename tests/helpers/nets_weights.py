"""What tests of the networks share: the recipe of the goldens' weights, comparison, greedy decoding."""

import math
from collections.abc import Callable
from dataclasses import replace
from zlib import crc32

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tests.helpers.paths import DATA
from timbral.nets.acoustic import FAMILIES

SMALL_ACOUSTIC = replace(
    FAMILIES["v2"],
    latent=16,
    feed_forward=64,
    layers=1,
    upsample_channels=64,
    upsample_rates=(10, 8),
    upsample_kernels=(16, 16),
    block_kernels=(3, 7),
    block_dilations=((1, 3), (1, 3)),
    posterior=False,
)
"""Stage two of v2 in small; its vocoder makes 80 samples a frame."""
GOLDENS = DATA / "goldens"
STEPS_WITHOUT_END = 11
"""Steps at the start of decoding during which the end token is not offered."""


def golden_arrays(name: str) -> dict[str, Tensor]:
    """All arrays of a golden file."""
    with np.load(GOLDENS / name) as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays}


def random_floats(seed: int, *shape: int) -> Tensor:
    """Standard normal float32 of the given shape: the inputs that the golden files leave out."""
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape).astype(np.float32))


def golden_array(key: str, shape: tuple[int, ...], seed: int) -> npt.NDArray[np.float32]:
    """The synthetic value of the float tensor `key`."""
    state = np.random.RandomState((crc32(key.encode()) ^ (seed * 0x9E3779B1)) & 0xFFFFFFFF)
    a = state.standard_normal(math.prod(shape)).reshape(shape)
    return np.asarray(_scaled(key.rsplit(".", 1)[-1], a), dtype=np.float32)


def fill(module: nn.Module, seed: int) -> None:
    """Gives every float tensor of the module's state its synthetic value, and zeroes its integers.

    What is computed, not learned, stays as it is.
    """
    with torch.no_grad():
        for key, tensor in module.state_dict().items():
            if key.rsplit(".", 1)[-1] in ("inv_freq", "filter"):
                continue
            if tensor.is_floating_point():
                tensor.copy_(torch.from_numpy(golden_array(key, tuple(tensor.shape), seed)))
            else:
                tensor.zero_()


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest expected magnitude."""
    assert actual.shape == expected.shape, f"{tuple(actual.shape)} is not {tuple(expected.shape)}"
    return float((actual - expected).abs().max() / expected.abs().max())


def greedy(
    logits: Tensor,
    prompt: Tensor,
    steps: int,
    advance: Callable[[Tensor, int], Tensor],
    penalty: float = 1.35,
) -> Tensor:
    """Official greedy decoding that no end token stops: prompt and new tokens, [batch, prompt + steps].

    logits [batch, vocabulary] follow the prompt [batch, n]; advance(tokens [batch, 1], step) gives the next.
    """
    tokens = prompt.long()
    for step in range(steps):
        offered = logits[:, :-1].clone() if step < STEPS_WITHOUT_END else logits.clone()
        seen = offered.gather(1, tokens)
        offered.scatter_(1, tokens, torch.where(seen < 0, seen * penalty, seen / penalty))
        tokens = torch.cat([tokens, offered.argmax(1, keepdim=True)], dim=1)
        if step + 1 < steps:
            logits = advance(tokens[:, -1:], step)
    return tokens


def _scaled(name: str, a: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    matrix = a.ndim >= 2 and max(a.shape) > 1
    if name == "running_var":
        return 0.5 + np.abs(a)
    if name == "running_mean":
        return 0.1 * a
    if name == "weight_g":
        return 1 + 0.1 * a
    if name in ("emb_rel_k", "emb_rel_v"):
        return a / math.sqrt(a.shape[-1])
    if name in ("embed", "embed_avg"):
        return a
    if name in ("inited", "cluster_size"):
        return np.ones_like(a)
    if name == "gamma" and a.ndim == 1:
        return 1 + 0.1 * a
    if matrix and name not in ("gamma", "beta"):
        return a / math.sqrt(math.prod(a.shape[1:]))
    if (name == "weight" and a.ndim == 1) or (name == "alpha" and a.size == 1):
        return 1 + 0.1 * a
    return 0.05 * a
