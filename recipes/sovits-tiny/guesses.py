"""Draws what stage one would say in place of each token of a recording, for stage two to learn from.

    python guesses.py PACK PAIRS.npz LISTENER RUNS/semantic

Stage one reads the phones and the recording's tokens up to each place, and draws the next one: tokens that are wrong in the way
that its own speech is. The listener then hears the phones in them, as the engine's does. PACK gets `guesses.npy` and `misled.npy`
(`sounds.GUESSES`); what nobody wrote down keeps its own tokens.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from runs import DEVICES, half, open_device
from sounds import Sounds
from tokens import Pair, read_pairs
from torch import Tensor
from train_semantic import padded, read_semantic

from timbral.inference.alignment.durations import halves
from timbral.inference.alignment.hmm_aligner import HmmAligner
from timbral.nets.semantic import SemanticTransformer

TEMPERATURES = (0.7, 0.7, 1.0, 1.0)
"""Of the draws."""
TOGETHER = 16
"""Utterances that are read at once."""


def guessed(model: SemanticTransformer, pairs: list[Pair], device: torch.device) -> list[Tensor]:
    """Tokens [T, G] for each utterance of T tokens."""
    phones, phone_lengths = padded([pair.phones for pair in pairs], left=True)
    tokens, lengths = padded([pair.tokens for pair in pairs])
    given = (rows.to(device) for rows in (phones, phone_lengths, tokens, lengths))
    with torch.inference_mode(), half(device):
        logits = model(*given)
    likely = logits.float()[..., : model.config.eos]
    draws = [
        torch.multinomial((likely / t).softmax(-1).flatten(0, 1), 1).view(likely.shape[:2])
        for t in TEMPERATURES
    ]
    return [
        torch.stack(rows, 1)[:length].cpu() for *rows, length in zip(*draws, lengths.tolist(), strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pack", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("listener", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    args = parser.parse_args()
    device = open_device(args.device)
    torch.manual_seed(0)
    sounds = Sounds(args.pack, torch.device("cpu"))
    model, listener = read_semantic(args.run).to(device).eval(), HmmAligner.open(args.listener)
    count = len(TEMPERATURES)
    guesses, misled = (sounds.rows[name].numpy()[:, None].repeat(count, 1) for name in ("tokens", "phones"))
    starts = {meta["id"]: int(start) for meta, start in zip(sounds.metas, sounds.starts, strict=True)}
    pairs = sorted(read_pairs(args.pairs), key=lambda pair: len(pair.phones) + len(pair.tokens))
    for first in range(0, len(pairs), TOGETHER):
        some = pairs[first : first + TOGETHER]
        for pair, tokens in zip(some, guessed(model, some, device), strict=True):
            here = slice(starts[pair.id], starts[pair.id] + len(tokens))
            guesses[here] = tokens
            for i, take in enumerate(tokens.T.numpy()):
                misled[here, i] = halves(pair.phones, listener.path(pair.phones, take))
        if first % (100 * TOGETHER) == 0:
            print(f"{first + len(some)} of {len(pairs)} utterances", flush=True)
    for name, rows in (("guesses", guesses), ("misled", misled)):
        part = args.pack / f"{name}.part"
        with part.open("wb") as file:
            np.save(file, rows)
        part.replace(args.pack / f"{name}.npy")
    same = (misled == sounds.rows["phones"].numpy()[:, None]).mean()
    print(f"phones heard in guesses where they are said: {same:.3f}")


if __name__ == "__main__":
    main()
