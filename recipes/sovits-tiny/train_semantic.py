"""Trains stage one of sovits-tiny: phones to semantic tokens.

    python train_semantic.py PAIRS.npz RUN [--hours 1]       (resumes from RUN/last.pt)

Besides cross-entropy, two heads of two layers are drawn towards the phone that is being spoken (guided attention, after
Tachibana et al. 2018, with alignments in place of a diagonal): a few hours of speech are not enough to find that by itself.
Utterances are joined at random, across languages too: tokens know little of the speaker, so this makes mixed and longer
texts, and prompts. Some of the tokens that the model reads are replaced at random, as sampling will do to it.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from runs import DEVICES, Run, adamw, ahead, chance, half, is_held_out, learned, open_device
from tokens import read_pairs
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.nets.semantic import SemanticConfig, SemanticTransformer

GUIDED_LAYERS, GUIDED_HEADS = (2, 3), 2
GUIDE = 0.3
"""Weight of the guided attention beside cross-entropy."""
JOIN, NOISE = 0.5, 0.1
"""How often an utterance is joined to another one, and the share of the tokens that are replaced."""
MEASURED = 250
"""Steps from one look at the held-out utterances to the next."""
Example = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Phones, tokens, and which place among the phones each token speaks."""


class PooledDropout(nn.Module):
    """Dropout that takes its mask from a pool, at a random place: drawing a fresh mask costs more than a layer on a CPU."""

    pool: Tensor = (torch.rand(1 << 24, generator=torch.Generator().manual_seed(0)) >= 0.1).to(torch.uint8)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        start = int(torch.randint(len(self.pool) - x.numel(), ()))
        return x * (self.pool[start : start + x.numel()].view(x.shape).to(x.dtype) / 0.9)


def with_pooled_dropout(model: nn.Module) -> None:
    """Exchange every dropout of a model."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Dropout):
                setattr(module, name, PooledDropout())


class Pairs:
    """Aligned utterances, drawn in batches of similar length."""

    def __init__(self, path: Path, *, valid: bool) -> None:
        self.items = [p for p in read_pairs(path) if is_held_out(p.id) == valid]

    def draw(self, rng: np.random.Generator, positions: int, join: float) -> list[Example]:
        """About `positions` phones and tokens in all."""
        pool = []
        for i in rng.integers(0, len(self.items), max(400, positions // 25)):
            one = self.items[i]
            p, t, a = one.phones, one.tokens, one.path
            while rng.random() < join and len(t) < 250:
                other = self.items[rng.integers(0, len(self.items))]
                a = np.concatenate([a, other.path + len(p)])
                p, t = np.concatenate([p, other.phones]), np.concatenate([t, other.tokens])
            pool.append((p, t, a))
        pool.sort(key=lambda item: len(item[0]) + len(item[1]))
        start, chosen = int(rng.integers(0, len(pool))), []
        for item in pool[start:] + pool[:start][::-1]:
            longest = max([len(item[0]) + len(item[1]), *(len(p) + len(t) for p, t, _ in chosen)])
            if chosen and longest * (len(chosen) + 1) > positions:
                break
            chosen.append(item)
        return chosen


def padded(rows: list[np.ndarray], *, left: bool = False) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(r) for r in rows])
    out = torch.zeros(len(rows), int(lengths.max()), dtype=torch.long)
    for i, r in enumerate(rows):
        out[i, -len(r) :] = torch.from_numpy(r)
        if not left:
            out[i] = torch.roll(out[i], len(r), 0)
    return out, lengths


def losses(
    model: SemanticTransformer,
    forward: Callable[..., tuple[Tensor, dict[int, Tensor]]],
    batch: list[Example],
    noise: float,
) -> dict[str, Tensor]:
    """Of a batch on the model's device. forward: the model's `forward_with_attention`, compiled or not."""
    device = model.ar_predict_layer.weight.device
    rows = (padded([p for p, _, _ in batch], left=True), *(padded([e[k] for e in batch]) for k in (1, 2)))
    (phones, phone_lengths), (tokens, token_lengths), (paths, _) = (
        (ids.to(device), lengths.to(device)) for ids, lengths in rows
    )
    replaced = torch.rand(tokens.shape, device=device) < noise
    heard = torch.where(replaced, torch.randint_like(tokens, model.config.eos), tokens)
    with half(device):
        logits, attention = forward(phones, phone_lengths, heard, token_lengths, layers=GUIDED_LAYERS)
    targets = model.targets(tokens, token_lengths)
    cross, real = cross_entropies(logits, targets, token_lengths)
    columns = torch.arange(real.shape[1], device=device)
    # The position that reads token t writes token t + 1: it should look at that one's phone, or its neighbours.
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
    """Cross-entropy of every token and of the end, and 1 where there is one, 0 behind it: both [batch, T + 1]."""
    # Masks, not selections: a GPU would have to wait to learn how much was selected.
    real = (torch.arange(targets.shape[1], device=targets.device) <= lengths[:, None]).float()
    cross = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none").view_as(real)
    return cross, real


def mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum()


def read_semantic(run: Path) -> SemanticTransformer:
    """What a run has learned so far, averaged, without dropout; its sizes are those of the weights."""
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--hours", type=float, default=1.0, help="stop after so much time in this call")
    parser.add_argument("--steps", type=int, default=20_000, help="length of the learning-rate schedule")
    parser.add_argument("--positions", type=int, default=4000, help="phones and tokens of a batch")
    parser.add_argument("--rate", type=float, default=7e-4)
    parser.add_argument("--vocabulary", type=int, default=4097)
    parser.add_argument("--compile", action="store_true", help="compile the network, which takes a minute")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    args = parser.parse_args()
    device = open_device(args.device)
    torch.manual_seed(0)
    train, valid = (Pairs(args.pairs, valid=v) for v in (False, True))
    check = [valid.draw(chance(0, i), 6000, 0.0) for i in range(3)]
    config = SemanticConfig(
        hidden=384,
        layers=6,
        heads=6,
        feed_forward=1536,
        vocabulary=args.vocabulary,
        bert=False,
        dropout=0.1,
        attention_dropout=0.0,
    )
    model = SemanticTransformer(config).to(device)
    if device.type == "cpu":
        with_pooled_dropout(model)
    decay = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    run = Run(
        args.run,
        model,
        adamw(
            [{"params": decay, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0.0}], args.rate, 0.02
        ),
        steps=args.steps,
        rate=args.rate,
        warmup=300,
        clip=1.0,
    )
    (args.run / "config.json").write_text(json.dumps(vars(config)))
    forward = model.forward_with_attention
    read = torch.compile(forward, dynamic=True) if args.compile else forward
    hours = sum(len(pair.tokens) for pair in train.items) / 90_000
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    print(
        f"{len(train.items)} utterances, {hours:.2f} h; {parameters:.1f} M parameters; on {device}",
        flush=True,
    )
    steps = ahead(lambda step: train.draw(chance(step), args.positions, JOIN), run.steps(args.hours))
    for _, batch in steps:
        found = losses(model, read, batch, NOISE)
        run.update(found["cross"] + GUIDE * found["guide"], **found)
        if run.is_due(MEASURED):
            with run.aside():
                scores = [losses(model, forward, b, 0.0) for b in check]
            run.log(**{f"valid_{k}": sum(s[k] for s in scores) / len(scores) for k in scores[0]})


if __name__ == "__main__":
    main()
