"""Which examples make an update: of similar length, since padding is computed too, and in an order that the seed decides."""

from collections.abc import Sequence

import numpy as np


def bucketed(
    lengths: Sequence[float], size: int, width: float, seed: int, epoch: int, least: int = 0
) -> list[list[int]]:
    """The examples of each update of an epoch, by number.

    lengths: of the examples, in any unit; width: of a bucket, in the same unit. Examples are shuffled within buckets, the
    buckets put in a row, the row cut into updates of `size`, and these are shuffled.
    least: an epoch has at least about so many examples; fewer are repeated, at least once, as the official code does.
    """
    chance = np.random.default_rng([seed, epoch])
    times = max(2, least // len(lengths)) if len(lengths) < least else 1
    examples = np.tile(np.arange(len(lengths)), times)
    drawn = chance.permutation(examples)
    bucket = np.asarray(lengths, np.float64)[drawn] // width
    row = drawn[np.argsort(bucket, kind="stable")]
    updates = [row[i : i + size].tolist() for i in range(0, len(row), size)]
    return [updates[i] for i in chance.permutation(len(updates))]


def held_out(count: int, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Numbers of the examples to train on, and of those that are held out: of five or more at least one, if share > 0."""
    chosen = max(1, round(share * count)) if share > 0 and count >= 5 else 0
    order = np.random.default_rng(seed).permutation(count).tolist()
    return sorted(order[chosen:]), sorted(order[:chosen])
