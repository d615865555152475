"""Trains stage one to prefer its best candidates (DPO).

    python train_preference.py CANDIDATES PAIRS.npz RUNS/semantic RUN [--hours 0.5]       (resumes)

Direct preference optimization (Rafailov et al. 2023): of two candidates of an utterance, the likelihood of
the better rated one should rise more, relative to the weights of RUNS/semantic. The cross-entropy of the
better ones is added, and every second step trains on recordings as train_semantic.py does. CANDIDATES is the
output of candidates.py with a bundle of the same weights.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from arrays import parts
from runs import SteppedTask, adamw, generator, half, open_device, run, training_arguments
from torch import Tensor
from torch.nn import functional as F
from train_semantic import GUIDE, JOIN, NOISE, Pairs, cross_entropies, losses, padded, read_semantic

from timbral.nets.semantic import SemanticTransformer
from timbral.training.task import Batch

BETA = 0.1
MIN_DIFFERENCE = 0.25
"""Of the ratings of two candidates that are compared."""
MAX_RATIO = 1.07
"""Of their lengths: slow speech is understood more easily, but the pace should not change."""
BEST = 2
"""Preferred candidates of an utterance."""
INCOMPLETE = -10.0
"""Ratings below belong to candidates that did not end, which are not used."""
SCORED = 4
"""Utterances that are scored at once."""
RECORDED = "recorded_"
"""Prefix of the recordings in a batch."""


@dataclass
class Utterance:
    """Phones [n], candidates [T] by falling rating, pairs of a preferred one and the worse ones, base
    log-likelihoods.
    """

    phones: np.ndarray
    candidates: list[np.ndarray]
    pairs: list[tuple[int, list[int]]]
    likelihoods: np.ndarray


def read_candidates(folder: Path) -> list[Utterance]:
    """Utterances with candidates of different ratings."""
    found = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            phones = parts(file["phones"], file["phone_lengths"])
            tokens = parts(file["tokens"], file["token_lengths"])
            rated = file["ratings"]
        count = rated.shape[1]
        for i, (utterance, ratings) in enumerate(zip(phones, rated, strict=True)):
            order = [int(k) for k in np.argsort(-ratings, kind="stable") if ratings[k] > INCOMPLETE]
            candidates = [tokens[i * count + k] for k in order]
            pairs = [
                (k, lower)
                for k in range(min(BEST, len(candidates)))
                if (lower := worse(candidates, ratings[order], k))
            ]
            if pairs:
                found.append(Utterance(utterance, candidates, pairs, np.zeros(len(order), np.float32)))
    return found


def worse(candidates: list[np.ndarray], ratings: np.ndarray, best: int) -> list[int]:
    """Candidates of a lower rating and about the same length as `best`."""
    length = len(candidates[best])
    return [
        k
        for k, one in enumerate(candidates)
        if ratings[k] < ratings[best] - MIN_DIFFERENCE
        and length / MAX_RATIO <= len(one) <= length * MAX_RATIO
    ]


def collate(rows: list[tuple[np.ndarray, np.ndarray]]) -> Batch:
    """Phones [batch, n] padded on the left, tokens [batch, T] on the right, and their lengths."""
    phones, phone_lengths = padded([p for p, _ in rows], left=True)
    tokens, token_lengths = padded([t for _, t in rows])
    return {
        "phones": phones,
        "phone_lengths": phone_lengths,
        "tokens": tokens,
        "token_lengths": token_lengths,
    }


def likelihoods(model: SemanticTransformer, batch: Batch) -> tuple[Tensor, Tensor]:
    """Log-likelihood [batch] of tokens and end token, and their number [batch]."""
    tokens, lengths = batch["tokens"], batch["token_lengths"]
    with half(tokens.device):
        logits = model(batch["phones"], batch["phone_lengths"], tokens, lengths)
    cross, real = cross_entropies(logits, model.targets(tokens, lengths), lengths)
    return -(cross * real).sum(1), real.sum(1)


def score(model: SemanticTransformer, utterances: list[Utterance], device: torch.device) -> None:
    """Fills in the base log-likelihoods of all candidates."""
    model.to(device)
    ordered = sorted(utterances, key=lambda utterance: len(utterance.phones))
    for start in range(0, len(utterances), SCORED):
        some = ordered[start : start + SCORED]
        batch = collate([(u.phones, candidate) for u in some for candidate in u.candidates])
        with torch.inference_mode():
            found, _ = likelihoods(model, {name: part.to(device) for name, part in batch.items()})
        counts = np.array([len(u.candidates) for u in some])
        for utterance, values in zip(some, parts(found.cpu().numpy(), counts), strict=True):
            utterance.likelihoods = values


class PreferenceTask(SteppedTask):
    """Stage one, trained on pairs of candidates and on recordings."""

    validate_every = 100

    def __init__(
        self, model: SemanticTransformer, utterances: list[Utterance], args: argparse.Namespace
    ) -> None:
        super().__init__(model, adamw(model.parameters(), 0.01), args.steps)
        self.held_out = utterances[::25]
        self.train = [utterance for i, utterance in enumerate(utterances) if i % 25]
        self.batch_size, self.positions = args.batch, args.positions
        self.recordings = Pairs(args.pairs, held_out=False)
        self.check = Pairs(args.pairs, held_out=True).draw(generator(0), 6000, 0.0)

    def draw(self, step: int) -> Batch:
        rng = generator(step)
        chosen = [self.train[i] for i in rng.integers(0, len(self.train), self.batch_size)]
        batch = dict(self._pairs(chosen, rng))
        if step % 2 == 0:
            recorded = self.recordings.draw(rng, self.positions, JOIN)
            batch |= {RECORDED + name: part for name, part in recorded.items()}
        return batch

    def _pairs(self, utterances: list[Utterance], rng: np.random.Generator) -> Batch:
        """For each utterance a preferred candidate, and after all of them the rejected ones."""
        chosen, rejected = [], []
        for utterance in utterances:
            best, others = utterance.pairs[rng.integers(len(utterance.pairs))]
            chosen.append((utterance, best))
            rejected.append((utterance, int(rng.choice(others))))
        rows = chosen + rejected
        base = torch.tensor([u.likelihoods[k] for u, k in rows])
        return {**collate([(u.phones, u.candidates[k]) for u, k in rows]), "base": base}

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        values = self._preference(batch)
        loss = values["preference"] + values["best"]
        recorded = {n.removeprefix(RECORDED): part for n, part in batch.items() if n.startswith(RECORDED)}
        if recorded:
            found = losses(self.network, self.network.forward_with_attention, recorded, NOISE)
            loss = loss + 2 * (found["cross"] + GUIDE * found["guide"])
            values["cross"] = found["cross"]
        return loss, values

    def _preference(self, batch: Batch) -> dict[str, Tensor]:
        """DPO loss, cross-entropy of the preferred candidates, and share of pairs in the right order."""
        found, counts = likelihoods(self.network, batch)
        chosen, rejected = (found - batch["base"]).chunk(2)
        return {
            "preference": -F.logsigmoid(BETA * (chosen - rejected)).mean(),
            "best": -(found / counts)[: len(chosen)].mean(),
            "right": (chosen > rejected).float().mean(),
        }

    def measure(self) -> dict[str, Tensor]:
        device = self.network.ar_predict_layer.weight.device
        pairs = self._pairs(self.held_out, generator(0))
        values = self._preference({name: part.to(device) for name, part in pairs.items()})
        values["cross"] = losses(self.network, self.network.forward_with_attention, self.check, 0.0)["cross"]
        return values


def main() -> None:
    parser = training_arguments(__doc__, hours=0.5, steps=1000, rate=1e-4)
    parser.add_argument("candidates", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("semantic", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--batch", type=int, default=16, help="utterances, two candidates of each")
    parser.add_argument("--positions", type=int, default=3000, help="phones and tokens of recordings")
    args = parser.parse_args()
    model, utterances = read_semantic(args.semantic), read_candidates(args.candidates)
    score(model, utterances, open_device(args.device))
    task = PreferenceTask(model, utterances, args)
    print(f"{len(task.train)} utterances with better and worse candidates", flush=True)
    run(task, args.run, args, warmup=50, clip=1.0)


if __name__ == "__main__":
    main()
