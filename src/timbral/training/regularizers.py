"""Regularization against overfitting on little data, and activation checkpointing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def set_dropout(network: nn.Module, probability: float) -> None:
    """Sets the probability of every dropout of a network, including attention dropout."""
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = probability
        elif isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = probability  # type: ignore[assignment]


def add_stochastic_depth(layers: Sequence[nn.Module], share: float) -> None:
    """Stochastic depth (Huang et al. 2016): in training, rows of a batch skip layers, the last one with
    probability `share`.

    layers: map [batch, ...] to the same shape, or to a tuple that begins with it.
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
    """Activation checkpointing: recomputes activations in the backward pass, which saves memory and takes a
    third more time.
    """
    for layer in layers:
        layer.forward = _Checkpointed(layer.forward)


class _Checkpointed:
    def __init__(self, forward: Any) -> None:
        self._forward = forward

    def __call__(self, *inputs: Any) -> Any:
        if not torch.is_grad_enabled():
            return self._forward(*inputs)
        return checkpoint(self._forward, *inputs, use_reentrant=False)


def masked_tokens(tokens: Tensor, lengths: Tensor, share: float, longest: int, vocabulary: int) -> Tensor:
    """Replaces spans of tokens [batch, T] by random ones, like the time masks of SpecAugment (Park et al.
    2019).

    share: of the tokens of each row. longest: maximum length of a span. vocabulary: number of different
    random tokens.
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
    """Sets one span of frames and one band of each spectrum [batch, bins, frames] to its mean (SpecAugment).

    frames, bins: maximum width of the masks; at most a fifth of a row is masked.
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
    """Mixup (Zhang et al. 2018) of the outputs of modules inside the block.

    partner: number [batch] of the row that each row is mixed with. share: weight of the row itself.
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
    """A random weight from Beta(alpha, alpha), at least 0.5."""
    gamma = torch._standard_gamma(torch.full((2,), alpha))
    weight = float(gamma[0] / gamma.sum())
    return max(weight, 1 - weight)
