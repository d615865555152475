"""Samples tokens from stage one in place of each token of a recording, for the training of stage two.

    python sampled_tokens.py PACK PAIRS.npz ALIGNER RUNS/semantic

Stage one predicts each token from the phones and the recorded tokens before it (teacher forcing), so the
samples have its typical errors. The aligner assigns phones to them as at inference. PACK gets
`dataset.SAMPLED`; utterances without a transcript keep their tokens.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from align import PHONES
from dataset import SAMPLED, Utterances
from runs import DEVICES, half, open_device
from tokens import Pair, read_pairs
from torch import Tensor
from train_semantic import padded, read_semantic

from timbral.inference.alignment.durations import halves
from timbral.inference.alignment.hmm_aligner import HmmAligner
from timbral.nets.semantic import SemanticTransformer

TEMPERATURES = (0.7, 0.7, 1.0, 1.0)
"""Of the samples of each token."""
BATCH = 16
"""Utterances per batch."""


def sample(model: SemanticTransformer, pairs: list[Pair], device: torch.device) -> list[Tensor]:
    """Sampled tokens [T, G] for each utterance of T tokens."""
    phones, phone_lengths = padded([pair.phones for pair in pairs], left=True)
    tokens, lengths = padded([pair.tokens for pair in pairs])
    given = (rows.to(device) for rows in (phones, phone_lengths, tokens, lengths))
    with torch.inference_mode(), half(device):
        logits = model(*given)
    likely = logits.float()[..., : model.config.eos]
    samples = [
        torch.multinomial((likely / t).softmax(-1).flatten(0, 1), 1).view(likely.shape[:2])
        for t in TEMPERATURES
    ]
    return [
        torch.stack(rows, 1)[:length].cpu() for *rows, length in zip(*samples, lengths.tolist(), strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pack", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("aligner", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    args = parser.parse_args()
    device = open_device(args.device)
    torch.manual_seed(0)
    utterances = Utterances(args.pack, torch.device("cpu"))
    model = read_semantic(args.run).to(device).eval()
    aligner = HmmAligner.open(args.aligner, PHONES, model.config.vocabulary)
    count = len(TEMPERATURES)
    sampled, found = (
        utterances.rows[name].numpy()[:, None].repeat(count, 1) for name in ("tokens", "phones")
    )
    starts = {meta["id"]: int(start) for meta, start in zip(utterances.metas, utterances.starts, strict=True)}
    pairs = sorted(read_pairs(args.pairs), key=lambda pair: len(pair.phones) + len(pair.tokens))
    for first in range(0, len(pairs), BATCH):
        some = pairs[first : first + BATCH]
        for pair, tokens in zip(some, sample(model, some, device), strict=True):
            here = slice(starts[pair.id], starts[pair.id] + len(tokens))
            sampled[here] = tokens
            for i, one in enumerate(tokens.T.numpy()):
                found[here, i] = halves(pair.phones, aligner.path(pair.phones, one))
        if first % (100 * BATCH) == 0:
            print(f"{first + len(some)} of {len(pairs)} utterances", flush=True)
    for name, rows in zip(SAMPLED, (sampled, found), strict=True):
        part = args.pack / f"{name}.part"
        with part.open("wb") as file:
            np.save(file, rows)
        part.replace(args.pack / f"{name}.npy")
    same = (found == utterances.rows["phones"].numpy()[:, None]).mean()
    print(f"phones aligned with sampled tokens as with the recorded ones: {same:.3f}")


if __name__ == "__main__":
    main()
