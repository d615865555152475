"""Tells recordings from what stage two makes, so that its light head learns not to buzz: spectral losses average over what they
cannot predict, and the ear hears that.

Three small networks look at mel spectra of three resolutions, as UnivNet's do at all bins (Jang et al. 2021), which takes a CPU
many times as long. How much of the gradient is theirs is set at the samples, against that of the spectral losses (the balancer of
EnCodec, Défossez et al. 2022), so there is no weight to tune when the losses shrink.
"""

import torch
from runs import half
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from timbral.nets.discriminators import SLOPE, Judgement
from timbral.nets.tiny_mel import mel_filters
from timbral.training.acoustic_losses import adversarial_loss, discriminator_loss, feature_loss
from timbral.training.source_filter_losses import magnitudes

RESOLUTIONS = ((512, 128, 64), (1024, 240, 96), (2048, 480, 128))
"""Samples of a window and of a step, and bands."""
CHANNELS = 32
SHARE = 0.5
"""Length of the adversaries' gradient as a share of that of the spectral losses."""
RAMP = 300
"""Steps in which it grows to that: adversaries that know nothing yet have nothing to say."""


class Adversary(nn.Module):
    """Samples [batch, n] → a judgement of each resolution: scores [batch, m] and the features of each layer."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.looks = nn.ModuleList(Look(rate, *resolution) for resolution in RESOLUTIONS)

    def forward(self, audio: Tensor) -> list[Judgement]:
        return [look(audio) for look in self.looks]


class Look(nn.Module):
    """At one resolution: convolutions over frames and bands, which grow coarser along the bands."""

    def __init__(self, rate: int, window: int, hop: int, bands: int) -> None:
        super().__init__()
        self.window, self.hop = window, hop
        self.register_buffer("filters", mel_filters(rate, window, bands, rate / 2))
        inputs = (1, CHANNELS, CHANNELS, CHANNELS)
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(count, CHANNELS, (3, 5), (1, 2), (1, 2))) for count in inputs
        )
        self.last = weight_norm(nn.Conv2d(CHANNELS, 1, 3, padding=1))

    def forward(self, audio: Tensor) -> Judgement:
        bands = self.get_buffer("filters") @ magnitudes(audio, self.window, self.hop)
        x = torch.log(bands + 1e-3).transpose(1, 2)[:, None]
        seen = []
        with half(audio.device):
            for layer in self.layers:
                x = F.leaky_relu(layer(x), SLOPE)
                seen.append(x)
            return self.last(x).flatten(1), seen


class Trial:
    """The adversary, what trains it, and what it tells the network that it judges."""

    def __init__(self, device: torch.device, rate: int, learning_rate: float, begins: int) -> None:
        """rate: of the sound, Hz. begins: the step from which on sound is judged."""
        self.adversary, self.begins = Adversary(rate).to(device), begins
        self.optimizer = torch.optim.AdamW(
            self.adversary.parameters(), learning_rate, betas=(0.8, 0.99), weight_decay=0.01
        )

    def judge(
        self, step: int, made: Tensor, recorded: Tensor, spectral: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Trains the adversary; a loss whose gradient at the samples made [batch, n] is its own, and what the curves show.

        spectral: the scalar whose gradient at the samples this one is measured against.
        """
        told = discriminator_loss(self.adversary(recorded), self.adversary(made.detach()))
        self.optimizer.zero_grad(set_to_none=True)
        told.backward()
        nn.utils.clip_grad_norm_(self.adversary.parameters(), 10.0)
        self.optimizer.step()

        self.adversary.requires_grad_(False)
        heard = made.detach().requires_grad_()
        with torch.no_grad():
            known = self.adversary(recorded)
        judged = self.adversary(heard)
        fooled, features = adversarial_loss(judged), feature_loss(known, judged)
        (wanted,) = torch.autograd.grad(fooled + features, heard)
        self.adversary.requires_grad_(True)
        (against,) = torch.autograd.grad(spectral, made, retain_graph=True)
        share = SHARE * min(1.0, (step - self.begins) / RAMP)
        wanted = wanted * (share * against.norm() / wanted.norm().clamp_min(1e-12))
        return (made * wanted).sum(), {"told": told, "fooled": fooled, "features": features}
