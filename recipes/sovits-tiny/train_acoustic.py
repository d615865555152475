"""Trains stage two of sovits-tiny: tokens, the phones that they speak, and timbre to sound.

    python train_acoustic.py PACK RUN SITE_PACKAGES [--hours 1]    (resumes from RUN/last.pt)

Stage one draws tokens that are wrong here and there, and the text is never wrong. So that phones are listened to, many tokens are
those that stage one would have drawn (guesses.py), with the phones that the listener hears in them; others are exchanged for
tokens that sound alike, or not told at all: a part of the crops is spoken from phones alone. Some timbres are those of another
recording of the speaker, or of a worse one, since a reference is both. The decoder hears the recording's own pitch; a second
output learns to predict it.

Losses: L1 of the envelope and of the aperiodicity that envelopes.py found in the recordings, at their points, and of pitch; for a
part of every batch, which speaks again with the timbre of another speaker, the cosine of GE2E embeddings (who speaks) and the
distance of Whisper's features, seen as the tokens see them (what is said). With another's timbre there is no recording to
compare with, so only the last two speak; this is what carries the voice over to speakers of whom nothing was recorded. Half of
the other crops are of warped voices, and all of them are coloured, the timbre with them. From `--adversary-from` on, small
networks learn to tell the envelopes from those of recordings, and stage two to deceive them.

Spectra of the sound are not compared: a filter that is fitted to one draw of the noise has ripples, heard as distortion.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from adversary import Trial
from align import PHONES
from runs import DEVICES, Run, adamw, chance, half, open_device
from sounds import FRAMES, GUESSES, WARPED, Sounds
from teachers import WhisperEncoder
from tokens import Codebook
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.audio.mel_axis import MEL_CORNER
from timbral.nets.source_filter import (
    LatentNet,
    SourceFilterConfig,
    SourceFilterVocoder,
    envelope_frequencies,
)
from timbral.nets.timbre_encoder import BANDS, SPEAKER, SpeakerEncoder, band_centres
from timbral.training.source_filter_losses import SpeakerMel, magnitudes

TOKENS = 40
"""Of a crop at least: the speaker encoder needs 1.6 s."""
CHECKED = 24
"""Utterances that are held out for the curves."""
MEASURED = 250
"""Steps from one look at them to the next."""
RATE = 24_000
NOISY, LIKE, CONTENT, OTHER = 0.15, 0.8, 0.4, 1.0
"""Weights of aperiodicity, of who is heard, of what is said, and of both where another speaker's timbre speaks."""
WAVES = 5
"""Cosines over the mel axis that colour a crop."""
FLOOR, ODDS = -9.5, 6.0
"""Log magnitude below which all is silence, and the log odds beyond which a frame is all noise or has none."""
APERIODICITY = SourceFilterConfig().aperiodicity
AFAR, COLOURED = 0.5, 0.15
"""Share of the crops that are of warped voices, and the deviation of the cosines of a colour in nepers. Not of judged crops."""
BETWEEN = 0.5
"""Share of the other speakers' timbres that are mixed of two."""
BARE, SPOTTED, GUESSED, UNTOLD = 0.6, 0.35, 0.45, 0.1
"""Shares of the crops of which no token is told, of which some are not, whose tokens are guesses, and whose phones are not told.
Guesses are a share of those that are not bare; phones are told wherever some token is not."""
EXCHANGED, ALIKE = 0.15, 8
"""Share of the other tokens that are exchanged, for one of so many that are nearest."""
HIDDEN, BREAKS = 0.45, 0.16
"""Share of the stretches of tokens that are not told, and how often a stretch ends."""
MISLED = 0.7
"""Share of the guesses that come with the phones that are heard in them, and not with those of the recording."""
COMPANY = 0.4
"""How much rarer an utterance is drawn of whose speaker there are many: voices are fewer than sentences."""
WORSE, ANOTHER, SAME = 0.2, 0.2, 0.75
"""Share of the timbres that are heard in a worse recording, in another sentence; and the least cosine of that one's embedding."""


class AcousticModel(nn.Module):
    """Both halves of stage two, as the training sees them."""

    def __init__(self, config: SourceFilterConfig) -> None:
        super().__init__()
        self.latent = LatentNet(config)
        self.vocoder = SourceFilterVocoder(config)

    def forward(
        self, tokens: Tensor, phones: Tensor, timbre: Tensor, f0: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Envelope and aperiodicity side by side, [batch, F, points], and the F0 that is predicted, [batch, F]."""
        with half(tokens.device):
            latent, predicted = self.latent(tokens, timbre, phones)
            source = predicted.detach() if f0 is None else f0
            both = self.vocoder.envelope(latent, timbre, source)
        return torch.cat(both, 2).float(), predicted

    def sound(self, frames: Tensor, f0: Tensor) -> Tensor:
        """Samples [batch, n] of what `forward` returns; who and what is heard in them does not change F0."""
        f0 = f0.detach()
        device = f0.device
        phase = self.vocoder.phase(f0, torch.rand(len(f0), 1, device=device))
        noise = torch.randn(len(f0), f0.shape[1] * self.vocoder.config.hop, device=device)
        # In float32 there would be less noise in the sound; a GPU can afford it.
        with half(device, enabled=device.type == "cpu"):
            filters = self.vocoder.shaped(*split(frames))
            return self.vocoder.render(*filters, f0, phase, noise).float()


def split(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Envelope and aperiodicity."""
    return frames[..., :-APERIODICITY], frames[..., -APERIODICITY:]


def bounded(frames: Tensor) -> Tensor:
    """The same where it can be heard: silence is silence, and noise is noise."""
    envelope, aperiodicity = split(frames)
    return torch.cat([envelope.clamp_min(FLOOR), aperiodicity.clamp(-ODDS, ODDS)], -1)


class SpeakerLoss(nn.Module):
    """1 - cosine of the GE2E embedding of samples [batch, n at 24 kHz], 1.6 s or more, and given embeddings [batch, 256]."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.encoder = SpeakerEncoder()
        self.encoder.load_resemblyzer(weights)
        self.encoder.requires_grad_(False)
        self.mel = SpeakerMel(RATE)

    def forward(self, audio: Tensor, target: Tensor) -> Tensor:
        mel = self.mel(audio)
        # cuDNN has no LSTM in bfloat16 everywhere.
        with half(audio.device, enabled=audio.device.type == "cpu"):
            return 1 - (self.encoder.embed(mel).float() * target).sum(1)


class ContentLoss(nn.Module):
    """Squared distance of samples [batch, 960 T at 24 kHz] and target features [batch, T, D] where phones are told apart."""

    def __init__(self, site_packages: Path, codebook: Codebook) -> None:
        super().__init__()
        self.whisper = WhisperEncoder(site_packages).requires_grad_(False)
        self.register_buffer("mean", torch.from_numpy(codebook.mean))
        self.register_buffer("basis", torch.from_numpy(codebook.basis))

    def features(self, audio: Tensor) -> Tensor:
        """[batch, T, D]; the mel bands are those of 16 kHz, taken from windows of the same length and bins as wide."""
        power = magnitudes(audio, 600, 240)[:, :201, :-1].square() / 2.25
        log = (self.whisper.mel @ power).clamp_min(1e-10).log10()
        log = (torch.maximum(log, log.amax((1, 2), keepdim=True) - 8) + 4) / 4
        with half(audio.device):
            heard = self.whisper(log)
        return (heard.float().unflatten(1, (-1, 2)).mean(2) - self.get_buffer("mean")) @ self.get_buffer(
            "basis"
        )

    def forward(self, audio: Tensor, target: Tensor) -> Tensor:
        return (self.features(audio) - target).square().sum(-1).mean()


class Batches:
    """What a step learns from: random crops of random utterances, longer ones more often.

    The generator decides all that is drawn here; torch's own, which tokens are exchanged.
    """

    def __init__(self, sounds: Sounds, codebook: Codebook, tokens: int) -> None:
        self.sounds, self.tokens = sounds, tokens
        self.alike, self.untold = codebook.alike(ALIKE), len(codebook.centroids)
        share = np.minimum(200, sounds.lengths[sounds.train]) ** 0.7 / self._company() ** COMPANY
        self.shares = np.cumsum(share / share.sum())
        speakers: dict[tuple[str, str], list[int]] = {}
        for i in sounds.train:
            meta = sounds.metas[i]
            # A warped copy is a speaker of its own.
            if meta["speaker"] and not meta["id"].endswith("~"):
                speakers.setdefault((meta["corpus"], meta["speaker"]), []).append(int(i))
        self.others = {i: same for same in speakers.values() if len(same) > 1 for i in same}

    def _company(self) -> np.ndarray:
        """Utterances by the speaker of each one that is trained on."""
        metas = [self.sounds.metas[i] for i in self.sounds.train]
        names = [f"{meta['corpus']}/{meta['speaker']}" for meta in metas]
        _, place, counts = np.unique(names, return_inverse=True, return_counts=True)
        company: np.ndarray = counts[place]
        return company

    def draw(self, rng: np.random.Generator, size: int, judged: int) -> dict[str, Tensor]:
        """A batch to learn from, disturbed; so many of its rows are of recordings as they are."""
        sounds = self.sounds
        at = np.searchsorted(self.shares, rng.random(size)).clip(max=len(self.shares) - 1)
        chosen = sounds.train[at]
        batch = {
            **sounds.crops(chosen, self.tokens, rng),
            "timbre": self._timbre(chosen, rng),
            "speaker": sounds.vector("speaker", chosen),
        }
        own = torch.arange(size, device=sounds.device) < judged
        warped = torch.from_numpy(rng.random(size) < AFAR).to(sounds.device) & ~own
        shift = sounds.vector("warp", chosen) * warped[:, None]
        batch["f0"] = batch["f0"] * torch.exp2(shift)
        others = {
            "frames": batch.pop("warped"),
            **{name: sounds.vector(f"warped_{name}", chosen) for name in ("timbre", "speaker")},
        }
        for name, other in others.items():
            batch[name] = other.where(warped.view(-1, *[1] * (other.ndim - 1)), batch[name])
        self._colour(batch, ~own)
        self._disturb(batch)
        return batch

    def _colour(self, batch: dict[str, Tensor], chosen: Tensor) -> None:
        """Changes the spectrum of some rows as another microphone would, in the envelope and in the timbre."""
        size, device = len(chosen), chosen.device
        depth = COLOURED * torch.randn(size, WAVES, device=device) * chosen[:, None]
        phase = 2 * math.pi * torch.rand(size, WAVES, device=device)

        def curve(hertz: Tensor) -> Tensor:
            place = torch.log1p(hertz / MEL_CORNER) / math.log1p(RATE / 2 / MEL_CORNER)
            waves = torch.arange(1, WAVES + 1)[:, None] * place * math.pi
            return (depth[..., None] * torch.cos(waves.to(device) + phase[..., None])).sum(1)

        envelope, _ = split(batch["frames"])
        envelope += curve(envelope_frequencies(envelope.shape[2], RATE))[:, None]
        heard = curve(band_centres())
        batch["timbre"][:, SPEAKER : SPEAKER + BANDS] += heard - heard.mean(1, keepdim=True)

    def _disturb(self, batch: dict[str, Tensor]) -> None:
        """Tokens and phones as the engine would give them, or worse; guesses are taken out."""
        said, phones = batch["tokens"], batch["phones"]
        (size, length), device = said.shape, said.device

        def some(share: float) -> Tensor:
            return torch.rand(size, 1, device=device) < share

        alike = self.alike[said].gather(2, torch.randint_like(said, ALIKE)[..., None])[..., 0]
        tokens = torch.where(torch.rand(said.shape, device=device) < EXCHANGED, alike, said)
        if "guesses" in batch:
            guesses, misled, guessed = batch.pop("guesses"), batch.pop("misled"), some(GUESSED)
            one = torch.randint(guesses.shape[2], (size, 1, 1), device=device).expand(-1, length, 1)
            tokens = torch.where(guessed, guesses.gather(2, one)[..., 0], tokens)
            heard = misled.gather(2, one[..., None].expand(-1, -1, 1, 2))[:, :, 0]
            phones = torch.where((guessed & some(MISLED))[..., None], heard, phones)
        bare = some(BARE)
        known = phones[:, :1, 0] != PHONES
        hidden = (bare | (some(SPOTTED) & stretches(size, length, device))) & known
        batch["tokens"] = tokens.masked_fill(hidden, self.untold)
        untold = some(UNTOLD) & ~hidden.any(1, keepdim=True)
        batch["phones"] = phones.masked_fill(untold[..., None], PHONES)

    def held_out(self) -> dict[str, Tensor]:
        """A batch to measure by, always the same."""
        sounds, rng = self.sounds, chance(0)
        chosen = rng.choice(sounds.valid, CHECKED)
        return {
            **sounds.crops(chosen, TOKENS, rng),
            "timbre": sounds.vector("timbre", chosen),
            "speaker": sounds.vector("speaker", chosen),
        }

    def _timbre(self, chosen: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Of the utterances themselves, of worse recordings, of other sentences of the speaker; the mean pitch is their own."""
        clean, heard, speaker = (self.sounds.vectors[k] for k in ("timbre", "heard", "speaker"))
        timbre = clean[chosen]
        for row, (i, fate) in enumerate(zip(chosen.tolist(), rng.random(len(chosen)), strict=True)):
            if fate < WORSE:
                timbre[row] = heard[i]
            elif fate < WORSE + ANOTHER and i in self.others:
                other = int(rng.choice(self.others[i]))
                # What a list calls one speaker may be two.
                if speaker[i] @ speaker[other] > SAME:
                    timbre[row, :-1] = clean[other, :-1]
        return torch.from_numpy(timbre).to(self.sounds.device)


def stretches(rows: int, length: int, device: torch.device) -> Tensor:
    """Random stretches of each row, bool [rows, length], `HIDDEN` of them true."""
    number = (torch.rand(rows, length, device=device) < BREAKS).cumsum(1)
    return (torch.rand(rows, length + 1, device=device) < HIDDEN).gather(1, number)


def octaves_off(pitch: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """Mean error of predicted F0 [batch, frames] in octaves, over the voiced frames."""
    octaves = (torch.log2(pitch) - torch.log2(batch["f0"])).abs() * batch["voiced"]
    return octaves.sum() / batch["voiced"].sum().clamp_min(1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pack", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("site_packages", type=Path, help="where the teachers are installed")
    parser.add_argument("--hours", type=float, default=1.0, help="stop after so much time in this call")
    parser.add_argument("--steps", type=int, default=20_000, help="length of the learning-rate schedule")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=TOKENS, help=f"of a crop, 40 ms each, {TOKENS} or more")
    parser.add_argument("--rate", type=float, default=6e-4)
    parser.add_argument(
        "--judged",
        type=float,
        default=0.2,
        help="share of a batch of which is judged who speaks and what is said",
    )
    parser.add_argument("--adversary-from", type=int, metavar="STEP", help="never, if left out")
    parser.add_argument("--compile", action="store_true", help="compile the network, which takes a minute")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    args = parser.parse_args()
    if args.tokens < TOKENS:
        parser.error(f"--tokens must be {TOKENS} or more: the speaker encoder needs 1.6 s")
    device = open_device(args.device)
    torch.manual_seed(0)
    guesses = GUESSES if (args.pack / f"{GUESSES[-1]}.npy").exists() else ()
    sounds = Sounds(args.pack, device, *FRAMES, *WARPED, *guesses)
    codebook = Codebook(args.pack / "codebook.npz", device)
    batches = Batches(sounds, codebook, args.tokens)
    check = batches.held_out()
    config = SourceFilterConfig(vocabulary=batches.untold + 1, phonemes=PHONES)
    model = AcousticModel(config).to(device)
    begins = args.adversary_from
    trial = Trial(device, config.envelope, begins) if begins is not None else None
    run = Run(
        args.run,
        model,
        adamw(model.parameters(), args.rate, 0.01),
        steps=args.steps,
        rate=args.rate,
        warmup=200,
        clip=5.0,
        others={"adversary": trial.adversary, "adversary_optimizer": trial.optimizer} if trial else {},
    )
    (args.run / "config.json").write_text(json.dumps(vars(config)))
    likeness = SpeakerLoss(args.site_packages / "resemblyzer/pretrained.pt").to(device)
    content = ContentLoss(args.site_packages, codebook).to(device)
    speak = torch.compile(model) if args.compile else model
    print(f"{len(sounds.train)} utterances, {sounds.hours:.2f} h; on {device}", flush=True)
    judged = max(2, int(args.batch * args.judged))
    for step in run.steps(args.hours):
        b = batches.draw(chance(step), args.batch, judged)
        frames, pitch = speak(b["tokens"], b["phones"], b["timbre"], b["f0"])
        made = model.sound(frames[:judged], b["f0"][:judged])
        heard, recorded = bounded(frames), bounded(b["frames"])
        values = {
            **compared(heard, recorded),
            "pitch": octaves_off(pitch, b),
            "speaker": likeness(made, b["speaker"][:judged]).mean(),
        }
        with torch.no_grad():
            said = content.features(b["audio"][:judged])
        values["content"] = content(made, said)
        # The timbre of someone else; pitch as predicted for them. No recording of this exists.
        timbre, speaker = strangers(b, judged)
        strange = model.sound(*speak(b["tokens"][:judged], b["phones"][:judged], timbre, None))
        values["other"] = likeness(strange, speaker).mean()
        values["distorted"] = content(strange, said)
        near = values["envelope"] + NOISY * values["aperiodicity"]
        loss = (
            near
            + values["pitch"]
            + LIKE * (values["speaker"] + OTHER * values["other"])
            + CONTENT * (values["content"] + OTHER * values["distorted"])
        )
        if trial and step >= trial.begins:
            deceived, seen = trial.judge(step, run.learning_rate, heard, recorded, near)
            loss, values = loss + deceived, values | seen
        run.update(loss, **values)
        if run.is_due(MEASURED):
            with run.aside():
                run.log(**measured(model, batches, check, likeness, content))


def strangers(batch: dict[str, Tensor], count: int) -> tuple[Tensor, Tensor]:
    """Timbres and embeddings of the last rows; every second voice, as chance has it, is between two."""
    share = torch.rand(count, 1, device=batch["timbre"].device)
    share = torch.where(torch.rand_like(share) < BETWEEN, share, 0)
    timbre, speaker = (
        batch[name][-count:].lerp(batch[name][-2 * count : -count], share) for name in ("timbre", "speaker")
    )
    return timbre, F.normalize(speaker, dim=1)


def compared(frames: Tensor, recorded: Tensor) -> dict[str, Tensor]:
    """Mean absolute distance of envelopes, and of aperiodicities."""
    parts = zip(split(frames), split(recorded), strict=True)
    envelope, aperiodicity = (F.l1_loss(made, wanted) for made, wanted in parts)
    return {"envelope": envelope, "aperiodicity": aperiodicity}


def measured(
    model: AcousticModel,
    batches: Batches,
    check: dict[str, Tensor],
    likeness: SpeakerLoss,
    content: ContentLoss,
) -> dict[str, Tensor]:
    """How held-out crops are spoken with their own tokens and from phones alone."""
    told, pitch = model(check["tokens"], check["phones"], check["timbre"], check["f0"])
    untold = torch.full_like(check["tokens"], batches.untold)
    bare, _ = model(untold, check["phones"], check["timbre"], check["f0"])
    recorded = bounded(check["frames"])
    said, found = content.features(check["audio"]), {"valid_pitch": octaves_off(pitch, check)}
    for name, frames in (("valid", told), ("bare", bare)):
        made = model.sound(frames, check["f0"])
        found |= {
            f"{name}_envelope": compared(bounded(frames), recorded)["envelope"],
            f"{name}_speaker": likeness(made, check["speaker"]).mean(),
            f"{name}_content": content(made, said),
        }
    return found


if __name__ == "__main__":
    main()
