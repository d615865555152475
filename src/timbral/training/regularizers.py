"""What keeps large networks from learning little data by heart, beside what the losses do."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def set_dropout(network: nn.Module, share: float) -> None:
    """Sets the share that every dropout of a network leaves out, that on attention included."""
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        elif isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = share  # type: ignore[assignment]


def add_stochastic_depth(layers: Sequence[nn.Module], share: float) -> None:
    """In training, rows of a batch skip layers at random: the last layer with probability `share`, earlier ones less.

    After "Deep Networks with Stochastic Depth" (Huang et al. 2016). layers: take [batch, ...] and return that, or a tuple
    that begins with it.
    """
    for number, layer in enumerate(layers, 1):
        layer.register_forward_hook(_Skip(share * number / len(layers)))


class _Skip:
    def __init__(self, share: float) -> None:
        self._share = share

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> Any:
        if not module.training:
            return None
        x = inputs[0]
        skipped = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) < self._share
        if isinstance(output, tuple):
            return (torch.where(skipped, x, output[0]), *output[1:])
        return torch.where(skipped, x, output)


def add_checkpointing(layers: Sequence[nn.Module]) -> None:
    """Layers forget what they computed in between, and compute it again for the gradient: less memory, a third more time."""
    for layer in layers:
        layer.forward = _Again(layer.forward)


class _Again:
    def __init__(self, forward: Any) -> None:
        self._forward = forward

    def __call__(self, *inputs: Any) -> Any:
        if not torch.is_grad_enabled():
            return self._forward(*inputs)
        return checkpoint(self._forward, *inputs, use_reentrant=False)


def masked_tokens(tokens: Tensor, lengths: Tensor, share: float, longest: int, vocabulary: int) -> Tensor:
    """Tokens [batch, T] with spans exchanged for random ones, about `share` of each row in all.

    As SpecAugment (Park et al. 2019) masks time: what is to be predicted must not hang on every token of the past. Spans are
    1 to `longest` tokens; vocabulary: of the random ones.
    """
    masked = tokens.clone()
    for row, length in enumerate(lengths.tolist()):
        left = int(share * length)
        while left > 0:
            span = min(left, int(torch.randint(1, longest + 1, ())))
            start = int(torch.randint(0, length - span + 1, ()))
            masked[row, start : start + span] = torch.randint(0, vocabulary, (span,)).to(tokens)
            left -= span
    return masked


def masked_spectrum(spectrum: Tensor, lengths: Tensor, frames: int, bins: int) -> Tensor:
    """A spectrum [batch, bins, frames] with one span of frames and one band in each row at its mean (SpecAugment).

    frames, bins: most of each that are masked; a row loses at most a fifth of either.
    """
    masked = spectrum.clone()
    for row, length in enumerate(lengths.tolist()):
        level = spectrum[row, :, :length].mean()
        for axis, (most, size) in enumerate(((bins, spectrum.shape[1]), (frames, length))):
            span = int(torch.randint(0, min(most, size // 5) + 1, ()))
            start = int(torch.randint(0, size - span + 1, ()))
            masked[row].narrow(axis, start, span).fill_(level)
    return masked


@contextmanager
def mixed_outputs(modules: Sequence[nn.Module], partner: Tensor, share: float) -> Iterator[None]:
    """Inside the block, every row that a module puts out is mixed with that of its partner.

    Mixup (Zhang et al. 2018) of embeddings, since ids cannot be mixed. partner: rows [batch]; share: of the row itself.
    """

    def mix(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return share * output + (1 - share) * output[partner]

    hooks = [module.register_forward_hook(mix) for module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def mixup_share(alpha: float) -> float:
    """A share drawn from Beta(alpha, alpha), by torch's generator; at least a half, so that a row is mostly itself."""
    gamma = torch._standard_gamma(torch.full((2,), alpha))
    drawn = float(gamma[0] / gamma.sum())
    return max(drawn, 1 - drawn)
