"""Learns the semantic tokens: a codebook over what Whisper hears and how the pitch moves.

    python tokens.py FEATURES OUT.npz [--size 2048]

Whisper's features are averaged to 25 Hz, the directions in which whole utterances differ (speaker, channel) are projected
out (nuisance attribute projection, Solomonoff et al. 2005), and principal components are kept. Beside them stands the pitch
of the two halves of a token relative to the utterance's mean, since tones and intonation have to come through the tokens:
stage two knows the speaker's pitch but not the sentence's. Then k-means.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from packed import Utterance, read

COMPONENTS = 96
NUISANCE = 10


def relative_pitch(u: Utterance) -> np.ndarray:
    """Pitch in octaves from the utterance's mean and voicing, for both halves of each token: [T, 4]."""
    octaves = np.where(u.voiced, np.clip(np.log2(u.f0) - u.mean_pitch, -1.0, 1.0), 0).reshape(-1, 2, 2)
    voiced = u.voiced.astype(np.float32).reshape(-1, 2, 2)
    mean = octaves.sum(2) / np.maximum(1, voiced.sum(2))
    return np.concatenate([mean, voiced.mean(2)], 1).astype(np.float32)


class Codebook:
    """Maps content features [T, 512] and relative pitch [T, 4] to tokens [T]."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as f:
            self.mean, self.basis, self.pitch_weight, self.centroids = (f[k] for k in ("mean", "basis", "pitch_weight", "centroids"))

    def __call__(self, u: Utterance) -> np.ndarray:
        return nearest(torch.from_numpy(embed(u, self.mean, self.basis, self.pitch_weight)), torch.from_numpy(self.centroids)).numpy()


def embed(u: Utterance, mean: np.ndarray, basis: np.ndarray, pitch_weight: np.ndarray) -> np.ndarray:
    return np.concatenate([(u.content.astype(np.float32) - mean) @ basis, relative_pitch(u) * pitch_weight], 1)


def nearest(x: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    return torch.cat([(part @ centroids.T * 2 - centroids.square().sum(1)).argmax(1) for part in x.split(16384)])


def k_means(x: torch.Tensor, size: int, rounds: int, seed: int = 0) -> torch.Tensor:
    """Centroids [size, D] of points [N, D]; an empty cell restarts at a random point."""
    generator = torch.Generator().manual_seed(seed)
    centroids = x[torch.randperm(len(x), generator=generator)[:size]].clone()
    for _ in range(rounds):
        cell = nearest(x, centroids)
        count = torch.bincount(cell, minlength=size)
        centroids = torch.zeros_like(centroids).index_add_(0, cell, x) / count.clamp_min(1)[:, None]
        empty = (count == 0).nonzero()[:, 0]
        centroids[empty] = x[torch.randint(len(x), (len(empty),), generator=generator)]
    return centroids


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--pitch-weight", type=float, default=5.0)
    parser.add_argument("--voicing-weight", type=float, default=0.5)
    parser.add_argument("--frames", type=int, default=250_000)
    args = parser.parse_args()
    utterances = [u for u in read(args.features) if len(u.content) >= 20]
    rng = np.random.default_rng(0)
    rng.shuffle(utterances)
    chosen, total = [], 0
    for u in utterances:
        if total < args.frames:
            chosen.append(u)
            total += len(u.content)
    content = np.concatenate([u.content.astype(np.float32) for u in chosen])
    mean = content.mean(0)
    content -= mean
    means = np.stack([u.content.astype(np.float32).mean(0) for u in utterances if len(u.content) >= 50]) - mean
    _, between = np.linalg.eigh(np.cov(means.T))
    nuisance = between[:, -NUISANCE:]
    clean = np.eye(512, dtype=np.float32) - (nuisance @ nuisance.T).astype(np.float32)
    values, vectors = np.linalg.eigh(np.cov((content @ clean).T))
    top = np.argsort(values)[::-1][:COMPONENTS]
    # Half-way to whitening: rare distinctions count, noise does not take over.
    basis = (clean @ vectors[:, top]) * values[top] ** -0.25
    basis /= np.sqrt((values[top] ** 0.5).sum())
    pitch_weight = np.array([args.pitch_weight] * 2 + [args.voicing_weight] * 2, np.float32) * 0.5
    x = torch.from_numpy(np.concatenate([embed(u, mean, basis.astype(np.float32), pitch_weight) for u in chosen]))
    centroids = k_means(x, args.size, 25)
    cell = nearest(x, centroids)
    error = (x - centroids[cell]).square().sum(0)
    spread = (x - x.mean(0)).square().sum(0)
    d = COMPONENTS
    print(f"{len(x)} frames; variance explained: content {1 - float(error[:d].sum() / spread[:d].sum()):.3f}, first ten "
          f"{1 - float(error[:10].sum() / spread[:10].sum()):.3f}, pitch {1 - float(error[d:d+2].sum() / spread[d:d+2].sum()):.3f}, "
          f"voicing {1 - float(error[d+2:].sum() / spread[d+2:].sum()):.3f}; share of variance {(spread / spread.sum())[d:].numpy().round(3)}; "
          f"perplexity {float(torch.exp(torch.distributions.Categorical(torch.bincount(cell, minlength=args.size).float()).entropy())):.0f}")
    np.savez(args.out, mean=mean, basis=basis.astype(np.float32), pitch_weight=pitch_weight, centroids=centroids.numpy())


if __name__ == "__main__":
    main()
