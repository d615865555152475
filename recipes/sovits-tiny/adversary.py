"""Tells the envelopes of recordings from those that stage two makes: a mean over what cannot be known sounds muffled.

Two small networks look at envelope and aperiodicity as at a picture, frame by frame and four frames at once. How much of the
gradient is theirs is set at the points, against that of the distance from the recording (the balancer of EnCodec, Défossez et al.
2022), so there is no weight to tune when the losses shrink.
"""

import torch
from runs import half
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from timbral.nets.discriminators import SLOPE, Judgement
from timbral.training.vits_losses import adversarial_loss, discriminator_loss, feature_loss

FRAMES = (1, 4)
"""That are seen as one."""
CHANNELS = 32
SHARE = 0.5
"""Length of the adversaries' gradient as a share of that of the distance."""
RAMP = 300
"""Steps in which it grows to that: adversaries that know nothing yet have nothing to say."""
RATE = 0.5
"""Of their learning, as a share of that of the network that they judge."""


class Adversary(nn.Module):
    """Points [batch, frames, envelope + aperiodicity] → a judgement by each: scores [batch, m] and the features of each layer."""

    def __init__(self, envelope: int) -> None:
        super().__init__()
        self.envelope = envelope
        self.looks = nn.ModuleList(Look() for _ in FRAMES)

    def forward(self, seen: Tensor) -> list[Judgement]:
        envelope, aperiodicity = seen[..., : self.envelope], seen[..., self.envelope :]
        noise = F.interpolate(aperiodicity, self.envelope, mode="linear", align_corners=True)
        picture = torch.stack([envelope / 3, noise / 6], 1)
        return [look(F.avg_pool2d(picture, (n, 1))) for look, n in zip(self.looks, FRAMES, strict=True)]


class Look(nn.Module):
    """Convolutions over frames and points, which grow coarser along the points."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (2, CHANNELS, CHANNELS, CHANNELS)
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(count, CHANNELS, (3, 5), (1, 2), (1, 2))) for count in inputs
        )
        self.last = weight_norm(nn.Conv2d(CHANNELS, 1, 3, padding=1))

    def forward(self, x: Tensor) -> Judgement:
        seen = []
        with half(x.device):
            for layer in self.layers:
                x = F.leaky_relu(layer(x), SLOPE)
                seen.append(x)
            return self.last(x).flatten(1), seen


class Trial:
    """The adversary, what trains it, and what it tells the network that it judges."""

    def __init__(self, device: torch.device, envelope: int, begins: int) -> None:
        """envelope: its points. begins: the step from which on frames are judged."""
        self.adversary, self.begins = Adversary(envelope).to(device), begins
        self.optimizer = torch.optim.AdamW(self.adversary.parameters(), betas=(0.8, 0.99), weight_decay=0.01)

    def judge(
        self, step: int, rate: float, made: Tensor, recorded: Tensor, near: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Trains the adversary; a loss whose gradient at the points made [batch, F, n] is its own, and what the curves show.

        rate: at which the judged network learns just now; an adversary that goes on while the other slows down sees through it.
        near: the scalar whose gradient at the points this one is measured against.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = RATE * rate
        told = discriminator_loss(self.adversary(recorded), self.adversary(made.detach()))
        self.optimizer.zero_grad(set_to_none=True)
        told.backward()
        nn.utils.clip_grad_norm_(self.adversary.parameters(), 10.0)
        self.optimizer.step()

        self.adversary.requires_grad_(False)
        seen = made.detach().requires_grad_()
        with torch.no_grad():
            known = self.adversary(recorded)
        judged = self.adversary(seen)
        fooled, features = adversarial_loss(judged), feature_loss(known, judged)
        (wanted,) = torch.autograd.grad(fooled + features, seen)
        self.adversary.requires_grad_(True)
        (against,) = torch.autograd.grad(near, made, retain_graph=True)
        share = SHARE * min(1.0, (step - self.begins) / RAMP)
        wanted = wanted * (share * against.norm() / wanted.norm().clamp_min(1e-12))
        return (made * wanted).sum(), {"told": told, "fooled": fooled, "features": features}
