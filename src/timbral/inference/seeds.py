"""Randomness that belongs to a request: seeds derived by name, and noise addressed by place, not by order."""

import hashlib

import numpy as np
from numpy.typing import NDArray

BLOCK = 4096
"""Samples that one counter of the noise generator yields."""
FARTHEST = 2.0
"""Standard deviations that a draw of `deviations` may be off."""


def derive_seed(seed: int, *path: int | str) -> int:
    """A seed of 64 bits for the part of a request that `path` names; the same on every platform.

    `derive_seed(seed, "sentence", 3)` and `derive_seed(seed, "take", 3)` have nothing in common.
    """
    named = "/".join(f"{type(part).__name__}:{part}" for part in (seed, *path))
    return int.from_bytes(hashlib.blake2b(named.encode(), digest_size=8).digest(), "little")


def generator(seed: int, *path: int | str) -> np.random.Generator:
    """A generator of its own for the part of a request that `path` names."""
    return np.random.Generator(np.random.Philox(key=derive_seed(seed, *path)))


def deviations(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Standard normal numbers [count], cut off at FARTHEST: how one time of saying something differs from another."""
    return rng.standard_normal(count).clip(-FARTHEST, FARTHEST)


def noise(seed: int, start: int, count: int) -> NDArray[np.float32]:
    """Standard normal noise [count] from sample `start` on, out of the endless sequence that `seed` names.

    Any cut of the sequence gives the same samples, so that sound made in pieces equals sound made at once.
    """
    if start < 0 or count < 0:
        raise ValueError(f"noise starts at sample {start} and has {count} samples: neither may be negative")
    first, last = start // BLOCK, -(-(start + count) // BLOCK)
    key = derive_seed(seed, "noise")
    blocks = [
        np.random.Generator(np.random.Philox(key=key, counter=block << 64)).standard_normal(BLOCK, np.float32)
        for block in range(first, max(last, first + 1))
    ]
    offset = start - first * BLOCK
    return np.concatenate(blocks)[offset : offset + count]
