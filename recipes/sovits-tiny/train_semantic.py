"""Trains stage one of sovits-tiny: phones to semantic tokens.

    python train_semantic.py PAIRS.npz RUN [--hours 1] [--base BUNDLE]       (resumes)

Besides cross-entropy, two attention heads of two layers are guided to the phone that is being spoken (guided
attention, Tachibana et al. 2018, with alignments in place of a diagonal), since a few hours of speech do not
suffice to learn that. Utterances are joined at random, also across languages, which trains mixed and longer
texts. Some input tokens are replaced at random, as in sampling.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from base import base_semantic
from runs import (
    Prefetcher,
    SteppedTask,
    adamw,
    generator,
    half,
    is_held_out,
    learned,
    open_device,
    run,
    training_arguments,
)
from tokens import Pair, read_pairs
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.nets.semantic import SemanticConfig, SemanticTransformer
from timbral.training.task import Batch

GUIDED_LAYERS, GUIDED_HEADS = (2, 3), 2
GUIDE = 0.3
"""Weight of the guided attention loss."""
JOIN, NOISE = 0.5, 0.1
"""Probability that an utterance is joined to another one, and share of the input tokens that are replaced."""
MAX_JOINED = 250
"""Tokens from which on no further utterance is joined."""


class Example(NamedTuple):
    """Phones [n], tokens [T], and the position among the phones of each token, path [T]."""

    phones: np.ndarray
    tokens: np.ndarray
    path: np.ndarray

    @property
    def positions(self) -> int:
        return len(self.phones) + len(self.tokens)


class PooledDropout(nn.Module):
    """Dropout with masks from a pool, at random offsets: on a CPU a new mask takes longer than a layer."""

    pool: Tensor = (torch.rand(1 << 24, generator=torch.Generator().manual_seed(0)) >= 0.1).to(torch.uint8)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        start = int(torch.randint(len(self.pool) - x.numel(), ()))
        return x * (self.pool[start : start + x.numel()].view(x.shape).to(x.dtype) / 0.9)


def with_pooled_dropout(model: nn.Module) -> None:
    """Replaces every dropout of a model."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Dropout):
                setattr(module, name, PooledDropout())


class Pairs:
    """Aligned utterances, drawn in batches of similar length."""

    def __init__(self, path: Path, *, held_out: bool) -> None:
        self.items = [p for p in read_pairs(path) if is_held_out(p.id) == held_out]

    def draw(self, rng: np.random.Generator, positions: int, join: float) -> Batch:
        """A batch of about `positions` phones and tokens."""
        pool = [
            self._joined(i, rng, join) for i in rng.integers(0, len(self.items), max(400, positions // 25))
        ]
        pool.sort(key=lambda example: example.positions)
        start, chosen, longest = int(rng.integers(0, len(pool))), [], 0
        for example in pool[start:] + pool[:start][::-1]:
            longest = max(longest, example.positions)
            if chosen and longest * (len(chosen) + 1) > positions:
                break
            chosen.append(example)
        return collate(chosen)

    def _joined(self, number: int, rng: np.random.Generator, join: float) -> Example:
        def example(pair: Pair) -> Example:
            return Example(pair.phones, pair.tokens, pair.path)

        found = example(self.items[number])
        while rng.random() < join and len(found.tokens) < MAX_JOINED:
            other = example(self.items[rng.integers(0, len(self.items))])
            other = other._replace(path=other.path + len(found.phones))
            found = Example(*(np.concatenate(parts) for parts in zip(found, other, strict=True)))
        return found


def collate(examples: list[Example]) -> Batch:
    """Phones [batch, n] padded on the left, tokens and paths [batch, T] on the right, and their lengths."""
    phones, phone_lengths = padded([example.phones for example in examples], left=True)
    tokens, token_lengths = padded([example.tokens for example in examples])
    paths, _ = padded([example.path for example in examples])
    return {
        "phones": phones,
        "phone_lengths": phone_lengths,
        "tokens": tokens,
        "token_lengths": token_lengths,
        "paths": paths,
    }


def padded(rows: list[np.ndarray], *, left: bool = False) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(r) for r in rows])
    out = torch.zeros(len(rows), int(lengths.max()), dtype=torch.long)
    for i, r in enumerate(rows):
        place = slice(-len(r), None) if left else slice(len(r))
        out[i, place] = torch.from_numpy(r)
    return out, lengths


def losses(
    model: SemanticTransformer,
    forward: Callable[..., tuple[Tensor, dict[int, Tensor]]],
    batch: Batch,
    noise: float,
) -> dict[str, Tensor]:
    """Cross-entropy, guided attention loss and accuracy of a batch on the device of the model.

    forward: `forward_with_attention` of the model, compiled or not.
    """
    device = model.ar_predict_layer.weight.device
    phones, phone_lengths, tokens, token_lengths, paths = (
        batch[name].to(device) for name in ("phones", "phone_lengths", "tokens", "token_lengths", "paths")
    )
    replaced = torch.rand(tokens.shape, device=device) < noise
    inputs = torch.where(replaced, torch.randint_like(tokens, model.config.eos), tokens)
    with half(device):
        logits, attention = forward(phones, phone_lengths, inputs, token_lengths, layers=GUIDED_LAYERS)
    targets = model.targets(tokens, token_lengths)
    cross, real = cross_entropies(logits, targets, token_lengths)
    columns = torch.arange(real.shape[1], device=device)
    # The position with token t predicts token t + 1, and should attend to the phone of that one or its
    # neighbours.
    shift = (phones.shape[1] - phone_lengths)[:, None]
    following = torch.cat([paths[:, 1:], paths[:, -1:]], 1) + shift
    inside = (columns[None, :-1] < token_lengths[:, None] - 1).float()
    distance = (torch.arange(phones.shape[1], device=device) - following[..., None]).abs()
    nearness = (distance <= 1).float()
    guided = sum(
        mean(-torch.log((a[:, :GUIDED_HEADS].float() * nearness[:, None]).sum(-1) + 1e-3).mean(1), inside)
        for a in attention.values()
    )
    return {
        "cross": mean(cross, real),
        "guide": guided / len(attention),
        "top1": mean((logits.argmax(-1) == targets).float(), real),
    }


def cross_entropies(logits: Tensor, targets: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of all tokens and the end token, and a mask of what is not padding, both [batch, T + 1]."""
    # Masks, not selections: a GPU would have to wait for the number of selected tokens.
    real = (torch.arange(targets.shape[1], device=targets.device) <= lengths[:, None]).float()
    cross = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none").view_as(real)
    return cross, real


def mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum()


def read_semantic(run: Path) -> SemanticTransformer:
    """Stage one of a run so far, without dropout; its sizes are those of the weights."""
    weights = learned(run)
    vocabulary, hidden = weights["ar_predict_layer.weight"].shape
    config = SemanticConfig(
        hidden=hidden,
        layers=1 + max(int(name.split(".")[2]) for name in weights if name.startswith("h.layers.")),
        heads=hidden // 64,
        feed_forward=len(weights["h.layers.0.linear1.bias"]),
        vocabulary=vocabulary,
        bert=False,
        dropout=0.0,
        attention_dropout=0.0,
    )
    model = SemanticTransformer(config)
    model.load_state_dict(weights)
    return model


class SemanticTask(SteppedTask):
    """Stage one, trained on aligned utterances."""

    def __init__(self, model: SemanticTransformer, pairs: Path, args: argparse.Namespace) -> None:
        matrices = [p for p in model.parameters() if p.ndim > 1]
        others = [p for p in model.parameters() if p.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": 0.02},
            {"params": others, "weight_decay": 0.0},
        ]
        super().__init__(model, adamw(groups, 0.02), args.steps)
        self.train, validation = (Pairs(pairs, held_out=held_out) for held_out in (False, True))
        self.checks = [validation.draw(generator(0, i), 6000, 0.0) for i in range(3)]
        self.prefetch = Prefetcher(lambda step: self.train.draw(generator(step), args.positions, JOIN))
        self.forward = model.forward_with_attention
        if args.compile:
            self.forward = torch.compile(self.forward, dynamic=True)

    def draw(self, step: int) -> Batch:
        return self.prefetch(step)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        found = losses(self.network, self.forward, batch, NOISE)
        return found["cross"] + GUIDE * found["guide"], found

    def measure(self) -> dict[str, Tensor]:
        found = [losses(self.network, self.network.forward_with_attention, b, 0.0) for b in self.checks]
        return {name: sum(one[name] for one in found) / len(found) for name in found[0]}


def new_semantic(vocabulary: int) -> SemanticTransformer:
    return SemanticTransformer(
        SemanticConfig(
            hidden=384,
            layers=6,
            heads=6,
            feed_forward=1536,
            vocabulary=vocabulary,
            bert=False,
            dropout=0.1,
            attention_dropout=0.0,
        )
    )


def main() -> None:
    parser = training_arguments(__doc__, hours=1.0, steps=20_000, rate=7e-4)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--positions", type=int, default=4000, help="phones and tokens of a batch")
    parser.add_argument("--vocabulary", type=int, default=4097)
    parser.add_argument("--base", type=Path, metavar="BUNDLE", help="begin with the weights of this model")
    parser.add_argument("--compile", action="store_true", help="compile the network, which takes a minute")
    args = parser.parse_args()
    torch.manual_seed(0)
    model = new_semantic(args.vocabulary)
    if args.base:
        model.load_state_dict(base_semantic(args.base))
    if open_device(args.device).type == "cpu":
        with_pooled_dropout(model)
    task = SemanticTask(model, args.pairs, args)
    hours = sum(len(pair.tokens) for pair in task.train.items) / 90_000
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    print(f"{len(task.train.items)} utterances, {hours:.2f} h; {parameters:.1f} M parameters", flush=True)
    run(task, args.run, args, warmup=300, clip=1.0)


if __name__ == "__main__":
    main()
