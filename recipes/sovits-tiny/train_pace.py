"""Trains the content encoder of sovits-tiny to notice how fast somebody speaks, without knowing the words.

    python train_pace.py PACK PAIRS.npz RUNS [--hours 0.3] [--base BUNDLE]       (resumes)

RUNS has the duration predictor (durations) and the content encoder (content), which stays as it is; the run
is RUNS/pace. From the encoder's features, a small network learns the seconds that the duration predictor gives to
what is said. Recordings are stretched and degraded at random, which does not change these seconds, so the
network learns to count sounds and not time.
"""

from pathlib import Path

import numpy as np
import torch
from align import PHONES
from augmentation import degraded
from base import base_content
from dataset import Utterances
from runs import SteppedTask, adamw, generator, is_held_out, learned, open_device, run, training_arguments
from tokens import read_pairs
from torch import Tensor
from torch.nn import functional as F
from train_durations import SHIPPED_PACE, TOKEN

from timbral.inference.alignment.durations import LONGEST_ONSET
from timbral.nets.content_encoder import FRAMES_PER_TOKEN, ContentConfig, ContentEncoder
from timbral.nets.durations import DurationPredictor
from timbral.nets.source_filter import SourceFilterConfig
from timbral.nets.timbre_encoder import RATE as ENCODER_RATE
from timbral.text.symbols import phone_ids
from timbral.training.source_filter_losses import resampled
from timbral.training.task import Batch

WIDTH = 48
"""Of the network."""
RATE = SourceFilterConfig().rate
SHORTEST, LONGEST = 25, 200
"""Tokens of an utterance."""
BATCH = 8
STRETCH = 0.45
"""Largest logarithm of the factor on the time."""
NOISE = 0.1
"""Standard deviation of the noise on the features."""
LITTLE = 0.1
"""Logarithms of ratios of time up to which the loss is quadratic."""
DOUBTFUL = 0.3
"""Distance of the logarithm of the pace from the median of its corpus at which a transcript is not trusted."""
SILENT = (",", ".", "!", "?", "…", "-")
"""Phones without a sound."""
CHECKED = 48
"""Held-out utterances for validation."""


def usual_seconds(runs: Path, pairs: Path) -> dict[str, float]:
    """Seconds that the duration predictor gives to each aligned utterance, without pauses and silence."""
    model = DurationPredictor(PHONES)
    model.load_state_dict(learned(runs / "durations"))
    model.eval()
    silent = phone_ids(SILENT, "v2")
    found = {}
    with torch.inference_mode():
        for pair in read_pairs(pairs):
            durations = (
                model(torch.from_numpy(pair.phones)[None], torch.tensor([SHIPPED_PACE]))[0].numpy().copy()
            )
            durations[0] = min(durations[0], LONGEST_ONSET)
            found[pair.id] = TOKEN * float(durations[~np.isin(pair.phones, silent)].sum())
    return found


class PaceTask(SteppedTask):
    """`UsualTime` over the features of a frozen content encoder."""

    def __init__(
        self, content: ContentEncoder, sounds: Utterances, usual: dict[str, float], steps: int
    ) -> None:
        assert content.usual is not None
        self.content, self.sounds = content.requires_grad_(False), sounds
        super().__init__(content.usual.requires_grad_(True), adamw(content.usual.parameters(), 0.02), steps)
        metas = sounds.metas
        self.usual = np.array([usual.get(meta["id"], 0.0) for meta in metas])
        fits = (self.usual > 0) & (sounds.lengths >= SHORTEST) & (sounds.lengths <= LONGEST)
        pace = np.log(TOKEN * sounds.lengths / self.usual.clip(0.1))
        corpora = np.array([meta["corpus"] for meta in metas])
        for corpus in np.unique(corpora[fits]):
            mine = corpora == corpus
            fits &= ~mine | (abs(pace - np.median(pace[mine & fits])) < DOUBTFUL)
        held_out = np.array([is_held_out(meta["id"]) for meta in metas])
        self.train, self.check = np.flatnonzero(fits & ~held_out), np.flatnonzero(fits & held_out)[:CHECKED]
        counts = {corpus: (corpora[self.train] == corpus).sum() for corpus in np.unique(corpora[self.train])}
        shares = np.array([counts[corpus] ** -0.5 for corpus in corpora[self.train]])
        self.shares = shares / shares.sum()

    def draw(self, step: int) -> Batch:
        rng = generator(step)
        chosen = rng.choice(self.train, BATCH, p=self.shares)
        stretch = np.exp(rng.uniform(-STRETCH, STRETCH, BATCH)).astype(np.float32)
        return self._batch(chosen, stretch)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        wrong = self._wrong(batch, degrade=True)
        loss = F.smooth_l1_loss(wrong, torch.zeros_like(wrong), beta=LITTLE)
        return loss, {"wrong": wrong.abs().mean()}

    def measure(self) -> dict[str, Tensor]:
        """Mean error of the logarithm of the pace, of recordings as they are."""
        groups = np.split(self.check, range(BATCH, len(self.check), BATCH)) if len(self.check) else []
        wrong = [
            self._wrong(self._batch(one, np.ones(len(one), np.float32)), degrade=False) for one in groups
        ]
        return {"wrong": torch.cat(wrong).abs().mean()} if wrong else {}

    def _batch(self, chosen: np.ndarray, stretch: np.ndarray) -> Batch:
        lengths = self.sounds.lengths[chosen]
        audio = np.zeros((len(chosen), lengths.max(), self.sounds.rows["audio"].shape[1]), np.int16)
        for row, (i, length) in enumerate(zip(chosen, lengths, strict=True)):
            start = self.sounds.starts[i]
            audio[row, :length] = self.sounds.rows["audio"][start : start + length].cpu().numpy()
        parts = {
            "audio": audio.reshape(len(chosen), -1).astype(np.float32) / 32768,
            "lengths": lengths,
            "stretch": stretch,
            "usual": self.usual[chosen].astype(np.float32),
        }
        return {name: torch.from_numpy(part).to(self.sounds.device) for name, part in parts.items()}

    def _wrong(self, batch: Batch, *, degrade: bool) -> Tensor:
        """Logarithms of estimated over usual seconds, [batch]."""
        found = []
        for audio, length, stretch, usual in zip(*batch.values(), strict=True):
            samples = resampled(audio[None, : int(length) * RATE // 25], RATE, ENCODER_RATE)
            if degrade:
                samples = degraded(samples, ENCODER_RATE)
            with torch.no_grad():
                mel = self.content.spectrum(samples)
                frames = round(float(stretch) * mel.shape[2] / FRAMES_PER_TOKEN) * FRAMES_PER_TOKEN
                features = self.content.features(F.interpolate(mel, frames, mode="linear"))
            if degrade:
                features = features + NOISE * torch.randn_like(features)
            found.append(torch.log(self.network(features).sum() / usual))
        return torch.stack(found)


def main() -> None:
    parser = training_arguments(__doc__, hours=0.5, steps=600, rate=2e-3)
    parser.add_argument("pack", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--base", type=Path, metavar="BUNDLE", help="the content encoder of this model")
    args = parser.parse_args()
    device = open_device(args.device)
    torch.manual_seed(0)
    weights = base_content(args.base) if args.base else learned(args.runs / "content")
    content = ContentEncoder(ContentConfig(vocabulary=len(weights["to_tokens.weight"]), usual=WIDTH))
    content.load_state_dict(weights, strict=False)
    sounds = Utterances(args.pack, device)
    usual = usual_seconds(args.runs, args.pairs)
    task = PaceTask(content.to(device).eval(), sounds, usual, args.steps)
    print(f"{len(task.train)} utterances; on {device}", flush=True)
    run(task, args.runs / "pace", args, warmup=20, clip=1.0)


if __name__ == "__main__":
    main()
