"""Vector quantization with codebooks that are learned as running means (van den Oord et al. 2017).

They are initialised by k-means, and unused codes are replaced (SoundStream, Zeghidour et al. 2021). Used when
stage two is trained from scratch.
"""

import torch
from torch import Tensor
from torch.nn import functional

from timbral.nets.quantizer import Codebook, CodebookLayer, Quantizer

_DECAY = 0.99
_MIN_COUNT = 2.0
"""Running count of frames below which a code is replaced."""
_ITERATIONS = 50
"""Iterations of k-means."""
_MAX_FRAMES = 10_000
"""Frames for k-means."""


def quantize(
    quantizer: Quantizer, features: Tensor, valid: Tensor, layers: int | None = None
) -> tuple[Tensor, Tensor]:
    """Quantizes features [batch, features, T], and updates the codebooks if the quantizer is in training
    mode.

    valid: bool [batch, T], frames that are not padding. layers: number of codebooks to use, by default all;
    random numbers are quantizer dropout (Zeghidour et al. 2021). Returns the quantized features with a
    straight-through gradient, and the commitment loss.
    """
    left = features.transpose(1, 2).float()
    total, distance = torch.zeros_like(left), left.new_zeros(())
    books = [layer._codebook for layer in quantizer.vq.layers if isinstance(layer, CodebookLayer)]
    for book in books[:layers]:
        if quantizer.training:
            _initialise(book, left[valid].detach())
        nearest = functional.embedding(codes_of(book, left), book.embed)
        if quantizer.training:
            _update(book, left[valid].detach())
        distance = distance + (left - nearest.detach())[valid].square().mean()
        left, total = left - nearest.detach(), total + nearest
    count = max(1, len(books[:layers]))
    straight = features + (total.transpose(1, 2) - features).detach()
    return straight, distance / count


def codes_of(book: Codebook, frames: Tensor) -> Tensor:
    """The nearest code [...] of each frame [..., features]."""
    return (book.embed.square().sum(1) - 2 * frames @ book.embed.T).argmin(-1)


@torch.no_grad()
def _initialise(book: Codebook, frames: Tensor) -> None:
    """Initialises the codes by k-means."""
    if bool(book.inited):
        return
    frames = frames[torch.randperm(len(frames), device=frames.device)[:_MAX_FRAMES]]
    book.embed.copy_(_random_frames(frames, len(book.embed)))
    for _ in range(_ITERATIONS):
        counts, sums = _assigned(book, frames)
        used = counts > 0
        book.embed[used] = sums[used] / counts[used, None]
    counts, _ = _assigned(book, frames)
    book.embed_avg.copy_(book.embed * counts[:, None])
    book.cluster_size.copy_(counts)
    book.inited.fill_(1)


@torch.no_grad()
def _update(book: Codebook, frames: Tensor) -> None:
    counts, sums = _assigned(book, frames)
    book.cluster_size.mul_(_DECAY).add_(counts, alpha=1 - _DECAY)
    book.embed_avg.mul_(_DECAY).add_(sums, alpha=1 - _DECAY)
    # Laplace smoothing avoids a division by zero.
    total, small = book.cluster_size.sum(), 1e-5
    sizes = (book.cluster_size + small) / (total + len(book.embed) * small) * total
    book.embed.copy_(book.embed_avg / sizes[:, None])
    unused = book.cluster_size < _MIN_COUNT
    if bool(unused.any()):
        book.embed[unused] = _random_frames(frames, int(unused.sum()))
        book.embed_avg[unused] = _MIN_COUNT * book.embed[unused]
        book.cluster_size[unused] = _MIN_COUNT


def _assigned(book: Codebook, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Number of frames [n, features] nearest to each code, and their sums [codes, features]."""
    chosen = functional.one_hot(codes_of(book, frames), len(book.embed)).to(frames)
    return chosen.sum(0), chosen.T @ frames


def _random_frames(frames: Tensor, count: int) -> Tensor:
    """Random frames of [n, features], without replacement if there are enough."""
    if len(frames) >= count:
        return frames[torch.randperm(len(frames), device=frames.device)[:count]]
    return frames[torch.randint(0, len(frames), (count,), device=frames.device)]
