"""Discriminators of spectral envelopes: with distances alone, unpredictable details average out and speech
sounds muffled.

Two small networks see envelope and aperiodicity as an image, one at full and one at a quarter of the frame
rate. The norm of their gradient at the frames is set relative to that of the distance from the recording (the
balancer of EnCodec, Défossez et al. 2022), so no loss weight has to be tuned.
"""

import torch
from runs import half
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from timbral.nets.discriminators import SLOPE, Judgement
from timbral.training.vits_losses import adversarial_loss, feature_loss

POOLED = (1, 4)
"""Frames that are averaged for each network."""
CHANNELS = 32
SHARE = 0.5
"""Norm of the adversarial gradient relative to that of the distance."""
RAMP = 300
"""Steps until this share is reached, since new discriminators give no useful gradient."""
RATE = 0.5
"""Learning rate relative to that of the generator."""


class EnvelopeDiscriminators(nn.Module):
    """Frames [batch, frames, envelope + aperiodicity] → scores [batch, m] and layer features of each
    discriminator.
    """

    def __init__(self, envelope: int) -> None:
        super().__init__()
        self.envelope = envelope
        self.looks = nn.ModuleList(EnvelopeDiscriminator() for _ in POOLED)

    def forward(self, frames: Tensor) -> list[Judgement]:
        envelope, aperiodicity = frames[..., : self.envelope], frames[..., self.envelope :]
        noise = F.interpolate(aperiodicity, self.envelope, mode="linear", align_corners=True)
        image = torch.stack([envelope / 3, noise / 6], 1)
        return [look(F.avg_pool2d(image, (n, 1))) for look, n in zip(self.looks, POOLED, strict=True)]


class EnvelopeDiscriminator(nn.Module):
    """Convolutions over frames and frequencies, with strides along frequency."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (2, CHANNELS, CHANNELS, CHANNELS)
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(count, CHANNELS, (3, 5), (1, 2), (1, 2))) for count in inputs
        )
        self.last = weight_norm(nn.Conv2d(CHANNELS, 1, 3, padding=1))

    def forward(self, x: Tensor) -> Judgement:
        features = []
        with half(x.device):
            for layer in self.layers:
                x = F.leaky_relu(layer(x), SLOPE)
                features.append(x)
            return self.last(x).flatten(1), features


def balanced_adversarial_loss(
    discriminators: EnvelopeDiscriminators, frames: Tensor, recorded: Tensor, distance: Tensor, steps: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """A loss whose gradient at the generated frames [batch, F, n] is the balanced adversarial one, and values
    to log.

    distance: scalar whose gradient at the frames is the reference for the norm. steps: since the
    discriminators were added.
    """
    discriminators.requires_grad_(False)
    inputs = frames.detach().requires_grad_()
    with torch.no_grad():
        real = discriminators(recorded)
    fake = discriminators(inputs)
    adversarial, features = adversarial_loss(fake), feature_loss(real, fake)
    (gradient,) = torch.autograd.grad(adversarial + features, inputs)
    discriminators.requires_grad_(True)
    (reference,) = torch.autograd.grad(distance, frames, retain_graph=True)
    share = SHARE * min(1.0, steps / RAMP)
    gradient = gradient * (share * reference.norm() / gradient.norm().clamp_min(1e-12))
    return (frames * gradient).sum(), {"adversarial": adversarial, "features": features}
