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
from pathlib import Path

import numpy as np
import torch
from packed import Utterance, read
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.errors import TextError
from timbral.text import to_phones

PHONES = 732
BLANK = PHONES


class Recogniser(nn.Module):
    """Content features [batch, T, 512] → log-probabilities of phones [batch, 2 T, 733] at 50 Hz."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv1d(512, 256, 5, padding=2)
        self.more = nn.Conv1d(256, 256, 5, padding=2)
        self.leave = nn.Linear(256, 2 * (PHONES + 1))

    def forward(self, content: Tensor) -> Tensor:
        x = F.gelu(self.enter(content.transpose(1, 2)))
        x = x + F.gelu(self.more(F.dropout(x, 0.1, self.training)))
        y: Tensor = self.leave(x.transpose(1, 2))
        return y.unflatten(-1, (2, -1)).flatten(1, 2).float().log_softmax(-1)


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


def viterbi(scores: np.ndarray, phones: np.ndarray) -> tuple[np.ndarray, float]:
    """Which phone each of [F] frames belongs to under CTC, blanks counted to the phone before; and the path's mean score."""
    states = np.full(2 * len(phones) + 1, BLANK)
    states[1::2] = phones
    emit = scores[:, states]
    skip = np.zeros(len(states), bool)
    skip[3::2] = phones[1:] != phones[:-1]
    best = np.full(len(states), -np.inf)
    best[:2] = emit[0, :2]
    back = np.zeros((len(scores), len(states)), np.int8)
    for t in range(1, len(scores)):
        options = np.stack(
            [best, np.r_[-np.inf, best[:-1]], np.where(skip, np.r_[-np.inf, -np.inf, best[:-2]], -np.inf)]
        )
        back[t] = options.argmax(0)
        best = options.max(0) + emit[t]
    state = int(len(states) - 1 - (best[-2] > best[-1]))
    score, path = float(best[state]) / len(scores), np.zeros(len(scores), np.int32)
    for t in range(len(scores) - 1, -1, -1):
        path[t] = state
        state -= int(back[t, state])
    return np.clip((path - 1) // 2, 0, len(phones) - 1), score


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("features", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=4)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    found = [
        (u, p) for u in read(args.features) if (p := spoken(u)) is not None and len(p) <= 1.8 * len(u.content)
    ]
    model = Recogniser()
    weights = args.out.with_suffix(".ctc.pt")
    if weights.exists():
        model.load_state_dict(torch.load(weights, weights_only=True))
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    began, step = time.time(), 0
    while (share := (time.time() - began) / 60 / args.minutes) < 1:
        chosen = [found[i] for i in rng.integers(0, len(found), 24)]
        content = nn.utils.rnn.pad_sequence(
            [torch.from_numpy(u.content.astype(np.float32)) for u, _ in chosen], batch_first=True
        )
        with torch.autocast("cpu", torch.bfloat16):
            scores = model(content)
        loss = F.ctc_loss(
            scores.transpose(0, 1),
            torch.from_numpy(np.concatenate([p for _, p in chosen])).long(),
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
    torch.save(model.state_dict(), weights)
    model.eval()
    metas, phones, paths, dropped = [], [], [], 0
    for u, p in found:
        with torch.inference_mode():
            scores = model(torch.from_numpy(u.content.astype(np.float32))[None])[0].numpy()
        path, score = viterbi(scores, np.asarray(p))
        if score < -2.0:
            dropped += 1
            continue
        metas.append({"id": u.meta["id"], "lang": u.meta["lang"], "score": round(score, 3)})
        phones.append(np.asarray(p, np.int16))
        paths.append(path.astype(np.int16))
    print(f"{len(metas)} aligned, {dropped} dropped", flush=True)
    np.savez(
        args.out,
        meta=np.frombuffer(json.dumps(metas).encode(), np.uint8),
        phones=np.concatenate(phones),
        phone_lengths=np.array([len(p) for p in phones]),
        paths=np.concatenate(paths),
        path_lengths=np.array([len(p) for p in paths]),
    )


if __name__ == "__main__":
    main()
