"""Trains the content encoder of sovits-tiny: a reference recording to tokens and pitch, as the teachers hear them.

python train_content.py FEATURES CODEBOOK.npz RUN [--hours 0.3]       (resumes from RUN/last.pt)
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import soxr
import torch
from packed import SAMPLES_PER_TOKEN, read
from runs import Checkpoint, Curves, held_out
from tokens import Codebook
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.nets.tiny_content import ContentConfig, ContentEncoder

TOKENS = 75


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("features", type=Path)
    parser.add_argument("codebook", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--hours", type=float, default=0.3, help="stop after so much time in this call")
    parser.add_argument("--steps", type=int, default=4000, help="length of the learning-rate schedule")
    parser.add_argument("--rate", type=float, default=1e-3)
    args = parser.parse_args()
    args.run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    codebook, rng = Codebook(args.codebook), np.random.default_rng(int(time.time()))
    utterances = read(args.features)
    train, valid = held_out(utterances)
    model = ContentEncoder(ContentConfig(vocabulary=len(codebook.centroids)))
    optimizer = torch.optim.AdamW(model.parameters(), args.rate, betas=(0.9, 0.98))
    checkpoint = Checkpoint(args.run, model, optimizer)
    step, curves = checkpoint.resume(), Curves(args.run)

    def draw(indices: list[int], size: int) -> tuple[Tensor, ...]:
        rows = []
        for i in rng.choice(indices, size):
            u = utterances[i]
            start = int(rng.integers(0, max(1, len(u.content) - TOKENS + 1)))
            at = np.arange(start, start + TOKENS) % len(u.content)
            frames = (at[:, None] * 4 + np.arange(4)).ravel()
            audio = u.audio.reshape(-1, SAMPLES_PER_TOKEN)[at].ravel().astype(np.float32) / 32768
            low = soxr.resample(audio, 24_000, 16_000)
            # Rooms and microphones differ: noise from inaudible to 15 dB, and a tilted spectrum.
            low = low + rng.normal(0, low.std() * 10 ** (-rng.uniform(15, 60) / 20), len(low)).astype(
                np.float32
            )
            tilt = rng.uniform(-0.5, 0.5)
            low = low + np.float32(tilt) * np.r_[low[1:], low[-1:]]
            rows.append(
                (
                    low.astype(np.float32),
                    codebook(u).astype(np.int64)[at],
                    np.log2(u.f0[frames]),
                    u.voiced[frames].astype(np.float32),
                )
            )
        return tuple(torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True))

    def losses(indices: list[int], size: int) -> dict[str, Tensor]:
        audio, tokens, octaves, voiced = draw(indices, size)
        with torch.autocast("cpu", torch.bfloat16):
            logits, pitch, voicing = model(audio)
        logits = logits.float()
        wrong = ((pitch - octaves).abs() * voiced).sum() / voiced.sum()
        return {
            "tokens": F.cross_entropy(logits.flatten(0, 1), tokens.flatten()),
            "pitch": wrong,
            "voicing": F.binary_cross_entropy_with_logits(voicing.float(), voiced),
            "top1": (logits.argmax(-1) == tokens).float().mean(),
        }

    began = shown = time.time()
    while time.time() - began < args.hours * 3600 and step < args.steps:
        scale = min(1, step / 100) * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * step / args.steps)))
        optimizer.param_groups[0]["lr"] = float(args.rate * scale)
        found = losses(train, 12)
        loss = found["tokens"] + 3 * found["pitch"] + found["voicing"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
        step += 1
        if step % 50 == 0:
            seconds, shown = (time.time() - shown) / 50, time.time()
            curves.log(step, **{k: v.detach() for k, v in found.items()}, seconds=seconds)
        if step % 500 == 0:
            with torch.no_grad():
                curves.log(step, **{f"valid_{k}": v for k, v in losses(valid, 32).items()})
            checkpoint.save(step)
    checkpoint.save(step)
    (args.run / "config.json").write_text(json.dumps(vars(model.config)))


if __name__ == "__main__":
    main()
