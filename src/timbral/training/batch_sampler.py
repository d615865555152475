"""Selects the examples of each update: similar lengths together, to compute little padding, in a seeded
order.
"""

from collections.abc import Sequence

import numpy as np


def batches_by_length(
    lengths: Sequence[float], size: int, width: float, seed: int, epoch: int, least: int = 0
) -> list[list[int]]:
    """Example numbers for each update of an epoch, shuffled within buckets of similar length.

    lengths: of the examples. width: of a bucket, in the same unit. size: examples per update. least: minimum
    number of examples per epoch; fewer are repeated, at least once, as in the official code.
    """
    generator = np.random.default_rng([seed, epoch])
    repeats = max(2, least // len(lengths)) if len(lengths) < least else 1
    shuffled = generator.permutation(np.tile(np.arange(len(lengths)), repeats))
    bucket = np.asarray(lengths, np.float64)[shuffled] // width
    row = shuffled[np.argsort(bucket, kind="stable")]
    updates = [row[i : i + size].tolist() for i in range(0, len(row), size)]
    return [updates[i] for i in generator.permutation(len(updates))]


def split_held_out(count: int, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Numbers of the training and of the held-out examples; at least one of five or more is held out if share
    > 0.
    """
    held_out = max(1, round(share * count)) if share > 0 and count >= 5 else 0
    order = np.random.default_rng(seed).permutation(count).tolist()
    return sorted(order[held_out:]), sorted(order[:held_out])
