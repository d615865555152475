"""Aligns the phones of every transcribed utterance with its sound, and throws out what does not fit.

    python align.py FEATURES OUT.npz

A small network learns phones from content features by CTC (Graves et al. 2006), once over everything; Viterbi then finds
which phone is said when. The codebook is made to tell these phones apart, stage one's training uses them to guide a few
attention heads, and the engine's guard gets its durations. Utterances whose best path is unlikely have a wrong transcript
or a bad recording and are left out.
"""

import argparse
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from packed import Utterance, read, write
from runs import DEVICES, half, open_device
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.errors import TextError
from timbral.text import to_phones

PHONES = 732
BLANK = PHONES
WIDTH, LAYERS = 384, 4
NOISE = 0.1
"""Of the features while learning, as a share of their spread."""
GAPS, LONGEST_GAP = 2, 5
"""Stretches of an utterance that are not heard while learning; tokens of each at most."""
TOGETHER = 64
"""Utterances that are aligned at once at most."""


class Recogniser(nn.Module):
    """Content features [batch, T, 512] → log-probabilities of phones [batch, 2 T, 733] at 50 Hz."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv1d(512, WIDTH, 5, padding=2)
        self.more = nn.ModuleList(nn.Conv1d(WIDTH, WIDTH, 5, padding=2) for _ in range(LAYERS - 1))
        self.leave = nn.Linear(WIDTH, 2 * (PHONES + 1))

    def forward(self, content: Tensor) -> Tensor:
        x = F.gelu(self.enter(content.transpose(1, 2)))
        for layer in self.more:
            x = x + F.gelu(layer(F.dropout(x, 0.1, self.training)))
        y: Tensor = self.leave(x.transpose(1, 2))
        return y.unflatten(-1, (2, -1)).flatten(1, 2).float().log_softmax(-1)


def disturbed(content: Tensor) -> Tensor:
    """Noise on features [batch, T, 512], and gaps in each utterance: what is said is to be heard from all of it."""
    content = content + NOISE * content.std() * torch.randn_like(content)
    for row in content:
        for _ in range(GAPS):
            length = int(torch.randint(LONGEST_GAP + 1, ()))
            start = int(torch.randint(max(1, len(row) - length), ()))
            row[start : start + length] = 0
    return content


def spoken(u: Utterance) -> np.ndarray | None:
    """Phone ids of an utterance's transcript; None where there is none."""
    text, lang = u.meta["text"], u.meta["lang"]
    if not text or lang not in ("zh", "en", "ja") or u.meta["corpus"] == "cmn-syllables":
        return None
    if found := re.search(r"【(.+?)】", text):
        text = found[1]
    try:
        return to_phones(text, lang, reading="best").ids
    except TextError:
        return None


def viterbi(scores: Tensor, phones: list[np.ndarray]) -> list[tuple[np.ndarray, float]]:
    """Which phone each frame belongs to under CTC, blanks counted to the phone before, and the path's mean score.

    scores: log-probabilities [batch, F, 733] of utterances of F frames each; phones: of each utterance.
    """
    batch, frames, _ = scores.shape
    device, every = scores.device, torch.arange(batch)
    counts = torch.tensor([len(p) for p in phones])
    states = torch.full((batch, 2 * int(counts.max()) + 1), BLANK)
    for row, said in enumerate(phones):
        states[row, 1 : 2 * len(said) : 2] = torch.from_numpy(said.astype(np.int64))
    skip = torch.zeros(states.shape, dtype=torch.bool)
    skip[:, 3::2] = states[:, 3::2] != states[:, 1:-2:2]
    emit = scores.gather(2, states.to(device)[:, None].expand(-1, frames, -1)).transpose(0, 1)
    barred = torch.where(skip, 0.0, -torch.inf).to(device)
    # Two states that cannot be, on the left, so that a step from before the first one exists.
    best = torch.full((batch, states.shape[1] + 2), -torch.inf, device=device)
    best[:, 2:4] = emit[0, :, :2]
    back = torch.zeros(emit.shape, dtype=torch.int8, device=device)
    for t in range(1, frames):
        arrivals, back[t] = torch.stack([best[:, 2:], best[:, 1:-1], best[:, :-2] + barred]).max(0)
        best[:, 2:] = arrivals + emit[t]
    best, back = best[:, 2:].cpu(), back.cpu()
    last, before = best[every, 2 * counts], best[every, 2 * counts - 1]
    state = 2 * counts - (before > last).long()
    score = torch.maximum(last, before) / frames
    path = torch.zeros(batch, frames, dtype=torch.long)
    for t in range(frames - 1, -1, -1):
        path[:, t] = state
        state = state - back[t, every, state]
    path = torch.minimum(((path - 1) // 2).clamp_min(0), counts[:, None] - 1)
    return [(p, float(s)) for p, s in zip(path.numpy(), score, strict=True)]


def aligned(
    model: Recogniser, found: list[tuple[Utterance, np.ndarray]], device: torch.device
) -> Iterator[tuple[Utterance, np.ndarray, np.ndarray, float]]:
    """Each utterance with its phones, its path and that one's score; those of the same length are aligned together."""
    lengths = np.array([len(u.content) for u, _ in found])
    for length in np.unique(lengths):
        same = np.flatnonzero(lengths == length)
        for group in np.split(same, range(TOGETHER, len(same), TOGETHER)):
            content = np.stack([found[i][0].content for i in group])
            with torch.inference_mode():
                paths = viterbi(
                    model(torch.from_numpy(content).to(device).float()), [found[i][1] for i in group]
                )
            yield from ((*found[i], *path) for i, path in zip(group, paths, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("features", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    args = parser.parse_args()
    device = open_device(args.device)
    rng = np.random.default_rng(0)
    found = [
        (u, p) for u in read(args.features) if (p := spoken(u)) is not None and len(p) <= 1.8 * len(u.content)
    ]
    model = Recogniser().to(device)
    weights = args.out.with_suffix(".ctc.pt")
    if weights.exists():
        model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    began, step = time.time(), 0
    while (share := (time.time() - began) / 60 / args.minutes) < 1:
        chosen = [found[i] for i in rng.integers(0, len(found), 24)]
        content = nn.utils.rnn.pad_sequence(
            [torch.from_numpy(u.content.copy()) for u, _ in chosen], batch_first=True
        )
        with half(device):
            scores = model(disturbed(content.to(device).float()))
        loss = F.ctc_loss(
            scores.transpose(0, 1),
            torch.from_numpy(np.concatenate([p for _, p in chosen])).long().to(device),
            torch.tensor([2 * len(u.content) for u, _ in chosen]),
            torch.tensor([len(p) for _, p in chosen]),
            blank=BLANK,
            zero_infinity=True,
        )
        optimizer.param_groups[0]["lr"] = 2e-3 * (1 - share)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 100 == 0:
            print(step, round(float(loss), 3), flush=True)
    part = weights.with_suffix(".part")
    torch.save(model.cpu().state_dict(), part)
    part.replace(weights)
    model.to(device).eval()
    metas, phones, paths, dropped = [], [], [], 0
    for u, p, path, score in aligned(model, found, device):
        if score < -2.0:
            dropped += 1
            continue
        metas.append({"id": u.meta["id"], "lang": u.meta["lang"], "score": round(score, 3)})
        phones.append(p.astype(np.int16))
        paths.append(path.astype(np.int16))
    print(f"{len(metas)} aligned, {dropped} dropped", flush=True)
    write(
        args.out,
        meta=np.frombuffer(json.dumps(metas).encode(), np.uint8),
        phones=np.concatenate(phones),
        phone_lengths=np.array([len(p) for p in phones]),
        paths=np.concatenate(paths),
        path_lengths=np.array([len(p) for p in paths]),
    )


if __name__ == "__main__":
    main()
