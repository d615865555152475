"""WaveNet blocks of stage two, and the flow and the posterior encoder that consist of them.

As in VITS (Kim et al. 2021, https://github.com/jaywalnut310/vits).
"""

import torch
from torch import Tensor, nn

from timbral.nets.normalization import NormedConv1d


class WaveNet(nn.Module):
    """Gated convolutions with residuals and skips, conditioned on the timbre, without dilation."""

    def __init__(self, channels: int, kernel: int, layers: int, timbre: int) -> None:
        super().__init__()
        self.channels = channels
        self.cond_layer = NormedConv1d(timbre, 2 * channels * layers, 1)
        self.in_layers = nn.ModuleList(NormedConv1d(channels, 2 * channels, kernel) for _ in range(layers))
        self.res_skip_layers = nn.ModuleList(
            NormedConv1d(channels, channels if layer == layers - 1 else 2 * channels, 1)
            for layer in range(layers)
        )

    def forward(self, x: Tensor, mask: Tensor, timbre: Tensor) -> Tensor:
        """x [batch, channels, time], mask [batch, 1, time], timbre [batch, timbre, 1]; keeps the shape."""
        conditions = self.cond_layer(timbre).split(2 * self.channels, dim=1)
        output = torch.zeros_like(x)
        for inner, outer, condition in zip(self.in_layers, self.res_skip_layers, conditions, strict=True):
            content, gate = (inner(x) + condition).chunk(2, dim=1)
            both = outer(content.tanh() * gate.sigmoid())
            if both.shape[1] == self.channels:
                output = output + both
            else:
                residual, skip = both.chunk(2, dim=1)
                x = (x + residual) * mask
                output = output + skip
        return output * mask


class Coupling(nn.Module):
    """Coupling layer: shifts one half of the channels by the output of a WaveNet for the other half."""

    def __init__(self, channels: int, hidden: int, kernel: int, layers: int, timbre: int) -> None:
        super().__init__()
        self.pre = nn.Conv1d(channels // 2, hidden, 1)
        self.enc = WaveNet(hidden, kernel, layers, timbre)
        self.post = nn.Conv1d(hidden, channels // 2, 1)
        nn.init.zeros_(self.post.weight)
        nn.init.zeros_(self.post.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, mask: Tensor, timbre: Tensor, sign: int) -> Tensor:
        """x [batch, channels, time] to the same shape; sign is 1 forwards, -1 backwards."""
        kept, moved = x.chunk(2, dim=1)
        shift = self.post(self.enc(self.pre(kept) * mask, mask, timbre)) * mask
        moved = moved + shift if sign > 0 else (moved - shift) * mask
        return torch.cat([kept, moved], dim=1)


class Flow(nn.Module):
    """Couplings, each followed by a reversal of the channels; volume preserving and invertible."""

    def __init__(
        self, channels: int, hidden: int, kernel: int, layers: int, timbre: int, couplings: int = 4
    ) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        for _ in range(couplings):
            # The identity holds the place of the reversal in the official names.
            steps += [Coupling(channels, hidden, kernel, layers, timbre), nn.Identity()]
        self.flows = nn.ModuleList(steps)

    def forward(self, z: Tensor, mask: Tensor, timbre: Tensor) -> Tensor:
        """From the posterior's latent to the prior's: [batch, channels, time] to the same shape."""
        for coupling in self.flows[::2]:
            z = coupling(z, mask, timbre, 1).flip(1)
        return z

    def reverse(self, z: Tensor, mask: Tensor, timbre: Tensor) -> Tensor:
        """From the prior's latent to that which the vocoder turns into sound; the inverse of `forward`."""
        for coupling in reversed(self.flows[::2]):
            z = coupling(z.flip(1), mask, timbre, -1)
        return z


class FrameEncoder(nn.Module):
    """A WaveNet between two projections: frames, in a timbre, to other frames."""

    def __init__(self, inputs: int, outputs: int, hidden: int, kernel: int, layers: int, timbre: int) -> None:
        super().__init__()
        self.pre = nn.Conv1d(inputs, hidden, 1)
        self.enc = WaveNet(hidden, kernel, layers, timbre)
        self.proj = nn.Conv1d(hidden, outputs, 1)

    def encoded(self, x: Tensor, mask: Tensor, timbre: Tensor) -> Tensor:
        """Frames [batch, outputs, time] of x [batch, inputs, time].

        mask [batch, 1, time]; timbre [batch, timbre, 1], which gets no gradient from here.
        """
        x = self.enc(self.pre(x) * mask, mask, timbre.detach())
        return self.proj(x) * mask  # type: ignore[no-any-return]


class PosteriorEncoder(FrameEncoder):
    """A recording's spectrum to the mean and log deviation of its latent; used in training only."""

    def __init__(
        self, spectrum: int, latent: int, hidden: int, kernel: int, layers: int, timbre: int
    ) -> None:
        super().__init__(spectrum, 2 * latent, hidden, kernel, layers, timbre)

    def forward(self, spectrum: Tensor, mask: Tensor, timbre: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log deviation, each [batch, latent, frames], of a spectrum [batch, bins, frames].

        mask [batch, 1, frames]; timbre [batch, timbre, 1], which gets no gradient from here.
        """
        mean, log_deviation = self.encoded(spectrum, mask, timbre).chunk(2, dim=1)
        return mean, log_deviation
