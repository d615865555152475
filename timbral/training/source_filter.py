"""Fine-tunes stage two of the embedded family to a speaker.

A few seconds tell who somebody is, a minute how their vowels are coloured; but a network that small forgets how to speak other
words while it learns from a minute. So half of each batch are tokens that stage one drew for other sentences: of them there is no
recording, and only who is heard (the speaker encoder's cosine) and what is heard (the content encoder's tokens) is compared. Both
encoders are the model's own, so nothing else has to be had. The timbre vector is trained along with the weights.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW

from timbral.audio import Audio
from timbral.nets.source_filter import LatentNet, SourceFilterVocoder
from timbral.nets.tiny_content import ReferenceEncoder
from timbral.training.adapters import add_low_rank
from timbral.training.order import bucketed
from timbral.training.settings import SourceFilterSettings
from timbral.training.source_filter_examples import Heard, crop
from timbral.training.source_filter_losses import Hearing, SpectralLoss
from timbral.training.task import Batch, Pass, Task

ACOUSTIC = "acoustic"
TIMBRE = "timbre"
_TIMBRE_SHARE = 5.0
"""Rate of the timbre vector, whose entries are larger than weights, as a share of theirs."""
_BUCKET = 1e9
"""Crops are of one length: there is nothing to sort."""


class TunedNetwork(nn.Module):
    """Both halves of stage two, and the timbre [D] of the speaker."""

    def __init__(self, latent: LatentNet, vocoder: SourceFilterVocoder, timbre: Tensor) -> None:
        super().__init__()
        self.latent, self.vocoder = latent, vocoder
        self.timbre = nn.Parameter(timbre.clone())

    def forward(self, tokens: Tensor, f0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Tokens [batch, T], F0 [batch, 4 T] in Hz or that which is predicted → samples [batch, n], predicted F0."""
        config, rows = self.vocoder.config, len(tokens)
        timbre = self.timbre[None].expand(rows, -1)
        latent, predicted = self.latent(tokens, timbre)
        source = predicted.detach() if f0 is None else f0
        following = torch.cat([source[:, 1:], source[:, -1:]], 1)
        cycles = (source + following) * 0.5 * config.hop / config.rate
        began = torch.rand(rows, 1, device=tokens.device)
        phase = torch.remainder(began + torch.cumsum(cycles, 1) - cycles, 1.0)
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
        drawn: Sequence[Tensor],
        settings: SourceFilterSettings,
    ) -> None:
        """drawn: tokens that stage one draws for sentences in general, [T] each. The networks are changed.

        Raises TrainingError: a pattern of the settings fits nothing.
        """
        self.network = TunedNetwork(latent, vocoder, heard.timbre)
        self.settings, self.heard, self.drawn = settings, heard, list(drawn)
        if settings.method == "lora":
            add_low_rank(self.network, settings.targets, settings.rank, (TIMBRE,))
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
        lengths = [float(len(example.tokens)) for example in self.heard.examples]
        return bucketed(lengths, size, _BUCKET, self.settings.seed, epoch, self.settings.least)

    def collate(self, examples: Sequence[int]) -> Batch:
        """Crops of the recordings, and as many of drawn tokens; what is shorter is repeated."""
        wanted = self.settings.tokens
        rows = []
        for number in examples:
            example = self.heard.examples[number]
            rows.append(crop(example, _start(len(example.tokens), wanted), wanted))
        tokens, f0, voiced, samples = (torch.stack(part) for part in zip(*rows, strict=True))
        others = []
        for _ in examples:
            drawn = self.drawn[int(torch.randint(len(self.drawn), ()))]
            start = _start(len(drawn), wanted)
            others.append(drawn[torch.arange(start, start + wanted) % len(drawn)])
        return {
            "tokens": tokens,
            "f0": f0,
            "voiced": voiced,
            "samples": samples,
            "drawn": torch.stack(others),
        }

    def passes(self, batch: Batch) -> Iterator[Pass]:
        settings, tokens = self.settings, batch["tokens"]
        made, predicted = self.network(tokens, batch["f0"])
        free, _ = self.network(batch["drawn"])
        octaves = (torch.log2(predicted) - torch.log2(batch["f0"])).abs() * batch["voiced"]
        both = torch.cat([made, free])
        hearing = self.hearing.to(both.device)
        logits = hearing.token_logits(both).flatten(0, 1)
        likeness = hearing.speaker(both) @ self.heard.speaker.to(both.device)
        values = {
            "spectral": self.spectral.to(both.device)(made, batch["samples"]),
            "pitch": octaves.sum() / batch["voiced"].sum().clamp_min(1),
            "speaker": (1 - likeness).mean(),
            "content": F.cross_entropy(logits, torch.cat([tokens, batch["drawn"]]).flatten()),
        }
        loss = (
            settings.spectral_weight * values["spectral"]
            + settings.pitch_weight * values["pitch"]
            + settings.speaker_weight * values["speaker"]
            + settings.content_weight * values["content"]
        )
        yield Pass(ACOUSTIC, loss, values)

    def samples(self) -> dict[str, Audio]:
        device = self.network.timbre.device
        made, _ = self.network(self.drawn[0][None].to(device))
        return {"0": Audio(made[0].cpu().numpy(), self.network.vocoder.config.rate)}


def _start(length: int, wanted: int) -> int:
    return int(torch.randint(max(1, length - wanted + 1), ()))
