"""Learns the codebooks between the stages, when stage two is trained from scratch.

Code vectors are running means of the features that are nearest to them, so they have no gradient (van den Oord et al. 2017,
with k-means at the start and the revival of unused codes of Zeghidour et al. 2021).
"""

import torch
from torch import Tensor
from torch.nn import functional

from timbral.nets.quantizer import Codebook, CodebookLayer, Quantizer

_DECAY = 0.99
_UNUSED = 2.0
"""Frames of the running count below which a code is given another vector."""
_ROUNDS = 50
"""Of k-means."""
_MOST = 10_000
"""Frames that k-means looks at."""


def quantized(
    quantizer: Quantizer, features: Tensor, valid: Tensor, layers: int | None = None
) -> tuple[Tensor, Tensor]:
    """Quantises features [batch, features, T], and learns from them if the quantiser is in training mode.

    valid: bool [batch, T], which frames there are. layers: codebooks to use, by default all; where fewer are drawn for some
    batches, the first ones learn to do without the others (quantiser dropout, Zeghidour et al. 2021).
    Returns the quantised features, whose gradient is that of the features, and how far these are from them, to be made small.
    """
    left = features.transpose(1, 2).float()
    total, distance = torch.zeros_like(left), left.new_zeros(())
    books = [layer._codebook for layer in quantizer.vq.layers if isinstance(layer, CodebookLayer)]
    for book in books[:layers]:
        if quantizer.training:
            _begin(book, left[valid].detach())
        nearest = functional.embedding(codes_of(book, left), book.embed)
        if quantizer.training:
            _learn(book, left[valid].detach())
        distance = distance + (left - nearest.detach())[valid].square().mean()
        left, total = left - nearest.detach(), total + nearest
    count = max(1, len(books[:layers]))
    straight = features + (total.transpose(1, 2) - features).detach()
    return straight, distance / count


def codes_of(book: Codebook, frames: Tensor) -> Tensor:
    """The nearest code [...] of each frame [..., features]."""
    return (book.embed.square().sum(1) - 2 * frames @ book.embed.T).argmin(-1)


@torch.no_grad()
def _begin(book: Codebook, frames: Tensor) -> None:
    """The means of k-means over the first frames that there are."""
    if bool(book.inited):
        return
    frames = frames[torch.randperm(len(frames), device=frames.device)[:_MOST]]
    book.embed.copy_(_drawn(frames, len(book.embed)))
    for _ in range(_ROUNDS):
        counts, sums = _gathered(book, frames)
        used = counts > 0
        book.embed[used] = sums[used] / counts[used, None]
    counts, _ = _gathered(book, frames)
    book.embed_avg.copy_(book.embed * counts[:, None])
    book.cluster_size.copy_(counts)
    book.inited.fill_(1)


@torch.no_grad()
def _learn(book: Codebook, frames: Tensor) -> None:
    counts, sums = _gathered(book, frames)
    book.cluster_size.mul_(_DECAY).add_(counts, alpha=1 - _DECAY)
    book.embed_avg.mul_(_DECAY).add_(sums, alpha=1 - _DECAY)
    # Laplace smoothing: no code is divided by nothing.
    total, small = book.cluster_size.sum(), 1e-5
    sizes = (book.cluster_size + small) / (total + len(book.embed) * small) * total
    book.embed.copy_(book.embed_avg / sizes[:, None])
    unused = book.cluster_size < _UNUSED
    if bool(unused.any()):
        book.embed[unused] = _drawn(frames, int(unused.sum()))
        book.embed_avg[unused] = _UNUSED * book.embed[unused]
        book.cluster_size[unused] = _UNUSED


def _gathered(book: Codebook, frames: Tensor) -> tuple[Tensor, Tensor]:
    """How many frames [n, features] each code is nearest to, and their sums [codes, features]."""
    chosen = functional.one_hot(codes_of(book, frames), len(book.embed)).to(frames)
    return chosen.sum(0), chosen.T @ frames


def _drawn(frames: Tensor, count: int) -> Tensor:
    """So many of the frames [n, features], each at most once if there are enough."""
    if len(frames) >= count:
        return frames[torch.randperm(len(frames), device=frames.device)[:count]]
    return frames[torch.randint(0, len(frames), (count,), device=frames.device)]
