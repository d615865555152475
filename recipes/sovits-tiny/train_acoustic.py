"""Trains stage two of sovits-tiny: tokens, phones and timbre to audio.

    python train_acoustic.py PACK RUN SITE_PACKAGES [--hours 1] [--base BUNDLE]       (resumes)

Tokens sampled from stage one contain errors, while phones come from the text and are always right. So that
the network relies on phones, many tokens are sampled (sampled_tokens.py), exchanged or hidden
(acoustic_batches.py). Some timbres are those of another or of a degraded recording of the speaker. The
network gets the F0 of the recording; a second output learns to predict it.

Losses: L1 of envelope and aperiodicity (envelopes.py) and of F0; for a part of each batch, which is
synthesized with its own and with the timbre of another speaker, the cosine of GE2E embeddings and the
distance of content features. With another timbre there is no recording to compare with; this is what
generalises to unseen speakers. From `--adversary-from` on, discriminators of envelopes are trained
(discriminators.py). Spectra of the audio are not compared: a filter that is fitted to one sample of the noise
gets ripples, which are audible as distortion.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from acoustic_batches import MIN_TOKENS, Batches
from acoustic_losses import ContentLoss, SpeakerLoss, bounded, f0_error, frame_distances, split
from align import PHONES
from base import base_acoustic
from dataset import FRAMES, SAMPLED, WARPED, Utterances
from discriminators import RATE, EnvelopeDiscriminators, balanced_adversarial_loss
from runs import SteppedTask, adamw, generator, half, open_device, run, training_arguments
from tokens import Codebook
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.nets.source_filter import LatentNet, SourceFilterConfig, SourceFilterVocoder
from timbral.training.task import Batch, LossStep
from timbral.training.vits_losses import discriminator_loss

APERIODICITY_WEIGHT, SPEAKER_WEIGHT, CONTENT_WEIGHT, OTHER_TIMBRE = 0.15, 0.8, 0.4, 1.0
"""Weights of losses; the last one is a factor on speaker and content losses with another timbre."""
MIXED_SHARE = 0.5
"""Share of the other timbres that are mixed from two speakers."""
ADVERSARY = "adversary"


class AcousticModel(nn.Module):
    """Both networks of stage two."""

    def __init__(self, config: SourceFilterConfig) -> None:
        super().__init__()
        self.latent = LatentNet(config)
        self.vocoder = SourceFilterVocoder(config)

    def forward(
        self, tokens: Tensor, phones: Tensor, timbre: Tensor, f0: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Envelope and aperiodicity [batch, F, envelope + aperiodicity], and predicted F0 [batch, F]."""
        with half(tokens.device):
            latent, predicted = self.latent(tokens, timbre, phones)
            source = predicted.detach() if f0 is None else f0
            both = self.vocoder.envelope(latent, timbre, source)
        return torch.cat(both, 2).float(), predicted

    def audio(self, frames: Tensor, f0: Tensor) -> Tensor:
        """Samples [batch, n] of the output of `forward`, without a gradient for F0."""
        f0 = f0.detach()
        device = f0.device
        phase = self.vocoder.phase(f0, torch.rand(len(f0), 1, device=device))
        noise = torch.randn(len(f0), f0.shape[1] * self.vocoder.config.hop, device=device)
        # float32 is cleaner, and only a GPU is fast enough for it.
        with half(device, enabled=device.type == "cpu"):
            filters = self.vocoder.shaped(*split(frames))
            return self.vocoder.render(*filters, f0, phase, noise).float()


class AcousticTask(SteppedTask):
    """Stage two, with discriminators from step `args.adversary_from` on."""

    def __init__(
        self,
        model: AcousticModel,
        batches: Batches,
        speaker: SpeakerLoss,
        content: ContentLoss,
        args: argparse.Namespace,
    ) -> None:
        super().__init__(model, adamw(model.parameters(), 0.01), args.steps)
        self.batches, self.speaker, self.content = batches, speaker, content
        self.batch_size, self.synthesized = args.batch, max(2, int(args.batch * args.judged))
        self.check = batches.held_out()
        self.forward = torch.compile(model) if args.compile else model
        self.adversary_from = args.adversary_from
        if args.adversary_from is not None:
            adversary = EnvelopeDiscriminators(model.vocoder.config.envelope)
            self.networks = {**self.networks, ADVERSARY: adversary}
            optimizer = torch.optim.AdamW(
                adversary.parameters(), lr=RATE, betas=(0.8, 0.99), weight_decay=0.01
            )
            self.optimizers = {**self.optimizers, ADVERSARY: optimizer}

    def draw(self, step: int) -> Batch:
        batch = self.batches.draw(generator(step), self.batch_size, self.synthesized)
        return batch | {"step": torch.tensor(step)}

    def loss_steps(self, batch: Batch) -> Iterator[LossStep]:
        frames, f0 = self.forward(batch["tokens"], batch["phones"], batch["timbre"], batch["f0"])
        predicted, recorded = bounded(frames), bounded(batch["frames"])
        values = {**frame_distances(predicted, recorded), "pitch": f0_error(f0, batch)}
        distance = values["envelope"] + APERIODICITY_WEIGHT * values["aperiodicity"]
        values |= self._synthesis_losses(batch, frames)
        loss = (
            distance
            + values["pitch"]
            + SPEAKER_WEIGHT * (values["speaker"] + OTHER_TIMBRE * values["other_speaker"])
            + CONTENT_WEIGHT * (values["content"] + OTHER_TIMBRE * values["other_content"])
        )
        steps = -1 if self.adversary_from is None else int(batch["step"]) - self.adversary_from
        if steps >= 0:
            adversary = self.networks[ADVERSARY]
            judged = discriminator_loss(adversary(recorded), adversary(predicted.detach()))
            yield LossStep(ADVERSARY, judged, {"discriminator": judged})
            adversarial, more = balanced_adversarial_loss(adversary, predicted, recorded, distance, steps)
            loss, values = loss + adversarial, values | more
        yield LossStep(self.result, loss, values)

    def _synthesis_losses(self, batch: Batch, frames: Tensor) -> dict[str, Tensor]:
        """Speaker and content losses of the first rows, with their own timbre and with another one."""
        count = self.synthesized
        audio = self.network.audio(frames[:count], batch["f0"][:count])
        with torch.no_grad():
            content = self.content.features(batch["audio"][:count])
        timbre, speaker = other_timbres(batch, count)
        other = self.network.audio(
            *self.forward(batch["tokens"][:count], batch["phones"][:count], timbre, None)
        )
        return {
            "speaker": self.speaker(audio, batch["speaker"][:count]).mean(),
            "content": self.content(audio, content),
            "other_speaker": self.speaker(other, speaker).mean(),
            "other_content": self.content(other, content),
        }

    def measure(self) -> dict[str, Tensor]:
        """Losses with the tokens of the recordings, and with phones alone."""
        check, model = self.check, self.network
        predicted, f0 = model(check["tokens"], check["phones"], check["timbre"], check["f0"])
        unknown = torch.full_like(check["tokens"], self.batches.unknown_token)
        bare, _ = model(unknown, check["phones"], check["timbre"], check["f0"])
        content = self.content.features(check["audio"])
        found: dict[str, Tensor] = {}
        for name, frames in (("", predicted), ("bare_", bare)):
            audio = model.audio(frames, check["f0"])
            distances = frame_distances(bounded(frames), bounded(check["frames"]))
            found |= {
                f"{name}envelope": distances["envelope"],
                f"{name}speaker": self.speaker(audio, check["speaker"]).mean(),
                f"{name}content": self.content(audio, content),
            }
        return found | {"pitch": f0_error(f0, check)}


def other_timbres(batch: Batch, count: int) -> tuple[Tensor, Tensor]:
    """Timbres and embeddings of the last rows; some are mixed from two speakers."""
    share = torch.rand(count, 1, device=batch["timbre"].device)
    share = torch.where(torch.rand_like(share) < MIXED_SHARE, share, 0)
    timbre, speaker = (
        batch[name][-count:].lerp(batch[name][-2 * count : -count], share) for name in ("timbre", "speaker")
    )
    return timbre, F.normalize(speaker, dim=1)


def main() -> None:
    parser = training_arguments(__doc__, hours=1.0, steps=20_000, rate=6e-4)
    parser.add_argument("pack", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("site_packages", type=Path, help="where the teachers are installed")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument(
        "--tokens", type=int, default=MIN_TOKENS, help=f"of a crop, 40 ms each, {MIN_TOKENS} or more"
    )
    parser.add_argument(
        "--judged", type=float, default=0.2, help="share of a batch with speaker and content losses"
    )
    parser.add_argument("--adversary-from", type=int, metavar="STEP", help="never, if left out")
    parser.add_argument("--base", type=Path, metavar="BUNDLE", help="begin with the weights of this model")
    parser.add_argument("--compile", action="store_true", help="compile the network, which takes a minute")
    args = parser.parse_args()
    if args.tokens < MIN_TOKENS:
        parser.error(f"--tokens must be {MIN_TOKENS} or more: the speaker encoder needs 1.6 s")
    device = open_device(args.device)
    torch.manual_seed(0)
    sampled = SAMPLED if (args.pack / f"{SAMPLED[-1]}.npy").exists() else ()
    utterances = Utterances(args.pack, device, *FRAMES, *WARPED, *sampled)
    codebook = Codebook(args.pack / "codebook.npz", device)
    batches = Batches(utterances, codebook, args.tokens)
    model = AcousticModel(SourceFilterConfig(vocabulary=batches.unknown_token + 1, phonemes=PHONES))
    if args.base:
        model.load_state_dict(base_acoustic(args.base))
    speaker = SpeakerLoss(args.site_packages / "resemblyzer/pretrained.pt").to(device)
    content = ContentLoss(args.site_packages, codebook).to(device)
    print(f"{len(utterances.train)} utterances, {utterances.hours:.2f} h; on {device}", flush=True)
    task = AcousticTask(model, batches, speaker, content, args)
    run(task, args.run, args, warmup=200, clip=5.0)


if __name__ == "__main__":
    main()
