"""Fine-tunes stage two of the embedded family to a speaker.

A few seconds tell who somebody is, a minute how their vowels are coloured; but a network that small forgets how to speak other
words while it learns from a minute. So half of each batch are tokens that stage one drew for other sentences: of them there is no
recording, and only who is heard (the speaker encoder's cosine) and what is heard (the content encoder's tokens) is compared. Both
encoders are the model's own, so nothing else has to be had. The timbre vector is trained along with the weights.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW

from timbral.audio import Audio
from timbral.errors import TrainingError
from timbral.nets.source_filter import LatentNet, SourceFilterVocoder
from timbral.nets.tiny_content import ReferenceEncoder
from timbral.training.adapters import add_low_rank, freeze, scale_low_rank
from timbral.training.order import bucketed, held_out
from timbral.training.settings import SourceFilterSettings
from timbral.training.source_filter_examples import Drawn, Heard, SourceFilterExample, crop
from timbral.training.source_filter_losses import Hearing, SpectralLoss
from timbral.training.task import Batch, Pass, Task

ACOUSTIC = "acoustic"
TIMBRE = "timbre"
_TIMBRE_SHARE = 5.0
"""Rate of the timbre vector, whose entries are larger than weights, as a share of theirs."""
_BUCKET = 1e9
"""Crops are of one length: there is nothing to sort."""
_TOGETHER = 8
"""Crops that are measured at once."""


class TunedNetwork(nn.Module):
    """Both halves of stage two, and the timbre [D] of the speaker."""

    def __init__(self, latent: LatentNet, vocoder: SourceFilterVocoder, timbre: Tensor) -> None:
        super().__init__()
        self.latent, self.vocoder = latent, vocoder
        self.timbre = nn.Parameter(timbre.clone())

    def forward(
        self, tokens: Tensor, f0: Tensor | None = None, phones: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Tokens [batch, T], F0 [batch, 4 T] in Hz or that which is predicted → samples [batch, n], predicted F0.

        phones: [batch, T, 2], what is spoken, where that is known; tokens then only move the melody.
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
        heard: Heard,
        drawn: Sequence[Drawn],
        settings: SourceFilterSettings,
    ) -> None:
        """drawn: tokens that stage one draws for sentences in general. The networks are changed.

        Raises TrainingError: no recording is left, a pattern of the settings fits nothing, patience without a measure.
        """
        self.network = TunedNetwork(latent, vocoder, heard.timbre)
        self.before = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.settings, self.heard, self.drawn = settings, heard, list(drawn)
        self.examples, self.kept = _usable(heard.examples, settings)
        if settings.method == "lora":
            add_low_rank(self.network, settings.targets, settings.rank, (TIMBRE,))
        else:
            freeze(self.network, settings.freeze)
        rate = vocoder.config.rate
        self.spectral, self.hearing = SpectralLoss(rate), Hearing(encoder, rate)
        others = [w for n, w in self.network.named_parameters() if w.requires_grad and n != TIMBRE]
        groups: list[dict[str, Any]] = [
            {"params": others},
            {"params": [self.network.timbre], "lr": _TIMBRE_SHARE},
        ]
        self.networks = {ACOUSTIC: self.network}
        self.optimizers = {ACOUSTIC: AdamW(groups, lr=1.0, betas=(0.9, 0.98), weight_decay=0.0)}

    def updates(self, epoch: int, size: int) -> list[list[int]]:
        lengths = [float(len(example.tokens)) for example in self.examples]
        return bucketed(lengths, size, _BUCKET, self.settings.seed, epoch, self.settings.least)

    def collate(self, examples: Sequence[int]) -> Batch:
        """Crops of the recordings, and as many of drawn tokens; what is shorter is repeated."""
        wanted = self.settings.tokens
        rows = []
        for number in examples:
            example = self.examples[number]
            rows.append(crop(example, _start(len(example.tokens), wanted), wanted))
        tokens, f0, voiced, samples = (torch.stack(part) for part in zip(*rows, strict=True))
        others = []
        for _ in examples:
            drawn = self.drawn[int(torch.randint(len(self.drawn), ()))]
            start = _start(len(drawn.tokens), wanted)
            at = torch.arange(start, start + wanted) % len(drawn.tokens)
            others.append((drawn.tokens[at], drawn.phones[at]))
        said, phones = (torch.stack(part) for part in zip(*others, strict=True))
        return {
            "tokens": tokens,
            "f0": f0,
            "voiced": voiced,
            "samples": samples,
            "drawn": said,
            "phones": phones,
        }

    def passes(self, batch: Batch) -> Iterator[Pass]:
        settings, tokens = self.settings, batch["tokens"]
        made, predicted = self.network(tokens, batch["f0"])
        free, _ = self.network(batch["drawn"], phones=batch["phones"])
        with torch.no_grad():
            before, _ = self.before.to(free.device)(batch["drawn"], phones=batch["phones"])
        octaves = (torch.log2(predicted) - torch.log2(batch["f0"])).abs() * batch["voiced"]
        both = torch.cat([made, free])
        hearing = self.hearing.to(both.device)
        logits = hearing.token_logits(both).flatten(0, 1)
        values = {
            "spectral": self.spectral.to(both.device)(made, batch["samples"]),
            "pitch": octaves.sum() / batch["voiced"].sum().clamp_min(1),
            "speaker": self._unlikeness(both),
            "content": F.cross_entropy(logits, torch.cat([tokens, batch["drawn"]]).flatten()),
            "articulation": F.l1_loss(hearing.articulation(free), hearing.articulation(before)),
        }
        loss = (
            settings.spectral_weight * values["spectral"]
            + settings.pitch_weight * values["pitch"]
            + settings.speaker_weight * values["speaker"]
            + settings.content_weight * values["content"]
            + settings.articulation_weight * values["articulation"]
        )
        yield Pass(ACOUSTIC, loss, values)

    def _unlikeness(self, made: Tensor) -> Tensor:
        """1 - cosine of who is heard in samples [batch, n] and the speaker, its mean."""
        likeness: Tensor = self.hearing.speaker(made) @ self.heard.speaker.to(made.device)
        return (1 - likeness).mean()

    @torch.no_grad()
    def conclude(self) -> None:
        """Goes a part of the way back to the weights that training began with (Wortsman et al. 2022)."""
        share, before = self.settings.strength, dict(self.before.named_parameters())
        for name, weight in self.network.named_parameters():
            if weight.requires_grad and name in before:
                weight.lerp_(before[name].to(weight), 1 - share)
        scale_low_rank(self.network, share)

    def validate(self) -> dict[str, float]:
        """Of all crops of the held-out recordings, in turn: how they sound and who is heard, weighted as in training."""
        settings, device = self.settings, self.network.timbre.device
        crops = [
            crop(example, start, settings.tokens)
            for example in self.kept
            for start in range(0, max(1, len(example.tokens) - settings.tokens + 1), settings.tokens)
        ]
        spectral = self.spectral.to(device)
        self.hearing.to(device)
        sums = torch.zeros(2)
        for first in range(0, len(crops), _TOGETHER):
            rows = crops[first : first + _TOGETHER]
            tokens, f0, _, samples = (torch.stack(part).to(device) for part in zip(*rows, strict=True))
            made, _ = self.network(tokens, f0)
            found = torch.stack([spectral(made, samples), self._unlikeness(made)])
            sums += found.float().cpu() * len(rows) / len(crops)
        if not crops:
            return {}
        sound, speaker = sums.tolist()
        total = settings.spectral_weight * sound + settings.speaker_weight * speaker
        return {"total": total, "spectral": sound, "speaker": speaker}

    def samples(self) -> dict[str, Audio]:
        device = self.network.timbre.device
        drawn = self.drawn[0]
        made, _ = self.network(drawn.tokens[None].to(device), phones=drawn.phones[None].to(device))
        return {"0": Audio(made[0].cpu().numpy(), self.network.vocoder.config.rate)}


def _start(length: int, wanted: int) -> int:
    return int(torch.randint(max(1, length - wanted + 1), ()))


def _usable(
    examples: Sequence[SourceFilterExample], settings: SourceFilterSettings
) -> tuple[list[SourceFilterExample], list[SourceFilterExample]]:
    """The examples of a length that the settings allow: those to train on, and those held out."""
    usable = [e for e in examples if settings.shortest <= e.seconds <= settings.longest]
    if not usable:
        raise TrainingError(
            f"none of {len(examples)} recordings has {settings.shortest:g} to {settings.longest:g} s; "
            "cut them, or change shortest and longest in the configuration"
        )
    trained, kept = held_out(len(usable), settings.held_out, settings.seed)
    if settings.patience and not kept:
        raise TrainingError(
            "patience needs recordings that are measured and not trained on; set held_out in the configuration, "
            f"with five recordings or more ({len(usable)} can be used), or leave patience out"
        )
    return [usable[i] for i in trained], [usable[i] for i in kept]
