"""Trains stage one of sovits-tiny: phones to semantic tokens.

    python train_semantic.py PAIRS.npz RUN [--hours 1]       (resumes from RUN/last.pt)

Besides cross-entropy, two heads of two layers are drawn towards the phone that is being spoken (guided attention, after
Tachibana et al. 2018, with alignments in place of a diagonal): a few hours of speech are not enough to find that by itself.
Utterances are joined at random, across languages too: tokens know little of the speaker, so this makes mixed and longer
texts, and prompts. Some of the tokens that the model reads are replaced at random, as sampling will do to it.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from runs import Checkpoint, Curves, Ema, is_held_out
from tokens import read_pairs
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.nets.semantic import SemanticConfig, SemanticTransformer

GUIDED_LAYERS, GUIDED_HEADS = (2, 3), 2


class PooledDropout(nn.Module):
    """Dropout that takes its mask from a pool, at a random place: drawing a fresh mask costs more than a layer on a CPU."""

    pool: Tensor = (torch.rand(1 << 24) >= 0.1).to(torch.uint8)

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

    def __init__(self, path: Path, *, valid: bool, seed: int) -> None:
        self.items = [p for p in read_pairs(path) if is_held_out(p.id) == valid]
        self.rng = np.random.default_rng(seed)

    def draw(self, positions: int, join: float) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """About `positions` phones and tokens in all."""
        pool = []
        for i in self.rng.integers(0, len(self.items), 400):
            one = self.items[i]
            p, t, a = one.phones, one.tokens, one.path
            while self.rng.random() < join and len(t) < 250:
                other = self.items[self.rng.integers(0, len(self.items))]
                a = np.concatenate([a, other.path + len(p)])
                p, t = np.concatenate([p, other.phones]), np.concatenate([t, other.tokens])
            pool.append((p, t, a))
        pool.sort(key=lambda item: len(item[0]) + len(item[1]))
        start, chosen = int(self.rng.integers(0, len(pool))), []
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
    model: SemanticTransformer, batch: list[tuple[np.ndarray, np.ndarray, np.ndarray]], noise: float
) -> dict[str, Tensor]:
    phones, phone_lengths = padded([p for p, _, _ in batch], left=True)
    tokens, token_lengths = padded([t for _, t, _ in batch])
    paths, _ = padded([a for _, _, a in batch])
    heard = torch.where(
        torch.rand(tokens.shape) < noise, torch.randint(0, model.config.eos, tokens.shape), tokens
    )
    with torch.autocast("cpu", torch.bfloat16):
        logits, attention = model.forward_with_attention(
            phones, phone_lengths, heard, token_lengths, layers=GUIDED_LAYERS
        )
    targets = model.targets(tokens, token_lengths)
    columns = torch.arange(targets.shape[1])
    real = columns <= token_lengths[:, None]
    logits = logits.float()[real]
    wanted = targets[real]
    cross = F.cross_entropy(logits, wanted)
    # The position that reads token t writes token t + 1: it should look at that one's phone, or its neighbours.
    shift = (phones.shape[1] - phone_lengths)[:, None]
    following = torch.cat([paths[:, 1:], paths[:, -1:]], 1) + shift
    inside = columns[None, :-1] < token_lengths[:, None] - 1
    distance = (torch.arange(phones.shape[1]) - following[..., None]).abs()
    nearness = (distance <= 1).float()
    guided = sum(
        -torch.log((a[:, :GUIDED_HEADS].float() * nearness[:, None]).sum(-1) + 1e-3).mean(1)[inside].mean()
        for a in attention.values()
    )
    return {
        "cross": cross,
        "guide": guided / len(attention),
        "top1": (logits.argmax(-1) == wanted).float().mean(),
    }


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
    args = parser.parse_args()
    args.run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(int(time.time()))
    train, valid = (Pairs(args.pairs, valid=v, seed=int(time.time()) if not v else 0) for v in (False, True))
    check = [valid.draw(6000, 0.0) for _ in range(3)]
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
    model = SemanticTransformer(config)
    with_pooled_dropout(model)
    ema = Ema(model)
    decay = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0.0}],
        lr=args.rate,
        betas=(0.9, 0.98),
    )
    checkpoint = Checkpoint(args.run, model, optimizer, ema)
    step, curves = checkpoint.resume(), Curves(args.run)
    hours = sum(len(pair.tokens) for pair in train.items) / 90_000
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    print(f"{len(train.items)} utterances, {hours:.2f} h; {parameters:.1f} M parameters", flush=True)
    began = shown = time.time()
    while time.time() - began < args.hours * 3600 and step < args.steps:
        scale = min(1, (step + 1) / 300) * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * step / args.steps)))
        for group in optimizer.param_groups:
            group["lr"] = float(args.rate * scale)
        found = losses(model, train.draw(args.positions, join=0.5), noise=0.1)
        loss = found["cross"] + 0.3 * found["guide"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if torch.isfinite(norm):
            optimizer.step()
            ema.update(model, step)
        step += 1
        if step % 50 == 0:
            seconds, shown = (time.time() - shown) / 50, time.time()
            curves.log(step, **{k: v.detach() for k, v in found.items()}, norm=norm, seconds=seconds)
        if step % 250 == 0:
            model.eval()
            with ema.applied(model), torch.no_grad():
                scores = [losses(model, b, 0.0) for b in check]
            model.train()
            curves.log(
                step, **{f"valid_{k}": sum(float(s[k]) for s in scores) / len(scores) for k in scores[0]}
            )
            checkpoint.save(step)
    checkpoint.save(step)
    (args.run / "config.json").write_text(json.dumps(vars(config)))


if __name__ == "__main__":
    main()
