"""Trains stage two of v1, v2, v2Pro and v2ProPlus as GPT-SoVITS does: a VITS with discriminators."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from timbral.audio import Audio
from timbral.errors import TrainingError
from timbral.nets.acoustic import AcousticNetwork
from timbral.nets.discriminators import Discriminators
from timbral.nets.hifigan import ResidualBlock
from timbral.nets.normalization import fold_weight_norm
from timbral.nets.prior import FRAMES_PER_TOKEN, mask_of
from timbral.nets.spectrogram import TIMBRE, linear_spectrogram, log_mel
from timbral.nets.wavenet import WaveNet
from timbral.training import regularizers
from timbral.training.acoustic_examples import AcousticExample, collate
from timbral.training.acoustic_losses import (
    adversarial_loss,
    discriminator_loss,
    divergence,
    feature_loss,
    slices,
)
from timbral.training.adapters import add_low_rank, freeze
from timbral.training.codebooks import quantized
from timbral.training.settings import AcousticSettings
from timbral.training.stage_two import GENERATOR, StageTwoTask, adam, generator_optimizer
from timbral.training.task import Batch, Pass

DISCRIMINATOR = "discriminator"
_POSTERIOR = "enc_q.*"
_SAMPLES = 2
"""Held-out recordings that are spoken as samples."""
_NOISE = 0.5


class AcousticTask(StageTwoTask):
    """Stage two, its adversaries, and recordings that it is trained on."""

    def __init__(
        self,
        network: AcousticNetwork,
        discriminators: Discriminators | None,
        examples: Sequence[AcousticExample],
        settings: AcousticSettings,
        *,
        new_posterior: bool = False,
    ) -> None:
        """network: is changed as the settings say; for `lora` its weight norm is folded, and its changes have the names that
        weights have then. new_posterior: the posterior encoder has learned nothing yet, so it is trained in full by any method.

        Raises TrainingError: no example is left, or a pattern fits nothing.
        """
        if not network.config.posterior:
            raise ValueError("training needs a network with a posterior encoder")
        super().__init__(examples, settings)
        self.network, self.discriminators = network, discriminators
        self._prepare(new_posterior)
        self.networks = {GENERATOR: network}
        self.optimizers = {GENERATOR: generator_optimizer(network, settings)}
        if discriminators is not None:
            self.networks[DISCRIMINATOR] = discriminators
            self.optimizers[DISCRIMINATOR] = adam([{"params": list(discriminators.parameters())}], settings)

    def _prepare(self, new_posterior: bool) -> None:
        network, settings = self.network, self.settings
        if settings.dropout is not None:
            regularizers.set_dropout(network, settings.dropout)
        if settings.method == "lora":
            fold_weight_norm(network)
            add_low_rank(
                network,
                settings.targets,
                settings.rank,
                (*settings.whole, *([_POSTERIOR] if new_posterior else [])),
            )
        else:
            freeze(network, settings.freeze)
        if settings.checkpointing:
            layers = [m for m in network.modules() if isinstance(m, WaveNet | ResidualBlock)]
            regularizers.add_checkpointing(layers)
        self.learns_codes = network.ssl_proj.weight.requires_grad
        if self.learns_codes and any(example.content is None for example in self.examples):
            raise TrainingError(
                "the quantiser can be trained from Python only, with AcousticExample.content in every example; "
                'add "ssl_proj.*" to freeze'
            )

    def passes(self, batch: Batch) -> Iterator[Pass]:
        made, recorded, losses = self._spoken(batch)
        values = {}
        if self.discriminators is not None:
            judge = self.discriminators
            loss = discriminator_loss(judge(recorded), judge(made.detach()))
            yield Pass(DISCRIMINATOR, loss, {"discriminator": loss})
            # It must not learn from what is to deceive it; the gradient goes through it nevertheless.
            with untrained(judge):
                with torch.no_grad():
                    seen = judge(recorded)
                judged = judge(made)
                values["adversarial"] = adversarial_loss(judged)
                values["features"] = feature_loss(seen, judged)
        values |= losses
        yield Pass(GENERATOR, torch.stack(list(values.values())).sum(), values)

    def _spoken(self, batch: Batch) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """A segment of each recording as it is spoken and as it was recorded, [batch, 1, n], and the losses without adversary."""
        network, settings = self.network, self.settings
        spectrum, lengths = batch["spectrum"], batch["frames"]
        mask = mask_of(spectrum, lengths)
        shown = spectrum
        if settings.frame_mask or settings.bin_mask:
            shown = regularizers.masked_spectrum(spectrum, lengths, settings.frame_mask, settings.bin_mask)
        ge = network.timbre(shown, batch.get("speaker"), lengths)
        frames, distance = self._frames(batch, ge)
        prior_mean, prior_log = network.enc_p.statistics(frames, mask)
        mean, log = network.enc_q(spectrum, mask, ge)
        z = (mean + torch.randn_like(mean) * log.exp()) * mask
        latent = network.flow(z, mask, ge)

        length = settings.segment // TIMBRE.hop
        starts = (torch.rand(len(z), device=z.device) * (lengths - length + 1)).long()
        made = network.dec(slices(z, starts, length), ge).float()
        recorded = slices(batch["samples"], starts * TIMBRE.hop, length * TIMBRE.hop)
        wanted = slices(log_mel(spectrum), starts, length)
        mel = (log_mel(linear_spectrogram(made[:, 0])) - wanted).abs().mean()
        nats = divergence(latent, log, prior_mean, prior_log, mask, settings.kl_levels)
        losses = {"mel": settings.mel_weight * mel, "divergence": settings.kl_weight * nats}
        if distance is not None:
            losses["commitment"] = distance
        return made, recorded, losses

    def _frames(self, batch: Batch, ge: Tensor) -> tuple[Tensor, Tensor | None]:
        """Frames of the prior; and, where the quantiser is trained, how far features are from their codes."""
        counts = batch["frames"] // FRAMES_PER_TOKEN
        arguments = batch["phones"], ge, counts, batch["phone_lengths"]
        if not self.learns_codes:
            return self.network.prior(batch["tokens"], *arguments), None
        content = batch["content"]
        valid = mask_of(content, counts)[:, 0] > 0
        books = self.network.config.quantizers
        layers = int(torch.randint(1, books + 1, ())) if self.network.training else books
        features, distance = quantized(self.network.quantizer, content, valid, layers)
        return self.network.prior_of(features, *arguments), distance

    def validate(self) -> dict[str, float]:
        device = next(self.network.parameters()).device
        totals: dict[str, float] = {}
        for example in self.kept:
            batch = {name: part.to(device) for name, part in collate([example]).items()}
            _, _, losses = self._spoken(batch)
            for name, loss in losses.items():
                totals[name] = totals.get(name, 0.0) + float(loss) / len(self.kept)
        return totals

    def samples(self) -> dict[str, Audio]:
        return {
            f"{i}": self._said(example) for i, example in enumerate((self.kept or self.examples)[:_SAMPLES])
        }

    def _said(self, example: AcousticExample) -> Audio:
        """A recording as the network says it by its tokens and phones, in its own timbre."""
        device = next(self.network.parameters()).device
        batch = {name: part.to(device) for name, part in collate([example]).items()}
        network = self.network
        ge = network.timbre(batch["spectrum"], batch.get("speaker"))
        frames, _ = self._frames(batch, ge)
        noise = _NOISE * torch.randn(1, network.config.latent, frames.shape[2], device=device)
        return Audio(network.vocode(network.latent(frames, ge, noise), ge)[0].cpu().numpy(), TIMBRE.rate)


@contextmanager
def untrained(network: nn.Module) -> Iterator[None]:
    """What is computed inside the block gives no gradient to the network's weights."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
