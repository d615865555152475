"""Trains the duration predictor of sovits-tiny: the duration of each phone of a sentence.

    python train_durations.py KOKORO_DURATIONS PAIRS.npz RUN [--hours 0.2]       (resumes)

KOKORO_DURATIONS is the folder of durations.py; without it only recordings are used. A hidden Markov model
aligns the symbols of Kokoro with our phones (Viterbi training from a diagonal). Durations of recordings
(PAIRS) are coarse and few, but stage two was trained with them, so the network learns both, with an input for
the source.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from align import PHONES
from aligner import log_odds
from runs import SteppedTask, adamw, generator, is_held_out, run, training_arguments
from tokens import read_pairs
from torch import Tensor
from torch.nn import functional as F

from timbral.inference.alignment.hmm_aligner import HmmAligner
from timbral.nets.durations import DurationPredictor
from timbral.training.task import Batch

TOKEN = 0.04
"""Seconds."""
ROUNDS = 4
DOUBTFUL = 0.05
"""Share of the sentences of a language that are left out, as they fit the alignment worst."""
KOKORO, RECORDED = 0.0, 1.0
"""Sources of durations, an input of the network."""
SHIPPED_PACE = (0.05, RECORDED)
"""Pace and source that the model speaks with; the pace is a logarithm, relative to the average of Kokoro."""
WORDS = ("ja-words", "cmn-words")
"""Corpora of single words, which are spoken slowly and weigh less."""
LITTLE = 0.3
UNKNOWN_PACE = 0.15
"""Share of the sentences that are trained without their pace."""
SHORTEST = 0.35
"""Shortest duration in tokens."""
POSITIONS = 2000
"""Phones per batch."""
TOTAL = 0.3
"""Weight of the error of the sentence length."""


@dataclass(frozen=True)
class Timed:
    """A sentence: phones int64 [n], durations in tokens [n], their weights [n], and the pace [2]."""

    phones: np.ndarray
    durations: np.ndarray
    weights: np.ndarray
    pace: np.ndarray


def kokoro(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Phones and durations of the sentences of Kokoro; silence at the ends belongs to the outermost phones."""
    entries = [
        json.loads(line)
        for path in sorted(folder.glob("durations.*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    found = []
    for lang in ("en", "zh", "ja"):
        if not (mine := [entry for entry in entries if entry.get("lang") == lang]):
            continue
        known = sorted({symbol for entry in mine for symbol in entry["symbols"]})
        number = {symbol: i for i, symbol in enumerate(known)}
        phones = [np.array(entry["phones"]) for entry in mine]
        symbols = [np.array([number[s] for s in entry["symbols"]]) for entry in mine]
        paths = [np.arange(len(s)) * len(p) // len(s) for p, s in zip(phones, symbols, strict=True)]
        for _ in range(ROUNDS):
            counts = np.zeros((PHONES, len(known)))
            for p, s, path in zip(phones, symbols, paths, strict=True):
                np.add.at(counts, (p[path], s), 1)
            aligner = HmmAligner(log_odds(counts), np.arange(PHONES))
            paths = [aligner.path(p, s) for p, s in zip(phones, symbols, strict=True)]
        fits = np.array([aligner.scores(p, [s])[0] for p, s in zip(phones, symbols, strict=True)])
        for i in np.flatnonzero(fits >= np.quantile(fits, DOUBTFUL)):
            before, *spoken, after = np.array(mine[i]["seconds"]) / TOKEN
            durations = np.bincount(paths[i], weights=spoken, minlength=len(phones[i]))
            durations[0] += before
            durations[-1] += after
            found.append((phones[i], durations))
        print(f"{lang}: {len(mine)} sentences, a phone's symbols {np.mean(fits):.2f} nats likelier than any")
    return found


def sentences(folder: Path, pairs: Path) -> tuple[list[Timed], list[Timed], list[Timed]]:
    """Training sentences, and held-out ones of Kokoro and of the recordings."""
    spoken, pairs_read = kokoro(folder), read_pairs(pairs)
    recordings = [(p.phones, np.bincount(p.path, minlength=len(p.phones))) for p in pairs_read]
    sums, counts = np.zeros(PHONES), np.zeros(PHONES)
    usually = spoken or recordings
    for phones, durations in usually:
        np.add.at(sums, phones[1:-1], durations[1:-1])
        np.add.at(counts, phones[1:-1], 1)
    usual = (sums + 20) / (counts + 10)

    def pace(phones: np.ndarray, durations: np.ndarray) -> float:
        inside = slice(1, -2) if len(phones) > 5 else slice(None)
        return float(np.log(max(0.5, durations[inside].sum()) / usual[phones[inside]].sum()))

    mean = float(np.mean([pace(*one) for one in usually]))

    def timed(phones: np.ndarray, durations: np.ndarray, source: float, weight: float) -> Timed:
        weights = np.full(len(phones), weight)
        if source == RECORDED:  # the aligner does not locate the ends of speech well
            weights[0] *= LITTLE
            weights[-2:] *= LITTLE
        slower = np.clip(pace(phones, durations) - mean, -1, 1)
        return Timed(phones, durations, weights, np.array([slower, source]))

    train, held_out, recorded = [], [], []
    for i, (phones, durations) in enumerate(spoken):
        (held_out if is_held_out(f"sentence {i}") else train).append(timed(phones, durations, KOKORO, 1.0))
    for pair, (_, durations) in zip(pairs_read, recordings, strict=True):
        words = pair.id.split("/")[0] in WORDS
        one = timed(pair.phones, durations, RECORDED, LITTLE if words else 1.0)
        if not is_held_out(pair.id):
            train.append(one)
        elif not words:
            recorded.append(one)
    return train, held_out, recorded


def collate(items: list[Timed]) -> Batch:
    """Phones [batch, n], pace [batch, 2], durations and weights [batch, n]; padding has the weight 0."""
    longest = max(len(item.phones) for item in items)
    phones = np.full((len(items), longest), PHONES)
    durations, weights = np.ones_like(phones, np.float32), np.zeros_like(phones, np.float32)
    for row, item in enumerate(items):
        end = len(item.phones)
        phones[row, :end], durations[row, :end] = item.phones, item.durations
        weights[row, :end] = item.weights
    pace = np.stack([item.pace for item in items]).astype(np.float32)
    rows = {"phones": phones, "pace": pace, "durations": durations, "weights": weights}
    return {name: torch.from_numpy(array) for name, array in rows.items()}


def errors(model: DurationPredictor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Errors of phone durations (smooth L1 of logarithms) and of sentence lengths (L1 of logarithms)."""
    durations, weights = batch["durations"], batch["weights"]
    predicted = model(batch["phones"], batch["pace"])
    target = durations.clamp_min(SHORTEST).log()
    each = F.smooth_l1_loss(predicted.log(), target, reduction="none", beta=LITTLE)
    whole = ((predicted * weights).sum(1) / (durations * weights).sum(1)).log().abs()
    return (each * weights).sum() / weights.sum(), whole.mean()


def in_batches(items: Iterable[Timed]) -> list[list[Timed]]:
    """Batches of sentences of similar length."""
    batches: list[list[Timed]] = [[]]
    for item in sorted(items, key=lambda item: len(item.phones)):
        if (len(batches[-1]) + 1) * len(item.phones) > POSITIONS and batches[-1]:
            batches.append([])
        batches[-1].append(item)
    return batches


class DurationTask(SteppedTask):
    """The duration predictor, trained on batches of sentences of similar length."""

    def __init__(self, train: list[Timed], checks: dict[str, list[Timed]], steps: int) -> None:
        model = DurationPredictor(PHONES)
        super().__init__(model, adamw(model.parameters(), 0.02), steps)
        self.batches, self.checks = in_batches(train), checks

    def draw(self, step: int) -> Batch:
        rng = generator(step)
        batch = dict(collate(self.batches[rng.integers(len(self.batches))]))
        pace = batch["pace"].clone()
        pace[torch.from_numpy(rng.random(len(pace)) < UNKNOWN_PACE), 0] = 0
        return batch | {"pace": pace}

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        each, whole = errors(self.network, batch)
        return each + TOTAL * whole, {"each": each, "whole": whole}

    def measure(self) -> dict[str, Tensor]:
        values: dict[str, Tensor] = {}
        device = self.network.table.weight.device
        for name, check in self.checks.items():
            found = [
                torch.stack(errors(self.network, {k: v.to(device) for k, v in collate(some).items()}))
                for some in in_batches(check)
            ]
            values[name], values[f"{name}_whole"] = torch.stack(found).mean(0)
        return values


def main() -> None:
    parser = training_arguments(__doc__, hours=1.0, steps=2000, rate=2e-3)
    parser.add_argument("kokoro_durations", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("run", type=Path)
    args = parser.parse_args()
    torch.manual_seed(0)
    train, held_out, recorded = sentences(args.kokoro_durations, args.pairs)
    checks = {name: items for name, items in (("kokoro", held_out), ("recorded", recorded)) if items}
    print(f"{len(train)} sentences, {sum(len(item.phones) for item in train)} phones", flush=True)
    run(DurationTask(train, checks, args.steps), args.run, args, warmup=50, clip=1.0)


if __name__ == "__main__":
    main()
