"""Fine-tuning of stage two of the embedded family to a speaker.

A small network that is trained on a minute of speech forgets other words. Half of each batch are therefore
tokens sampled from stage one for other sentences. They have no recording; only speaker embedding and content
tokens are compared, both computed by the encoders of the model. The timbre vector is trained together with
the weights.
"""

import copy
from collections.abc import Container, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW

from timbral.audio import Audio
from timbral.errors import TrainingError
from timbral.nets.content_encoder import ReferenceEncoder
from timbral.nets.source_filter import LatentNet, SourceFilterVocoder
from timbral.training.adapters import add_low_rank, freeze, scale_low_rank
from timbral.training.batch_sampler import batches_by_length, split_held_out
from timbral.training.sampled_tokens import SampledUtterance
from timbral.training.settings import SourceFilterSettings
from timbral.training.source_filter_examples import SourceFilterExample, SpeakerExamples, crop
from timbral.training.source_filter_losses import PerceptualFeatures, SpectralLoss
from timbral.training.task import Batch, LossStep, Task

ACOUSTIC = "acoustic"
TIMBRE = "timbre"
_TIMBRE_RATE = 5.0
"""Learning rate of the timbre vector, whose entries are larger than weights, relative to theirs."""
_BUCKET = 1e9
"""One bucket, as all crops have the same length."""
_VALIDATION_BATCH = 8


class SpeakerNetwork(nn.Module):
    """Both networks of stage two, and the timbre [D] of the speaker."""

    def __init__(self, latent: LatentNet, vocoder: SourceFilterVocoder, timbre: Tensor) -> None:
        super().__init__()
        self.latent, self.vocoder = latent, vocoder
        self.timbre = nn.Parameter(timbre.clone())

    def forward(
        self, tokens: Tensor, f0: Tensor | None = None, phones: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Tokens [batch, T] and F0 [batch, 4 T] in Hz, by default the predicted one → samples [batch, n],
        predicted F0.

        phones: [batch, T, 2], if known; tokens then affect F0 only.
        """
        config, rows = self.vocoder.config, len(tokens)
        timbre = self.timbre[None].expand(rows, -1)
        if phones is None:
            latent, predicted = self.latent(tokens, timbre)
        else:
            latent, predicted = self.latent.speak(tokens, timbre, phones)
        source = predicted.detach() if f0 is None else f0
        phase = self.vocoder.phase(source, torch.rand(rows, 1, device=tokens.device))
        noise = torch.randn(rows, source.shape[1] * config.hop, device=tokens.device)
        return self.vocoder(latent, timbre, source, phase, noise), predicted


class SourceFilterTask(Task):
    """Stage two and the recordings of a speaker."""

    result = ACOUSTIC

    def __init__(
        self,
        latent: LatentNet,
        vocoder: SourceFilterVocoder,
        encoder: ReferenceEncoder,
        speaker: SpeakerExamples,
        sampled: Sequence[SampledUtterance],
        settings: SourceFilterSettings,
        allowed: Container[str] | None = None,
    ) -> None:
        """latent, vocoder: modified in place. sampled: utterances of general sentences. allowed: as in
        `add_low_rank`.

        Raises TrainingError: no usable recording, a pattern matches nothing, patience without held-out
        recordings.
        """
        self.network = SpeakerNetwork(latent, vocoder, speaker.timbre)
        self.base = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.settings, self.speaker, self.sampled = settings, speaker.speaker, list(sampled)
        self.examples, self.held_out = _split(speaker.examples, settings)
        if settings.method == "lora":
            add_low_rank(self.network, settings.targets, settings.rank, (TIMBRE,), allowed)
        else:
            freeze(self.network, settings.freeze)
        rate = vocoder.config.rate
        self.spectral, self.perceptual = SpectralLoss(rate), PerceptualFeatures(encoder, rate)
        others = [w for n, w in self.network.named_parameters() if w.requires_grad and n != TIMBRE]
        groups: list[dict[str, Any]] = [
            {"params": others},
            {"params": [self.network.timbre], "lr": _TIMBRE_RATE},
        ]
        self.networks = {ACOUSTIC: self.network}
        self.optimizers = {ACOUSTIC: AdamW(groups, lr=1.0, betas=(0.9, 0.98), weight_decay=0.0)}

    def updates(self, epoch: int, size: int) -> list[list[int]]:
        lengths = [float(len(example.tokens)) for example in self.examples]
        return batches_by_length(lengths, size, _BUCKET, self.settings.seed, epoch, self.settings.least)

    def collate(self, examples: Sequence[int]) -> Batch:
        """Crops of recordings, and as many of sampled utterances."""
        wanted = self.settings.tokens
        rows = []
        for number in examples:
            example = self.examples[number]
            rows.append(crop(example, _random_start(len(example.tokens), wanted), wanted))
        tokens, f0, voiced, samples = (torch.stack(part) for part in zip(*rows, strict=True))
        others = []
        for _ in examples:
            utterance = self.sampled[int(torch.randint(len(self.sampled), ()))]
            start = _random_start(len(utterance.tokens), wanted)
            at = torch.arange(start, start + wanted) % len(utterance.tokens)
            others.append((utterance.tokens[at], utterance.phones[at]))
        sampled, phones = (torch.stack(part) for part in zip(*others, strict=True))
        return {
            "tokens": tokens,
            "f0": f0,
            "voiced": voiced,
            "samples": samples,
            "sampled": sampled,
            "phones": phones,
        }

    def loss_steps(self, batch: Batch) -> Iterator[LossStep]:
        settings, tokens = self.settings, batch["tokens"]
        resynthesized, predicted = self.network(tokens, batch["f0"])
        synthesized, _ = self.network(batch["sampled"], phones=batch["phones"])
        with torch.no_grad():
            base, _ = self.base.to(synthesized.device)(batch["sampled"], phones=batch["phones"])
        octaves = (torch.log2(predicted) - torch.log2(batch["f0"])).abs() * batch["voiced"]
        both = torch.cat([resynthesized, synthesized])
        perceptual = self.perceptual.to(both.device)
        logits = perceptual.token_logits(both).flatten(0, 1)
        values = {
            "spectral": self.spectral.to(both.device)(resynthesized, batch["samples"]),
            "pitch": octaves.sum() / batch["voiced"].sum().clamp_min(1),
            "speaker": self._speaker_distance(both),
            "content": F.cross_entropy(logits, torch.cat([tokens, batch["sampled"]]).flatten()),
            "articulation": F.l1_loss(perceptual.articulation(synthesized), perceptual.articulation(base)),
        }
        loss = (
            settings.spectral_weight * values["spectral"]
            + settings.pitch_weight * values["pitch"]
            + settings.speaker_weight * values["speaker"]
            + settings.content_weight * values["content"]
            + settings.articulation_weight * values["articulation"]
        )
        yield LossStep(ACOUSTIC, loss, values)

    def _speaker_distance(self, audio: Tensor) -> Tensor:
        """Mean of 1 - cosine of the embeddings of samples [batch, n] and of the speaker."""
        similarity: Tensor = self.perceptual.speaker(audio) @ self.speaker.to(audio.device)
        return (1 - similarity).mean()

    @torch.no_grad()
    def finalize(self) -> None:
        """Interpolates between the base weights and the trained ones (WiSE-FT, Wortsman et al. 2022)."""
        strength, base = self.settings.strength, dict(self.base.named_parameters())
        for name, weight in self.network.named_parameters():
            if weight.requires_grad and name in base:
                weight.lerp_(base[name].to(weight), 1 - strength)
        scale_low_rank(self.network, strength)

    def validate(self) -> dict[str, float]:
        """Weighted spectral and speaker losses of consecutive crops of the held-out recordings."""
        settings, device = self.settings, self.network.timbre.device
        crops = [
            crop(example, start, settings.tokens)
            for example in self.held_out
            for start in range(0, max(1, len(example.tokens) - settings.tokens + 1), settings.tokens)
        ]
        spectral = self.spectral.to(device)
        self.perceptual.to(device)
        sums = torch.zeros(2)
        for first in range(0, len(crops), _VALIDATION_BATCH):
            rows = crops[first : first + _VALIDATION_BATCH]
            tokens, f0, _, samples = (torch.stack(part).to(device) for part in zip(*rows, strict=True))
            audio, _ = self.network(tokens, f0)
            found = torch.stack([spectral(audio, samples), self._speaker_distance(audio)])
            sums += found.float().cpu() * len(rows) / len(crops)
        if not crops:
            return {}
        spectra, speaker = sums.tolist()
        total = settings.spectral_weight * spectra + settings.speaker_weight * speaker
        return {"total": total, "spectral": spectra, "speaker": speaker}

    def samples(self) -> dict[str, Audio]:
        device = self.network.timbre.device
        first = self.sampled[0]
        audio, _ = self.network(first.tokens[None].to(device), phones=first.phones[None].to(device))
        return {"0": Audio(audio[0].cpu().numpy(), self.network.vocoder.config.rate)}


def _random_start(length: int, wanted: int) -> int:
    return int(torch.randint(max(1, length - wanted + 1), ()))


def _split(
    examples: Sequence[SourceFilterExample], settings: SourceFilterSettings
) -> tuple[list[SourceFilterExample], list[SourceFilterExample]]:
    """Training and held-out examples of usable length."""
    usable = [e for e in examples if settings.shortest <= e.seconds <= settings.longest]
    if not usable:
        raise TrainingError(
            f"none of {len(examples)} recordings has {settings.shortest:g} to {settings.longest:g} s; "
            "cut them, or change shortest and longest in the configuration"
        )
    trained, held_out = split_held_out(len(usable), settings.held_out, settings.seed)
    if settings.patience and not held_out:
        raise TrainingError(
            "patience needs held-out recordings; set held_out in the configuration, "
            f"with five recordings or more ({len(usable)} can be used), or leave patience out"
        )
    return [usable[i] for i in trained], [usable[i] for i in held_out]
