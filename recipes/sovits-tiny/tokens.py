"""Learns the semantic tokens: a codebook over which phone Whisper hears and how the pitch moves.

    python tokens.py FEATURES ALIGNMENT.npz CODEBOOK.npz PAIRS.npz [--size 4096]

Whisper's features are averaged to 25 Hz and projected by linear discriminant analysis over the aligned
phones: what tells phones apart is kept, what differs within a phone (speaker, channel) shrinks. Beside the
projection stands the pitch of the two halves of a token relative to the utterance's mean, since tones and
intonation have to come through the tokens: stage two knows the speaker's pitch but not the sentence's. Then
k-means. PAIRS gets phones and tokens of every aligned utterance, and which phone each token says. An existing
CODEBOOK is used as it is: everything that was trained depends on it.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from arrays import Utterance, parts, read, write
from runs import DEVICES, open_device

COMPONENTS = 64
FEWEST = 30
"""Tokens of a phone below which its mean says too little."""


def relative_pitch(u: Utterance) -> np.ndarray:
    """Pitch in octaves from the utterance's mean and voicing, for both halves of each token: [T, 4]."""
    octaves = np.where(u.voiced, np.clip(np.log2(u.f0) - u.mean_pitch, -1.0, 1.0), 0).reshape(-1, 2, 2)
    voiced = u.voiced.astype(np.float32).reshape(-1, 2, 2)
    mean = octaves.sum(2) / np.maximum(1, voiced.sum(2))
    return np.concatenate([mean, voiced.mean(2)], 1).astype(np.float32)


class Codebook:
    """Maps content features [T, 512] and relative pitch [T, 4] to tokens [T]."""

    def __init__(self, path: Path, device: torch.device) -> None:
        with np.load(path) as f:
            self.mean, self.basis, self.pitch_weight, self.centroids = (
                f[k] for k in ("mean", "basis", "pitch_weight", "centroids")
            )
        self.places = torch.from_numpy(self.centroids).to(device)

    def __call__(self, u: Utterance) -> np.ndarray:
        x = torch.from_numpy(embed(u, self.mean, self.basis, self.pitch_weight)).to(self.places.device)
        return nearest(x, self.places).cpu().numpy()

    def alike(self, count: int) -> torch.Tensor:
        """The `count` nearest other tokens of each: [size, count], on the codebook's device."""
        apart = torch.cdist(self.places, self.places)
        return apart.fill_diagonal_(torch.inf).topk(count, largest=False).indices


@dataclass(frozen=True)
class Pair:
    """An aligned utterance: phones [n], tokens [T], and which place among the phones each token speaks, path
    [T].
    """

    id: str
    lang: str
    phones: np.ndarray
    tokens: np.ndarray
    path: np.ndarray


def read_pairs(path: Path) -> list[Pair]:
    """What `main` wrote."""
    with np.load(path) as f:
        metas = json.loads(f["meta"].tobytes())
        phones = parts(f["phones"].astype(np.int64), f["phone_lengths"])
        tokens, paths = (parts(f[k].astype(np.int64), f["token_lengths"]) for k in ("tokens", "paths"))
    return [Pair(m["id"], m["lang"], *rest) for m, *rest in zip(metas, phones, tokens, paths, strict=True)]


def embed(u: Utterance, mean: np.ndarray, basis: np.ndarray, pitch_weight: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [(u.content.astype(np.float32) - mean) @ basis, relative_pitch(u) * pitch_weight], 1
    )


def nearest(x: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    return torch.cat(
        [(part @ centroids.T * 2 - centroids.square().sum(1)).argmax(1) for part in x.split(16384)]
    )


def k_means(x: torch.Tensor, size: int, rounds: int, seed: int = 0) -> torch.Tensor:
    """Centroids [size, D] of points [N, D]; an empty cell restarts at a random point."""
    generator = torch.Generator().manual_seed(seed)
    centroids = x[torch.randperm(len(x), generator=generator)[:size].to(x.device)].clone()
    for _ in range(rounds):
        cell = nearest(x, centroids)
        count = torch.bincount(cell, minlength=size)
        centroids = torch.zeros_like(centroids).index_add_(0, cell, x) / count.clamp_min(1)[:, None]
        empty = (count == 0).nonzero()[:, 0]
        centroids[empty] = x[torch.randint(len(x), (len(empty),), generator=generator).to(x.device)]
    return centroids


def discriminants(content: np.ndarray, phones: np.ndarray) -> np.ndarray:
    """Basis [512, COMPONENTS] of linear discriminant analysis (Fisher 1936), rarer phones weighted up.

    content: [N, 512] around zero; phones: [N], of which each says one.
    """
    within, between = np.zeros((512, 512)), np.zeros((512, 512))
    counts = np.bincount(phones)
    frequent = np.flatnonzero(counts >= FEWEST)
    weights = counts[frequent] ** 0.7 / (counts[frequent] ** 0.7).sum()
    for phone, weight in zip(frequent, weights, strict=True):
        mine = content[phones == phone]
        mean = mine.mean(0)
        within += np.cov(mine.T) * len(mine) / counts[frequent].sum()
        between += weight * np.outer(mean, mean)
    within += np.eye(512) * 0.05 * np.trace(within) / 512
    values, vectors = np.linalg.eigh(within)
    whiten = vectors * values**-0.5
    ratios, directions = np.linalg.eigh(whiten.T @ between @ whiten)
    ratios, directions = ratios[: -COMPONENTS - 1 : -1], directions[:, : -COMPONENTS - 1 : -1]
    return (whiten @ directions) * np.sqrt(ratios / (1 + ratios))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("features", type=Path)
    parser.add_argument("alignment", type=Path)
    parser.add_argument("codebook", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--pitch-weight", type=float, default=1.5)
    parser.add_argument("--voicing-weight", type=float, default=0.5)
    parser.add_argument(
        "--frames", type=int, default=400_000, help="tokens that the codebook is learned from"
    )
    parser.add_argument("--device", choices=DEVICES, default="auto")
    args = parser.parse_args()
    device = open_device(args.device)
    utterances = {u.meta["id"]: u for u in read(args.features)}
    with np.load(args.alignment) as f:
        metas = json.loads(f["meta"].tobytes())
        phones = parts(f["phones"], f["phone_lengths"])
        paths = parts(f["paths"], f["path_lengths"])
    if not args.codebook.exists():
        spoken = [(utterances[m["id"]], p[path]) for m, p, path in zip(metas, phones, paths, strict=True)]
        learn(args, spoken, device)
    codebook = Codebook(args.codebook, device)
    tokens = [codebook(utterances[m["id"]]).astype(np.int16) for m in metas]
    write(
        args.pairs,
        meta=np.frombuffer(json.dumps(metas).encode(), np.uint8),
        phones=np.concatenate(phones),
        phone_lengths=np.array([len(p) for p in phones]),
        tokens=np.concatenate(tokens),
        paths=np.concatenate([p[::2] for p in paths]),
        token_lengths=np.array([len(t) for t in tokens]),
    )


def learn(args: argparse.Namespace, spoken: list[tuple[Utterance, np.ndarray]], device: torch.device) -> None:
    """Fit the codebook to utterances and the phones [2 T] that they say."""
    rng = np.random.default_rng(0)
    chosen, total = [], 0
    for i in rng.permutation(len(spoken)):
        if total < args.frames:
            chosen.append(spoken[i])
            total += len(spoken[i][0].content)
    content = np.concatenate([u.content.astype(np.float32) for u, _ in chosen])
    mean = content.mean(0)
    said = np.concatenate([p.reshape(-1, 2) for _, p in chosen])
    pure = said[:, 0] == said[:, 1]
    basis = discriminants(content[pure] - mean, said[pure, 0])
    basis /= np.sqrt(np.square((content - mean) @ basis).mean(0).sum())
    pitch_weight = np.array([args.pitch_weight] * 2 + [args.voicing_weight] * 2, np.float32) * 0.5
    x = torch.from_numpy(
        np.concatenate([embed(u, mean, basis.astype(np.float32), pitch_weight) for u, _ in chosen])
    ).to(device)
    centroids = k_means(x, args.size, 25)
    cell = nearest(x, centroids)
    explained = 1 - (x - centroids[cell]).square().sum(0) / (x - x.mean(0)).square().sum(0)
    print(
        f"{len(x)} tokens; variance explained: first ten components {float(explained[:10].mean()):.3f}, all "
        f"{float(explained[:COMPONENTS].mean()):.3f}, pitch {float(explained[COMPONENTS:-2].mean()):.3f}",
        flush=True,
    )
    write(
        args.codebook,
        mean=mean,
        basis=basis.astype(np.float32),
        pitch_weight=pitch_weight,
        centroids=centroids.cpu().numpy(),
    )


if __name__ == "__main__":
    main()
