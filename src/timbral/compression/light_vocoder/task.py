"""Training of the light vocoder: spectra of its teacher at several resolutions, and discriminators."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import AdamW

from timbral.compression.distillation.task import NETWORK, DistillationTask
from timbral.compression.light_vocoder.teacher import VocodedCrop
from timbral.nets.discriminators import DiscriminatorConfig, Discriminators
from timbral.nets.istft_vocoder import IstftVocoder
from timbral.training.source_filter_losses import SpectralLoss
from timbral.training.task import Batch, LossStep
from timbral.training.vits_losses import adversarial_loss, discriminator_loss, feature_loss

_DISCRIMINATOR = "discriminator"
_HELD_OUT = 16
_ALONE = 0.25
"""Share of the updates before discriminators are used."""
_FEATURES = 2.0


class LightVocoderTask(DistillationTask[IstftVocoder]):
    """The light vocoder and crops of its teacher."""

    bucket = 1e9

    def __init__(
        self,
        network: IstftVocoder,
        crops: Sequence[VocodedCrop],
        rate: int,
        updates: int,
        seed: int,
        *,
        adversary: bool,
    ) -> None:
        held_out = min(_HELD_OUT, len(crops) // 4)
        self.held_out, self.examples = crops[:held_out], crops[held_out:]
        self.spectral = SpectralLoss(rate)
        super().__init__(network, [1.0] * len(self.examples), updates, seed)
        self._begins = int(_ALONE * updates)
        # Part of the network, so that a checkpoint knows when discriminators begin.
        network.register_buffer("steps", torch.zeros((), dtype=torch.long), persistent=False)
        if adversary:
            judges = Discriminators(DiscriminatorConfig())
            self.networks[_DISCRIMINATOR] = judges
            optimizer = AdamW(judges.parameters(), lr=1.0, betas=(0.8, 0.99))
            self.optimizers[_DISCRIMINATOR] = optimizer
        self.adversary = adversary

    def collate(self, examples: Sequence[int]) -> Batch:
        return self._batch([self.examples[number] for number in examples])

    @staticmethod
    def _batch(chosen: Sequence[VocodedCrop]) -> Batch:
        frames = min(crop.frames.shape[1] for crop in chosen)
        hop = len(chosen[0].samples) // chosen[0].frames.shape[1]
        return {
            "frames": torch.stack([crop.frames[:, :frames] for crop in chosen]),
            "timbre": torch.stack([crop.timbre for crop in chosen])[:, :, None],
            "samples": torch.stack([crop.samples[: frames * hop] for crop in chosen]),
        }

    def loss_steps(self, batch: Batch) -> Iterator[LossStep]:
        samples = batch["samples"]
        generated = self._generated(batch)
        steps = self.network.get_buffer("steps")
        steps += 1
        judged = self.adversary and int(steps) > self._begins
        judges = self.networks.get(_DISCRIMINATOR)
        if judged and judges is not None:
            true, false = judges(samples[:, None]), judges(generated.detach()[:, None])
            yield LossStep(_DISCRIMINATOR, discriminator_loss(true, false))
        loss, values = self._errors(generated, samples)
        if not judged or judges is None:
            yield LossStep(NETWORK, loss, values)
            return
        judges.requires_grad_(False)
        true, false = judges(samples[:, None]), judges(generated[:, None])
        values |= {"adversarial": adversarial_loss(false), "features": feature_loss(true, false)}
        loss = loss + (values["adversarial"] + _FEATURES * values["features"]) / len(false)
        yield LossStep(NETWORK, loss, values)
        judges.requires_grad_(True)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return self._errors(self._generated(batch), batch["samples"])

    def _generated(self, batch: Batch) -> Tensor:
        timbre = batch["timbre"] if batch["timbre"].shape[1] else None
        generated: Tensor = self.network(batch["frames"], timbre)
        return generated[:, 0].float()

    def _errors(self, generated: Tensor, samples: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        spectral = self.spectral.to(samples.device)(generated, samples)
        waveform = F.l1_loss(generated, samples) / samples.abs().mean().clamp_min(1e-4)
        return spectral + 0.1 * waveform, {"spectral": spectral, "waveform": waveform}

    def validate(self) -> dict[str, float]:
        return self.measured(self._batch(self.held_out)) if self.held_out else {}
