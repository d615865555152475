"""Trains the content encoder of sovits-tiny, which distils the teachers: a recording to tokens and F0.

    python train_content.py PACK RUN [--hours 0.3] [--base BUNDLE]       (resumes)

The teachers got clean speech; this network gets it with reverberation and noise.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from augmentation import degraded
from base import base_content
from dataset import Utterances
from runs import SteppedTask, adamw, generator, half, open_device, run, training_arguments
from tokens import Codebook
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.nets.content_encoder import ContentConfig, ContentEncoder
from timbral.nets.source_filter import SourceFilterConfig
from timbral.nets.timbre_encoder import RATE as ENCODER_RATE
from timbral.training.source_filter_losses import resampled
from timbral.training.task import Batch

RATE = SourceFilterConfig().rate
CHECKED = 32
"""Held-out utterances for validation."""


class Float32(nn.Module):
    """A module without autocast, as bfloat16 is too coarse for the quiet bands of spectra."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        with half(x.device, enabled=False):
            found: Tensor = self.inner(x.float())
        return found


def losses(model: nn.Module, crops: Batch) -> dict[str, Tensor]:
    """Losses of degraded crops."""
    audio = degraded(resampled(crops["audio"], RATE, ENCODER_RATE), ENCODER_RATE)
    with half(audio.device):
        logits, pitch, voicing = model(audio)
    voiced = crops["voiced"]
    octaves = ((pitch.float() - torch.log2(crops["f0"])).abs() * voiced).sum() / voiced.sum().clamp_min(1)
    return {
        "tokens": F.cross_entropy(logits.float().flatten(0, 1), crops["tokens"].flatten()),
        "pitch": octaves,
        "voicing": F.binary_cross_entropy_with_logits(voicing.float(), voiced),
        "top1": (logits.argmax(-1) == crops["tokens"]).float().mean(),
    }


class ContentTask(SteppedTask):
    """The content encoder, trained on random crops."""

    validate_every = 500

    def __init__(self, model: ContentEncoder, sounds: Utterances, args: argparse.Namespace) -> None:
        super().__init__(model, adamw(model.parameters(), 0.01), args.steps)
        self.sounds, self.batch, self.tokens = sounds, args.batch, args.tokens
        self.check = self._crops(sounds.valid, CHECKED, generator(0))
        self.forward = torch.compile(model) if args.compile else model

    def draw(self, step: int) -> Batch:
        return self._crops(self.sounds.train, self.batch, generator(step))

    def _crops(self, utterances: np.ndarray, count: int, rng: np.random.Generator) -> Batch:
        return self.sounds.crops(rng.choice(utterances, count), self.tokens, rng)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        found = losses(self.forward, batch)
        return found["tokens"] + 3 * found["pitch"] + found["voicing"], found

    def measure(self) -> dict[str, Tensor]:
        return losses(self.network, self.check)


def main() -> None:
    parser = training_arguments(__doc__, hours=0.3, steps=4000, rate=1e-3)
    parser.add_argument("pack", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=75, help="of a crop, 40 ms each")
    parser.add_argument("--base", type=Path, metavar="BUNDLE", help="begin with the weights of this model")
    parser.add_argument("--compile", action="store_true", help="compile the network, which takes a minute")
    args = parser.parse_args()
    device = open_device(args.device)
    torch.manual_seed(0)
    codebook = Codebook(args.pack / "codebook.npz", device)
    model = ContentEncoder(ContentConfig(vocabulary=len(codebook.centroids)))
    if args.base:
        model.load_state_dict(base_content(args.base))
    model.mel = Float32(model.mel)
    sounds = Utterances(args.pack, device)
    print(f"{len(sounds.train)} utterances, {sounds.hours:.2f} h; on {device}", flush=True)
    run(ContentTask(model, sounds, args), args.run, args, warmup=100, clip=2.0, ema=0.0)


if __name__ == "__main__":
    main()
