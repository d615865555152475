"""Trains the HMM aligner: log odds of tokens for each phone.

    python aligner.py PAIRS.npz ALIGNER.safetensors

Counts tokens and phones of the aligned utterances, aligns them with the result and counts again (Viterbi
training of a hidden Markov model with a state per phone, Rabiner 1989), so that inference finds the same
boundaries as the training of stage two.
"""

import argparse
from pathlib import Path

import numpy as np
from align import PHONES
from tokens import read_pairs

from timbral.inference.alignment.hmm_aligner import HmmAligner

ROUNDS = 2
FEWEST = 30
"""Least number of tokens of a phone; rarer phones get no state."""
PRIOR = 60.0
"""Weight of the overall token frequencies, in tokens."""


def log_odds(counts: np.ndarray) -> np.ndarray:
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
    parser.add_argument("aligner", type=Path)
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
        aligner = HmmAligner(log_odds(counts)[known], rows)
        if number < ROUNDS:
            paths = [aligner.path(pair.phones, pair.tokens) for pair in pairs]
            moved = np.concatenate([abs(p - pair.path) for p, pair in zip(paths, pairs, strict=True)])
            print(
                f"{number}: {(moved == 0).mean():.3f} of the tokens as in the alignment, "
                f"{(moved <= 1).mean():.3f} next to it",
                flush=True,
            )
    part = args.aligner.with_suffix(".part")
    aligner.save(part)
    part.chmod(0o644)
    part.replace(args.aligner)


if __name__ == "__main__":
    main()
