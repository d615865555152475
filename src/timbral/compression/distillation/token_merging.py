"""Merges semantic tokens, so that a student has a smaller vocabulary.

In sovits-tiny, tokens affect F0 and the alignment only, so several hundred are enough. Tokens that stage two
embeds alike and that the aligner takes for the same phones become one (weighted k-means).
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from timbral.inference.alignment.hmm_aligner import HmmAligner

_ROUNDS = 15
_SEED = 0


@dataclass(frozen=True)
class TokenMerging:
    """Which token of the student each token of the teacher is.

    groups: int64 [teacher's vocabulary with the end token]; the last is the student's end token. counts:
    float [teacher's vocabulary], how often each token is spoken, at least a little.
    """

    groups: Tensor
    counts: Tensor

    @property
    def size(self) -> int:
        """The student's vocabulary, with the end token."""
        return int(self.groups[-1]) + 1

    def mean_rows(self, rows: Tensor) -> Tensor:
        """Rows [teacher's vocabulary, ...] merged by weighted means, [size, ...]; rows may lack the end token."""
        groups, weights = self.groups[: len(rows)], self.counts[: len(rows)].to(rows)
        size = int(groups.max()) + 1
        weights = weights.reshape(-1, *[1] * (rows.ndim - 1))
        sums = torch.zeros(size, *rows.shape[1:], dtype=rows.dtype).index_add_(0, groups, rows * weights)
        return sums / torch.zeros(size, *weights.shape[1:], dtype=rows.dtype).index_add_(0, groups, weights)

    def probabilities(self, teacher: Tensor, *, end: bool = True) -> Tensor:
        """Probabilities [..., teacher's vocabulary] → those of the student's tokens [..., size].

        end: whether the end token is one of them.
        """
        size, groups = self.size - (not end), self.groups[: teacher.shape[-1]].to(teacher.device)
        merged = torch.zeros(*teacher.shape[:-1], size, dtype=teacher.dtype, device=teacher.device)
        return merged.index_add_(-1, groups, teacher)


def unmerged(vocabulary: int) -> TokenMerging:
    """Every token stays itself. vocabulary: with the end token."""
    return TokenMerging(torch.arange(vocabulary), torch.ones(vocabulary))


def merge_tokens(embeddings: Tensor, ratios: NDArray[np.float32], counts: Tensor, size: int) -> TokenMerging:
    """Merges tokens into `size` ones and the end token.

    embeddings: float [V + 1, n] of stage two. ratios: of the aligner, float32 [phones, V]. counts: [V + 1] of
    the tokens, in speech of the teacher.
    """
    weights = counts.float() + 0.1
    parts = [embeddings[:-1].float(), torch.from_numpy(np.ascontiguousarray(ratios.T)).float()]
    points = torch.cat([_scaled(part, weights[:-1]) for part in parts], 1)
    groups = _cluster(points, weights[:-1], size)
    return TokenMerging(torch.cat([groups, torch.tensor([size])]), weights)


def merged_aligner(ratios: NDArray[np.float32], rows: NDArray[np.int64], merging: TokenMerging) -> HmmAligner:
    """The aligner for merged tokens: log-likelihood ratios of a group are those of a mixture of its tokens."""
    likelihoods = torch.from_numpy(ratios).double().exp().T
    merged = merging.mean_rows(likelihoods).clamp_min(1e-6).log().T
    return HmmAligner(merged.float().numpy(), rows)


def _scaled(points: Tensor, weights: Tensor) -> Tensor:
    """Points [n, d] around their mean, of mean square 1."""
    shares = (weights / weights.sum())[:, None]
    centred = points - (points * shares).sum(0)
    return centred / (centred.square().sum(1, keepdim=True) * shares).sum().sqrt()


def _cluster(points: Tensor, weights: Tensor, size: int) -> Tensor:
    """Weighted k-means from points drawn by weight; every cluster keeps one point at least. int64 [n]."""
    chance = torch.Generator().manual_seed(_SEED)
    drawn = torch.multinomial(weights, size, generator=chance)
    centres = points[drawn]
    for _ in range(_ROUNDS):
        groups = torch.cdist(points, centres).argmin(1)
        sums = torch.zeros_like(centres).index_add_(0, groups, points * weights[:, None])
        totals = torch.zeros(size).index_add_(0, groups, weights)
        filled = totals > 0
        centres[filled] = sums[filled] / totals[filled, None]
    groups = torch.cdist(points, centres).argmin(1)
    # An empty cluster would be a token that nobody speaks: it takes the point that it started from.
    empty = torch.zeros(size).index_add_(0, groups, torch.ones(len(points))) == 0
    groups[drawn[empty]] = torch.arange(size)[empty]
    return groups
