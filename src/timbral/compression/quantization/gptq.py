"""Rounding of matrix products that makes up for its own error (GPTQ, Frantar et al. 2022, https://arxiv.org/abs/2210.17323).

Inputs are rounded one after the other; what rounding one of them adds to the outputs, on calibration speech, is
taken back by those that follow. It needs the second moments of a product's inputs.
"""

import numpy as np
from numpy.typing import NDArray

from timbral.compression.quantization.float_graphs import Floats, Weight
from timbral.compression.quantization.formats import (
    Format,
    Rounded,
    assembled,
    block_scales,
    in_blocks,
    nearest,
    to_numbers,
)

_DAMPING = 0.01
"""Share of the mean of the moments' diagonal that is added to it."""


def gptq(weight: Weight, wanted: Format, moments: Floats) -> Rounded:
    """The weight [N, K] in a format of blocks, for inputs with the second moments [K, K].

    Whichever of this and the nearest numbers has less error on these inputs.
    """
    factor = _inverse_factor(moments)
    if factor is None:
        return nearest(weight, wanted)
    inputs = weight.value.shape[1]
    left = in_blocks(weight.value, wanted).astype(np.float32).copy()
    rows, count, size = left.shape
    flat = left.reshape(rows, -1)
    importance = np.zeros(count * size, np.float32)
    importance[:inputs] = 1 / np.square(np.diag(factor))
    numbers = np.zeros(left.shape, np.int8)
    scales = np.zeros((rows, count), np.float32)
    for block in range(count):
        weights = importance[block * size : (block + 1) * size][None]
        scales[:, block] = block_scales(left[:, block : block + 1], wanted, weights)[:, 0]
        end = min(inputs, (block + 1) * size)
        errors = np.zeros((rows, end - block * size), np.float32)
        for place in range(block * size, end):
            within = place - block * size
            column = flat[:, place]
            numbers[:, block, within] = to_numbers(column[:, None], scales[:, block], wanted)[:, 0]
            error = (column - numbers[:, block, within] * scales[:, block]) / factor[place, place]
            errors[:, within] = error
            flat[:, place + 1 : end] -= np.outer(error, factor[place, place + 1 : end])
        flat[:, end:inputs] -= errors @ factor[block * size : end, end:inputs]
    made, plain = assembled(weight, wanted, numbers, scales), nearest(weight, wanted)
    return min(made, plain, key=lambda one: output_error(weight, one, moments))


def output_error(weight: Weight, rounded: Rounded, moments: Floats) -> float:
    """Square error of a product's outputs over the inputs with these moments."""
    difference = rounded.value - weight.value
    return float(np.einsum("nk,nk->", difference @ moments, difference))


def _inverse_factor(moments: Floats) -> NDArray[np.float32] | None:
    """Upper Cholesky factor of the inverse of damped moments; None where there is none."""
    damped = moments.astype(np.float64)
    diagonal = np.diag(damped).copy()
    mean = diagonal.mean()
    if not np.isfinite(mean) or mean <= 0:
        return None
    damped[np.diag_indices_from(damped)] += _DAMPING * mean
    try:
        inverse = np.linalg.inv(damped)
        factor = np.linalg.cholesky((inverse + inverse.T) / 2)
    except np.linalg.LinAlgError:
        return None
    return np.ascontiguousarray(factor.T, np.float32)
