"""Teaches the guard's listener which tokens speak which phone.

    python listener.py PAIRS.npz LISTENER.safetensors

Counts what the aligned utterances say, then lets the listener align them itself and counts again (Viterbi training of a hidden
Markov model with a state for each phone, Rabiner 1989), so that in the engine it finds the boundaries that stage two was
trained with.
"""

import argparse
from pathlib import Path

import numpy as np
from align import PHONES
from tokens import read_pairs

from timbral.inference.alignment.hmm_aligner import HmmAligner

ROUNDS = 2
FEWEST = 30
"""Tokens of a phone below which nothing is said of it."""
PRIOR = 60.0
"""Tokens that the overall frequencies count for, beside those of a phone."""


def evidence(counts: np.ndarray) -> np.ndarray:
    """log p(token | phone) / p(token) of counts [phones, vocabulary]."""
    overall = counts.sum(0) + 0.5
    overall /= overall.sum()
    shares = (counts + PRIOR * overall) / (counts.sum(1, keepdims=True) + PRIOR)
    return np.log(shares / overall).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", type=Path)
    parser.add_argument("listener", type=Path)
    parser.add_argument("--vocabulary", type=int, default=4096)
    args = parser.parse_args()
    pairs = read_pairs(args.pairs)
    paths = [pair.path for pair in pairs]
    for number in range(ROUNDS + 1):
        counts = np.zeros((PHONES, args.vocabulary))
        for pair, path in zip(pairs, paths, strict=True):
            np.add.at(counts, (pair.phones[path], pair.tokens), 1)
        known = np.flatnonzero(counts.sum(1) >= FEWEST)
        rows = np.full(PHONES, -1)
        rows[known] = np.arange(len(known))
        listener = HmmAligner(evidence(counts)[known], rows)
        if number < ROUNDS:
            paths = [listener.path(pair.phones, pair.tokens) for pair in pairs]
            moved = np.concatenate([abs(p - pair.path) for p, pair in zip(paths, pairs, strict=True)])
            print(
                f"{number}: {(moved == 0).mean():.3f} of the tokens where the alignment has them, "
                f"{(moved <= 1).mean():.3f} next to it",
                flush=True,
            )
    part = args.listener.with_suffix(".part")
    listener.save(part)
    part.chmod(0o644)
    part.replace(args.listener)


if __name__ == "__main__":
    main()
