"""Trains stage two of sovits-tiny: tokens, the phones that they speak, and timbre to sound.

    python train_acoustic.py FEATURES CODEBOOK.npz PAIRS.npz LISTENER RUN SITE_PACKAGES [--hours 1]    (resumes from RUN/last.pt)

Which phones a token speaks is told by the listener, as it will be in the engine; of utterances that nobody wrote down, nothing
is told. Some tokens are exchanged for others that sound alike, since stage one draws such, so that phones are listened to. The
decoder hears the recording's own pitch; a second output learns to predict it. Losses: log-mel and log-magnitude L1 at
several resolutions, pitch L1, the cosine of GE2E embeddings (who speaks), and the distance of Whisper's features, seen as
the tokens see them (what is said). For a part of every batch the timbre is that of another speaker: there is no recording
to compare with, so only the last two speak; this is what carries the voice over to speakers of whom nothing was recorded.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from align import PHONES
from packed import SAMPLES_PER_TOKEN, Utterance, read
from runs import Checkpoint, Curves, Ema, held_out
from teachers import WhisperEncoder
from tokens import Codebook, read_pairs
from torch import Tensor, nn

from timbral.engine.listener import Listener
from timbral.nets.source_filter import LatentNet, SourceFilterConfig, SourceFilterVocoder
from timbral.nets.tiny_timbre import SpeakerEncoder, TimbreEncoder
from timbral.training.source_filter_losses import SpeakerMel, SpectralLoss, magnitudes

TOKENS = 40
RATE = 24_000
CONTENT = 2.0
"""Weight of the distance of what is said."""
UNTOLD = 0.15
"""Share of the crops whose phones are not told."""
EXCHANGED, ALIKE = 0.15, 8
"""Share of the tokens that are exchanged, for one of so many that are nearest."""


class AcousticModel(nn.Module):
    """Both halves of stage two, as the training sees them."""

    def __init__(self, config: SourceFilterConfig) -> None:
        super().__init__()
        self.latent = LatentNet(config)
        self.vocoder = SourceFilterVocoder(config)

    def forward(
        self,
        tokens: Tensor,
        phones: Tensor,
        timbre: Tensor,
        f0: Tensor | None,
        phase: Tensor,
        noise: Tensor,
    ) -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            latent, predicted = self.latent(tokens, timbre, phones)
        source = predicted.detach() if f0 is None else f0
        step = (source + torch.cat([source[:, 1:], source[:, -1:]], 1)) * 0.5 * self.vocoder.config.hop / RATE
        phase = torch.remainder(phase[:, None] + torch.cumsum(step, 1) - step, 1.0)
        with torch.autocast("cpu", torch.bfloat16):
            harmonic, rough = self.vocoder.filters(latent, timbre, source)
        with torch.autocast("cpu", torch.bfloat16):
            return self.vocoder.render(
                harmonic.float(), rough.float(), source, phase, noise
            ).float(), predicted


class SpeakerLoss(nn.Module):
    """1 - cosine of the GE2E embedding of samples [batch, 1.6 s at 24 kHz] and given embeddings [batch, 256]."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.encoder = SpeakerEncoder()
        self.encoder.load_resemblyzer(weights)
        self.encoder.requires_grad_(False)
        self.mel = SpeakerMel(RATE)

    def forward(self, audio: Tensor, target: Tensor) -> Tensor:
        mel = self.mel(audio)[:, :160]
        with torch.autocast("cpu", torch.bfloat16):
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
        with torch.autocast("cpu", torch.bfloat16):
            heard = self.whisper(log)
        return (heard.float().unflatten(1, (-1, 2)).mean(2) - self.get_buffer("mean")) @ self.get_buffer(
            "basis"
        )

    def forward(self, audio: Tensor, target: Tensor) -> Tensor:
        return (self.features(audio) - target).square().sum(-1).mean()


def timbres(utterances: list[Utterance], cache: Path) -> np.ndarray:
    """Timbre vectors [N, 417] of all utterances, kept on disk."""
    import soxr

    known = dict(np.load(cache)) if cache.exists() else {}
    encoder, missing = TimbreEncoder(), [u for u in utterances if u.meta["id"] not in known]
    for u in missing:
        low = soxr.resample(u.audio.astype(np.float32) / 32768, RATE, 16_000)
        with torch.inference_mode():
            spectrum = encoder.spectrum(torch.from_numpy(low)[None])[0].numpy()
        known[u.meta["id"]] = np.concatenate([16 * u.speaker, spectrum, [u.mean_pitch]]).astype(np.float32)
    if missing:
        np.savez(cache, **known)
    return np.stack([known[u.meta["id"]] for u in utterances])


class Batches:
    """Random crops of random utterances; tokens are looked up once.

    spoken: which phones [T, 2] the tokens of an utterance speak, by its id. disturb: exchange tokens, keep phones back.
    """

    def __init__(
        self,
        utterances: list[Utterance],
        codebook: Codebook,
        timbre: np.ndarray,
        spoken: dict[str, np.ndarray],
        seed: int,
        *,
        disturb: bool,
    ) -> None:
        self.utterances, self.timbre, self.rng = utterances, timbre, np.random.default_rng(seed)
        self.tokens = [codebook(u).astype(np.int64) for u in utterances]
        self.phones = [
            spoken.get(u.meta["id"], np.full((len(t), 2), PHONES))
            for u, t in zip(utterances, self.tokens, strict=True)
        ]
        self.alike, self.disturb = codebook.alike(ALIKE), disturb
        self.f0 = [filled_pitch(u) for u in utterances]
        weight = np.array([min(200, len(t)) for t in self.tokens], np.float64) ** 0.7
        self.weight = weight / weight.sum()

    def draw(self, size: int) -> dict[str, Tensor]:
        rows: dict[str, list[np.ndarray]] = {
            k: [] for k in ("tokens", "phones", "audio", "f0", "voiced", "timbre", "speaker")
        }
        for i in self.rng.choice(len(self.utterances), size, p=self.weight):
            u, tokens = self.utterances[i], self.tokens[i]
            start = int(self.rng.integers(0, max(1, len(tokens) - TOKENS + 1)))
            at = np.arange(start, start + TOKENS) % len(tokens)
            frames = (at[:, None] * 4 + np.arange(4)).ravel()
            said, phones = tokens[at], self.phones[i][at]
            if self.disturb:
                other = self.alike[said, self.rng.integers(0, ALIKE, TOKENS)]
                said = np.where(self.rng.random(TOKENS) < EXCHANGED, other, said)
                if self.rng.random() < UNTOLD:
                    phones = np.full_like(phones, PHONES)
            rows["tokens"].append(said)
            rows["phones"].append(phones.astype(np.int64))
            rows["audio"].append(
                u.audio.reshape(-1, SAMPLES_PER_TOKEN)[at].ravel().astype(np.float32) / 32768
            )
            rows["f0"].append(self.f0[i][frames])
            rows["voiced"].append(u.voiced[frames].astype(np.float32))
            rows["timbre"].append(self.timbre[i])
            rows["speaker"].append(u.speaker)
        return {k: torch.from_numpy(np.stack(v)) for k, v in rows.items()}


def filled_pitch(u: Utterance) -> np.ndarray:
    """F0 [4 T] in Hz, carried over unvoiced stretches."""
    if not u.voiced.any():
        return np.full(len(u.f0), 2**u.mean_pitch, np.float32)
    at = np.flatnonzero(u.voiced)
    return np.exp(np.interp(np.arange(len(u.f0)), at, np.log(u.f0[at]))).clip(50, 700).astype(np.float32)


def octaves_off(pitch: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """Mean error of predicted F0 [batch, frames] in octaves, over the voiced frames."""
    octaves = (torch.log2(pitch) - torch.log2(batch["f0"])).abs() * batch["voiced"]
    return octaves.sum() / batch["voiced"].sum().clamp_min(1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("features", type=Path)
    parser.add_argument("codebook", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("listener", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("site_packages", type=Path, help="where the teachers are installed")
    parser.add_argument("--hours", type=float, default=1.0, help="stop after so much time in this call")
    parser.add_argument("--steps", type=int, default=20_000, help="length of the learning-rate schedule")
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument(
        "--swap", type=float, default=0.4, help="share of a batch that speaks with another speaker's timbre"
    )
    args = parser.parse_args()
    args.run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    utterances = read(args.features)
    timbre = timbres(utterances, args.run.parent / "timbres.npz")
    codebook = Codebook(args.codebook)
    train, valid = held_out(utterances)
    listener = Listener.open(args.listener)
    spoken = {
        pair.id: listener.spoken(pair.phones, pair.tokens).astype(np.int16) for pair in read_pairs(args.pairs)
    }
    batches = Batches(
        [utterances[i] for i in train], codebook, timbre[train], spoken, int(time.time()), disturb=True
    )
    check = Batches([utterances[i] for i in valid], codebook, timbre[valid], spoken, 0, disturb=False).draw(
        24
    )
    config = SourceFilterConfig(vocabulary=len(codebook.centroids), phonemes=PHONES)
    model = AcousticModel(config)
    ema = Ema(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate, betas=(0.9, 0.98), weight_decay=0.01)
    checkpoint = Checkpoint(args.run, model, optimizer, ema)
    step, curves = checkpoint.resume(), Curves(args.run)
    spectral, likeness = SpectralLoss(RATE), SpeakerLoss(args.site_packages / "resemblyzer/pretrained.pt")
    content = ContentLoss(args.site_packages, codebook)
    began, shown = time.time(), time.time()
    print(
        f"{len(train)} utterances, {sum(len(t) for t in batches.tokens) / 90000:.2f} h; context {config.context_tokens} tokens",
        flush=True,
    )
    while time.time() - began < args.hours * 3600 and step < args.steps:
        scale = min(1, step / 200) * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * step / args.steps)))
        for group in optimizer.param_groups:
            group["lr"] = float(args.rate * scale)
        b = batches.draw(args.batch)
        swapped = int(args.batch * args.swap)
        made, pitch = model(
            b["tokens"],
            b["phones"],
            b["timbre"],
            b["f0"],
            torch.rand(args.batch),
            torch.randn(args.batch, TOKENS * SAMPLES_PER_TOKEN),
        )
        mel, fine = spectral.parts(made, b["audio"])
        wrong = octaves_off(pitch, b)
        same = likeness(made[:4], b["speaker"][:4]).mean()
        with torch.no_grad():
            said = content.features(b["audio"])
        unlike = content(made, said)
        loss = mel + fine + 4 * wrong + same + CONTENT * unlike
        other = distorted = torch.zeros(())
        if swapped:
            # The timbre of someone else; pitch as predicted for them. No recording of this exists.
            order = torch.randperm(args.batch)[:swapped]
            target = torch.roll(b["speaker"], 1, 0)[order]
            strange, _ = model(
                b["tokens"][order],
                b["phones"][order],
                torch.roll(b["timbre"], 1, 0)[order],
                None,
                torch.rand(swapped),
                torch.randn(swapped, TOKENS * SAMPLES_PER_TOKEN),
            )
            other = likeness(strange, target).mean()
            distorted = content(strange, said[order])
            loss = loss + swapped / args.batch * (4 * other + CONTENT * distorted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        if torch.isfinite(norm):
            optimizer.step()
            ema.update(model, step)
        step += 1
        if step % 50 == 0:
            seconds, shown = (time.time() - shown) / 50, time.time()
            curves.log(
                step,
                mel=mel,
                fine=fine,
                pitch=wrong,
                speaker=same,
                other=other,
                content=unlike,
                distorted=distorted,
                norm=norm,
                seconds=seconds,
            )
        if step % 500 == 0:
            with ema.applied(model), torch.no_grad():
                made, pitch = model(
                    check["tokens"],
                    check["phones"],
                    check["timbre"],
                    check["f0"],
                    torch.zeros(24),
                    torch.randn(24, TOKENS * SAMPLES_PER_TOKEN),
                )
                mel, fine = spectral.parts(made, check["audio"])
                wrong = octaves_off(pitch, check)
                curves.log(
                    step,
                    valid_mel=mel,
                    valid_fine=fine,
                    valid_pitch=wrong,
                    valid_speaker=likeness(made, check["speaker"]).mean(),
                    valid_content=content(made, content.features(check["audio"])),
                )
            checkpoint.save(step)
    checkpoint.save(step)
    (args.run / "config.json").write_text(json.dumps(vars(config)))


if __name__ == "__main__":
    main()
