"""Teaches the guard's listener which tokens speak which phone, and puts it into a bundle.

    python listener.py BUNDLE TEXT [--sentences 1500]

Stage one of BUNDLE speaks sentences of TEXT in every language of the model; a hidden Markov model with a state for each phone
is fitted to what it drew, by Viterbi training from an even segmentation (Rabiner 1989). A phone that is skipped now and then
is outvoted by the times it was spoken, so drawn tokens need no recordings and no alignment.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from sentences import sentences

from timbral.bundle import open_bundle, seal
from timbral.bundle.manifest import MANIFEST
from timbral.engine.listener import Listener
from timbral.engine.sessions import SessionOptions
from timbral.parts import LISTENER, open_engine
from timbral.training.drawn import draw_tokens

ROUNDS = 7
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
    parser.add_argument("bundle", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--sentences", type=int, default=1500, help="of each language")
    args = parser.parse_args()
    bundle = open_bundle(args.bundle)
    semantic, shape = open_engine(bundle, SessionOptions()).semantic, bundle.manifest.semantic
    pairs = []
    for lang in bundle.manifest.languages:
        texts = sentences(args.text, lang, held_out=False)[: args.sentences]
        pairs += list(draw_tokens(bundle, semantic, texts, lang))
        print(lang, len(pairs), "pieces so far", flush=True)
    counts = np.zeros((shape.phonemes, shape.vocabulary - 1))
    for phones, tokens in pairs:
        np.add.at(counts, (phones[np.arange(len(tokens)) * len(phones) // len(tokens)], tokens), 1)
    for number in range(ROUNDS):
        known = np.flatnonzero(counts.sum(1) >= FEWEST)
        rows = np.full(shape.phonemes, -1)
        rows[known] = np.arange(len(known))
        listener = Listener(evidence(counts)[known], rows)
        print(f"{number}: {np.mean([listener.scores(p, [t])[0] for p, t in pairs]):.3f} nats", flush=True)
        counts = np.zeros_like(counts)
        for phones, tokens in pairs:
            np.add.at(counts, (phones[listener.path(phones, tokens)], tokens), 1)
    listener.save(args.bundle / LISTENER)
    (args.bundle / LISTENER).chmod(0o644)
    description = json.loads((args.bundle / MANIFEST).read_text())
    seal(args.bundle, {k: v for k, v in description.items() if k not in ("format", "files")})


if __name__ == "__main__":
    main()
