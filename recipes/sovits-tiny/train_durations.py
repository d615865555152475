"""Trains the duration predictor of sovits-tiny: how long each phone of a sentence is spoken.

    python train_durations.py KOKORO_DURATIONS PAIRS.npz RUN [--hours 0.2]       (resumes from RUN/last.pt)

KOKORO_DURATIONS is the folder that durations.py fills; without it the recordings have to do. Which of Kokoro's symbols stand for
which of our phones is learned as the listener learns which tokens do: a hidden Markov model, and Viterbi training from a
diagonal. The recordings' own durations (PAIRS) are coarse and few, but they are what stage two was trained with; the network
learns both, and is told which is which.
"""

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from align import PHONES
from listener import evidence
from runs import DEVICES, Run, adamw, chance, is_held_out, open_device
from tokens import read_pairs
from torch import Tensor
from torch.nn import functional as F

from timbral.inference.alignment.hmm_aligner import HmmAligner
from timbral.nets.durations import DurationPredictor

TOKEN = 0.04
"""Seconds."""
ROUNDS = 4
DOUBTFUL = 0.05
"""Share of a language's sentences that Kokoro seems to read otherwise: the ones that fit worst are left out."""
KOKORO, RECORDED = 0.0, 1.0
"""Whose durations, as the network is told."""
WORDS = ("ja-words", "cmn-words")
"""Corpora of single words, which are spoken slowly: they count less."""
LITTLE = 0.3
UNTOLD = 0.15
"""Share of the sentences whose pace is not told."""
SHORTEST = 0.35
"""Tokens below which a duration is as good as none."""
POSITIONS = 2000
"""Phones of a batch."""
TOTAL = 0.3
"""Weight of the error of the whole sentence's length beside that of each phone."""
MEASURED = 250


@dataclass(frozen=True)
class Timed:
    """A sentence: phones int64 [n], their durations in tokens, how much each counts, [n], and the pace [2] of them all."""

    phones: np.ndarray
    durations: np.ndarray
    weights: np.ndarray
    pace: np.ndarray


def kokoro(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Phones and their durations of Kokoro's sentences, silence at both ends with the outermost phones."""
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
            listener = HmmAligner(evidence(counts), np.arange(PHONES))
            paths = [listener.path(p, s) for p, s in zip(phones, symbols, strict=True)]
        fits = np.array([listener.scores(p, [s])[0] for p, s in zip(phones, symbols, strict=True)])
        for i in np.flatnonzero(fits >= np.quantile(fits, DOUBTFUL)):
            before, *spoken, after = np.array(mine[i]["seconds"]) / TOKEN
            durations = np.bincount(paths[i], weights=spoken, minlength=len(phones[i]))
            durations[0] += before
            durations[-1] += after
            found.append((phones[i], durations))
        print(f"{lang}: {len(mine)} sentences, a phone's symbols {np.mean(fits):.2f} nats likelier than any")
    return found


def sentences(folder: Path, pairs: Path) -> tuple[list[Timed], list[Timed], list[Timed]]:
    """All to learn from, and what is held out of Kokoro's and of the recordings."""
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

    def timed(phones: np.ndarray, durations: np.ndarray, whose: float, weight: float) -> Timed:
        weights = np.full(len(phones), weight)
        if whose == RECORDED:  # the listener is unsure of where speech begins and ends
            weights[0] *= LITTLE
            weights[-2:] *= LITTLE
        slower = np.clip(pace(phones, durations) - mean, -1, 1)
        return Timed(phones, durations, weights, np.array([slower, whose]))

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


def batch(items: list[Timed], device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Phones [batch, n], pace [batch, 2], durations and weights [batch, n]; what pads them weighs nothing."""
    longest = max(len(item.phones) for item in items)
    phones = np.full((len(items), longest), PHONES)
    durations, weights = np.ones((2, len(items), longest), np.float32)
    weights[:] = 0
    for row, item in enumerate(items):
        end = len(item.phones)
        phones[row, :end], durations[row, :end], weights[row, :end] = (
            item.phones,
            item.durations,
            item.weights,
        )
    pace = np.stack([item.pace for item in items]).astype(np.float32)
    rows = (torch.from_numpy(array).to(device) for array in (phones, pace, durations, weights))
    return tuple(rows)  # type: ignore[return-value]


def errors(model: DurationPredictor, sample: tuple[Tensor, Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Of the phones' durations (smooth L1 of the logarithms) and of the sentences' lengths (L1 of the logarithms)."""
    phones, pace, durations, weights = sample
    made = model(phones, pace)
    each = F.smooth_l1_loss(made.log(), durations.clamp_min(SHORTEST).log(), reduction="none", beta=LITTLE)
    whole = ((made * weights).sum(1) / (durations * weights).sum(1)).log().abs()
    return (each * weights).sum() / weights.sum(), whole.mean()


def in_batches(items: Iterable[Timed]) -> list[list[Timed]]:
    """Sentences of like length together."""
    batches: list[list[Timed]] = [[]]
    for item in sorted(items, key=lambda item: len(item.phones)):
        if (len(batches[-1]) + 1) * len(item.phones) > POSITIONS and batches[-1]:
            batches.append([])
        batches[-1].append(item)
    return batches


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kokoro_durations", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--hours", type=float, default=1.0, help="stop after so much time in this call")
    parser.add_argument("--steps", type=int, default=2000, help="length of the learning-rate schedule")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    args = parser.parse_args()
    device = open_device(args.device)
    torch.manual_seed(0)
    train, held_out, recorded = sentences(args.kokoro_durations, args.pairs)
    checks = {
        name: items for name, items in (("valid_kokoro", held_out), ("valid_recorded", recorded)) if items
    }
    batches = in_batches(train)
    model = DurationPredictor(PHONES).to(device)
    run = Run(
        args.run,
        model,
        adamw(model.parameters(), args.rate, 0.02),
        steps=args.steps,
        rate=args.rate,
        warmup=50,
        clip=1.0,
    )
    print(
        f"{len(train)} sentences, {sum(len(item.phones) for item in train)} phones; on {device}", flush=True
    )
    for step in run.steps(args.hours):
        rng = chance(step)
        phones, pace, durations, weights = batch(batches[rng.integers(len(batches))], device)
        pace[torch.from_numpy(rng.random(len(pace)) < UNTOLD).to(device), 0] = 0
        each, whole = errors(model, (phones, pace, durations, weights))
        run.update(each + TOTAL * whole, each=each, whole=whole)
        if run.is_due(MEASURED):
            with run.aside():
                values: dict[str, Tensor] = {}
                for name, check in checks.items():
                    found = [torch.stack(errors(model, batch(some, device))) for some in in_batches(check)]
                    values[name], values[f"{name}_whole"] = torch.stack(found).mean(0)
            run.log(**values)


if __name__ == "__main__":
    main()
