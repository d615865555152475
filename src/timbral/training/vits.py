"""Training of stage two of v1, v2, v2Pro and v2ProPlus: VITS (Kim et al. 2021) with discriminators."""

from collections.abc import Container, Iterator, Sequence
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
from timbral.training.acoustic_task import (
    GENERATOR,
    AcousticTask,
    adam,
    generator_optimizer,
    select_trainable,
)
from timbral.training.codebooks import quantize
from timbral.training.settings import AcousticSettings
from timbral.training.task import Batch, LossStep
from timbral.training.vits_losses import (
    adversarial_loss,
    discriminator_loss,
    divergence,
    feature_loss,
    slices,
)

DISCRIMINATOR = "discriminator"
_POSTERIOR = "enc_q.*"
_SAMPLE_COUNT = 2
"""Number of audio samples."""
_NOISE = 0.5


class VitsTask(AcousticTask):
    """Stage two, its discriminators and its training examples."""

    def __init__(
        self,
        network: AcousticNetwork,
        discriminators: Discriminators | None,
        examples: Sequence[AcousticExample],
        settings: AcousticSettings,
        *,
        new_posterior: bool = False,
        allowed: Container[str] | None = None,
    ) -> None:
        """network: modified in place; for `lora` its weight norm is folded first. new_posterior: the
        posterior encoder has random weights, so it is trained in full by any method. allowed: as in
        `add_low_rank`.

        Raises TrainingError: no usable example, or a pattern matches nothing.
        """
        if not network.config.posterior:
            raise ValueError("training needs a network with a posterior encoder")
        super().__init__(examples, settings)
        self.network, self.discriminators = network, discriminators
        self._prepare((_POSTERIOR,) if new_posterior else (), allowed)
        self.networks = {GENERATOR: network}
        self.optimizers = {GENERATOR: generator_optimizer(network, settings)}
        if discriminators is not None:
            self.networks[DISCRIMINATOR] = discriminators
            self.optimizers[DISCRIMINATOR] = adam([{"params": list(discriminators.parameters())}], settings)

    def _prepare(self, whole: Sequence[str], allowed: Container[str] | None) -> None:
        network, settings = self.network, self.settings
        if settings.method == "lora":
            fold_weight_norm(network)
        select_trainable(network, settings, whole, allowed)
        if settings.checkpointing:
            layers = [m for m in network.modules() if isinstance(m, WaveNet | ResidualBlock)]
            regularizers.add_checkpointing(layers)
        self.trains_codebooks = network.ssl_proj.weight.requires_grad
        if self.trains_codebooks and any(example.content is None for example in self.examples):
            raise TrainingError(
                "the quantizer can be trained from Python only, with AcousticExample.content in every example; "
                'add "ssl_proj.*" to freeze'
            )

    def loss_steps(self, batch: Batch) -> Iterator[LossStep]:
        generated, recorded, losses = self._segments(batch)
        values = {}
        if self.discriminators is not None:
            discriminators = self.discriminators
            loss = discriminator_loss(discriminators(recorded), discriminators(generated.detach()))
            yield LossStep(DISCRIMINATOR, loss, {"discriminator": loss})
            # Gradients pass through the discriminators to the generator only.
            with _frozen(discriminators):
                with torch.no_grad():
                    real = discriminators(recorded)
                fake = discriminators(generated)
                values["adversarial"] = adversarial_loss(fake)
                values["features"] = feature_loss(real, fake)
        values |= losses
        yield LossStep(GENERATOR, torch.stack(list(values.values())).sum(), values)

    def _segments(self, batch: Batch) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """A random segment of each recording, generated and recorded [batch, 1, n], and the non-adversarial
        losses.
        """
        network, settings = self.network, self.settings
        spectrum, lengths = batch["spectrum"], batch["frames"]
        mask = mask_of(spectrum, lengths)
        masked = spectrum
        if settings.frame_mask or settings.bin_mask:
            masked = regularizers.masked_spectrum(spectrum, lengths, settings.frame_mask, settings.bin_mask)
        ge = network.timbre(masked, batch.get("speaker"), lengths)
        frames, distance = self._frames(batch, ge)
        prior_mean, prior_log = network.enc_p.statistics(frames, mask)
        mean, log = network.enc_q(spectrum, mask, ge)
        z = (mean + torch.randn_like(mean) * log.exp()) * mask
        latent = network.flow(z, mask, ge)

        length = settings.segment // TIMBRE.hop
        starts = (torch.rand(len(z), device=z.device) * (lengths - length + 1)).long()
        generated = network.dec(slices(z, starts, length), ge).float()
        recorded = slices(batch["samples"], starts * TIMBRE.hop, length * TIMBRE.hop)
        target = slices(log_mel(spectrum), starts, length)
        mel = (log_mel(linear_spectrogram(generated[:, 0])) - target).abs().mean()
        kl = divergence(latent, log, prior_mean, prior_log, mask, settings.kl_levels)
        losses = {"mel": settings.mel_weight * mel, "divergence": settings.kl_weight * kl}
        if distance is not None:
            losses["commitment"] = distance
        return generated, recorded, losses

    def _frames(self, batch: Batch, ge: Tensor) -> tuple[Tensor, Tensor | None]:
        """Frames for the prior and, if the quantizer is trained, its commitment loss."""
        counts = batch["frames"] // FRAMES_PER_TOKEN
        arguments = batch["phones"], ge, counts, batch["phone_lengths"]
        if not self.trains_codebooks:
            return self.network.prior(batch["tokens"], *arguments), None
        content = batch["content"]
        valid = mask_of(content, counts)[:, 0] > 0
        books = self.network.config.quantizers
        layers = int(torch.randint(1, books + 1, ())) if self.network.training else books
        features, distance = quantize(self.network.quantizer, content, valid, layers)
        return self.network.prior_of(features, *arguments), distance

    def validate(self) -> dict[str, float]:
        device = next(self.network.parameters()).device
        totals: dict[str, float] = {}
        for example in self.held_out:
            batch = {name: part.to(device) for name, part in collate([example]).items()}
            _, _, losses = self._segments(batch)
            for name, loss in losses.items():
                totals[name] = totals.get(name, 0.0) + float(loss) / len(self.held_out)
        return totals

    def samples(self) -> dict[str, Audio]:
        return {
            f"{i}": self._resynthesized(example)
            for i, example in enumerate((self.held_out or self.examples)[:_SAMPLE_COUNT])
        }

    def _resynthesized(self, example: AcousticExample) -> Audio:
        """A recording synthesized from its own tokens, phones and timbre."""
        device = next(self.network.parameters()).device
        batch = {name: part.to(device) for name, part in collate([example]).items()}
        network = self.network
        ge = network.timbre(batch["spectrum"], batch.get("speaker"))
        frames, _ = self._frames(batch, ge)
        noise = _NOISE * torch.randn(1, network.config.latent, frames.shape[2], device=device)
        return Audio(network.vocode(network.latent(frames, ge, noise), ge)[0].cpu().numpy(), TIMBRE.rate)


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """The weights of the network get no gradient from what is computed inside the block."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
