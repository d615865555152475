"""Trains the content encoder of sovits-tiny: a reference recording to tokens and pitch, as the teachers hear them.

    python train_content.py PACK RUN [--hours 0.3]       (resumes from RUN/last.pt)

The teachers heard clean speech; this network hears it in rooms and with noise.
"""

import argparse
import json
from pathlib import Path

import torch
from rooms import degraded
from runs import DEVICES, Run, adamw, chance, half, open_device
from sounds import Sounds
from tokens import Codebook
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.nets.content_encoder import ContentConfig, ContentEncoder
from timbral.nets.timbre_encoder import RATE as ENCODER_RATE
from timbral.training.source_filter_losses import resampled

RATE = 24_000
CHECKED, MEASURED = 32, 500
"""Utterances that are held out for the curves, and the steps from one look at them to the next."""


class Precise(nn.Module):
    """A module in float32 where the others are not: quiet bands of a spectrum drown in bfloat16."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        with half(x.device, enabled=False):
            heard: Tensor = self.inner(x.float())
        return heard


def losses(model: nn.Module, crops: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of crops as they are heard in a worse recording."""
    audio = degraded(resampled(crops["audio"], RATE, ENCODER_RATE), ENCODER_RATE)
    with half(audio.device):
        logits, pitch, voicing = model(audio)
    voiced = crops["voiced"]
    wrong = ((pitch.float() - torch.log2(crops["f0"])).abs() * voiced).sum() / voiced.sum().clamp_min(1)
    return {
        "tokens": F.cross_entropy(logits.float().flatten(0, 1), crops["tokens"].flatten()),
        "pitch": wrong,
        "voicing": F.binary_cross_entropy_with_logits(voicing.float(), voiced),
        "top1": (logits.argmax(-1) == crops["tokens"]).float().mean(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pack", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--hours", type=float, default=0.3, help="stop after so much time in this call")
    parser.add_argument("--steps", type=int, default=4000, help="length of the learning-rate schedule")
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=75, help="of a crop, 40 ms each")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--compile", action="store_true", help="compile the network, which takes a minute")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    args = parser.parse_args()
    device = open_device(args.device)
    torch.manual_seed(0)
    sounds, codebook = Sounds(args.pack, device), Codebook(args.pack / "codebook.npz", device)
    model = ContentEncoder(ContentConfig(vocabulary=len(codebook.centroids)))
    model.mel = Precise(model.mel)
    model.to(device)
    optimizer = adamw(model.parameters(), args.rate, 0.01)
    run = Run(
        args.run, model, optimizer, steps=args.steps, rate=args.rate, warmup=100, clip=2.0, averaged=False
    )
    (args.run / "config.json").write_text(json.dumps(vars(model.config)))
    hear = torch.compile(model) if args.compile else model
    rng = chance(0)
    check = sounds.crops(rng.choice(sounds.valid, CHECKED), args.tokens, rng)
    print(f"{len(sounds.train)} utterances, {sounds.hours:.2f} h; on {device}", flush=True)
    for step in run.steps(args.hours):
        rng = chance(step)
        crops = sounds.crops(rng.choice(sounds.train, args.batch), args.tokens, rng)
        found = losses(hear, crops)
        run.update(found["tokens"] + 3 * found["pitch"] + found["voicing"], **found)
        if run.is_due(MEASURED):
            with run.aside():
                run.log(**{f"valid_{k}": v for k, v in losses(model, check).items()})


if __name__ == "__main__":
    main()
