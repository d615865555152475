"""Teaches stage one what the best of its own takes do.

    python train_preference.py TAKES PAIRS.npz RUNS/semantic RUN [--hours 0.5]       (resumes from RUN/last.pt)

Direct preference optimisation (Rafailov et al. 2023): of two takes of a piece, the better rated one should become likelier than
it was under the weights of RUNS/semantic, by more than the other one. Cross-entropy of the better ones is added, and every
second step learns from recordings as train_semantic.py does, so that it goes on speaking as people do. TAKES is what takes.py
wrote with a bundle of the same weights.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from packed import parts
from runs import DEVICES, Run, adamw, chance, half, open_device
from torch import Tensor
from torch.nn import functional as F
from train_semantic import GUIDE, JOIN, NOISE, Pairs, cross_entropies, losses, padded, read_semantic

from timbral.nets.semantic import SemanticTransformer

STRENGTH = 0.1
"""Beta of the method: how far the weights may move away."""
APART = 0.25
"""Least difference of two ratings that says which take is better."""
PACE = 1.07
"""How many times longer one of two takes may be: slow speech is understood more easily, and pace is not to be learned."""
BEST = 2
"""Takes of a piece that are learned from."""
WORST = -10.0
"""Ratings below are of takes that did not end; nothing is learned from them."""
TOGETHER = 4
"""Pieces whose takes are rated at once."""
MEASURED = 100
"""Steps from one look at the held-out pieces to the next."""


@dataclass
class Piece:
    """Phones [n]; takes [T], best first; of the best ones, which are worse than each; log-likelihoods under the first weights."""

    phones: np.ndarray
    takes: list[np.ndarray]
    choices: list[tuple[int, list[int]]]
    likelihoods: np.ndarray


def read_takes(folder: Path) -> list[Piece]:
    """Pieces of which some takes are better than others."""
    found = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            phones = parts(file["phones"], file["phone_lengths"])
            tokens = parts(file["tokens"], file["token_lengths"])
            rated = file["ratings"]
        count = rated.shape[1]
        for i, (piece, ratings) in enumerate(zip(phones, rated, strict=True)):
            order = [int(k) for k in np.argsort(-ratings, kind="stable") if ratings[k] > WORST]
            takes = [tokens[i * count + k] for k in order]
            choices = [
                (k, lower) for k in range(min(BEST, len(takes))) if (lower := worse(takes, ratings[order], k))
            ]
            if choices:
                found.append(Piece(piece, takes, choices, np.zeros(len(order), np.float32)))
    return found


def worse(takes: list[np.ndarray], ratings: np.ndarray, best: int) -> list[int]:
    """Which takes are rated lower than one of them, and are about as long."""
    length = len(takes[best])
    return [
        k
        for k, take in enumerate(takes)
        if ratings[k] < ratings[best] - APART and length / PACE <= len(take) <= length * PACE
    ]


def likelihoods(
    model: SemanticTransformer, phones: list[np.ndarray], takes: list[np.ndarray]
) -> tuple[Tensor, Tensor]:
    """Log-likelihood [batch] of each take [T], and the number of tokens [batch] that it is a sum of, the end among them."""
    device = model.ar_predict_layer.weight.device
    rows = (padded(phones, left=True), padded(takes))
    (said, said_lengths), (tokens, lengths) = ((a.to(device), b.to(device)) for a, b in rows)
    with half(device):
        logits = model(said, said_lengths, tokens, lengths)
    cross, real = cross_entropies(logits, model.targets(tokens, lengths), lengths)
    return -(cross * real).sum(1), real.sum(1)


def preferences(
    model: SemanticTransformer, pieces: list[Piece], rng: np.random.Generator
) -> dict[str, Tensor]:
    """What two takes of each piece lose: one of the best, and one that is worse."""
    better, lower = [], []
    for piece in pieces:
        best, others = piece.choices[rng.integers(len(piece.choices))]
        better.append((piece, best))
        lower.append((piece, int(rng.choice(others))))
    chosen = better + lower
    found, counts = likelihoods(model, [p.phones for p, _ in chosen], [p.takes[k] for p, k in chosen])
    before = torch.tensor([p.likelihoods[k] for p, k in chosen], device=found.device)
    gain, loss = (found - before).chunk(2)
    return {
        "preferred": -F.logsigmoid(STRENGTH * (gain - loss)).mean(),
        "best": -(found / counts)[: len(pieces)].mean(),
        "right": (gain > loss).float().mean(),
    }


def remember(model: SemanticTransformer, pieces: list[Piece]) -> None:
    """Fills in the likelihoods, pieces of like length together."""
    ordered = sorted(pieces, key=lambda piece: len(piece.phones))
    for start in range(0, len(pieces), TOGETHER):
        some = ordered[start : start + TOGETHER]
        rows = [(piece.phones, take) for piece in some for take in piece.takes]
        with torch.inference_mode():
            found, _ = likelihoods(model, [p for p, _ in rows], [t for _, t in rows])
        counts = np.array([len(piece.takes) for piece in some])
        for piece, values in zip(some, parts(found.cpu().numpy(), counts), strict=True):
            piece.likelihoods = values


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("takes", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("semantic", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--hours", type=float, default=0.5, help="stop after so much time in this call")
    parser.add_argument("--steps", type=int, default=1000, help="length of the learning-rate schedule")
    parser.add_argument("--batch", type=int, default=16, help="pieces, two takes of each")
    parser.add_argument("--positions", type=int, default=3000, help="phones and tokens of recordings")
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    args = parser.parse_args()
    device = open_device(args.device)
    model = read_semantic(args.semantic).to(device)
    pieces = read_takes(args.takes)
    remember(model, pieces)
    held_out, train = pieces[::25], [piece for i, piece in enumerate(pieces) if i % 25]
    recordings = Pairs(args.pairs, valid=False)
    check = Pairs(args.pairs, valid=True).draw(chance(0), 6000, 0.0)
    run = Run(
        args.run,
        model,
        adamw(model.parameters(), args.rate, 0.01),
        steps=args.steps,
        rate=args.rate,
        warmup=50,
        clip=1.0,
    )
    print(f"{len(train)} pieces with better and worse takes; on {device}", flush=True)
    for step in run.steps(args.hours):
        rng = chance(step)
        values = preferences(model, [train[i] for i in rng.integers(0, len(train), args.batch)], rng)
        loss = values["preferred"] + values["best"]
        if step % 2 == 0:
            found = losses(
                model, model.forward_with_attention, recordings.draw(rng, args.positions, JOIN), NOISE
            )
            loss = loss + 2 * (found["cross"] + GUIDE * found["guide"])
            values["cross"] = found["cross"]
        run.update(loss, **values)
        if run.is_due(MEASURED):
            with run.aside():
                scores = preferences(model, held_out, chance(0))
                scores["cross"] = losses(model, model.forward_with_attention, check, 0.0)["cross"]
            run.log(**{f"valid_{name}": value for name, value in scores.items()})


if __name__ == "__main__":
    main()
