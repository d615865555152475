"""Log-mel spectrograms by matrix products, which export to ONNX and run in browsers."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.audio import mel_filters as mel


def mel_filters(rate: int, n_fft: int, bands: int, top: float) -> Tensor:
    """Slaney-style triangular mel filters up to `top` Hz, each of unit area: [bands, n_fft / 2 + 1]."""
    return torch.from_numpy(mel.mel_filters(rate, n_fft, bands, top))


class FourierBasis(nn.Module):
    """Hann-windowed real and imaginary Fourier rows: () → [n_fft + 2, n_fft].

    Computed from one period of a cosine, which makes a graph megabytes smaller; onnxruntime computes it once,
    when it loads the graph. n_fft is a multiple of 4.
    """

    def __init__(self, n_fft: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        turn = 2 * np.pi * np.arange(n_fft) / n_fft
        self.register_buffer("wave", torch.from_numpy(np.cos(turn).astype(np.float32)), persistent=False)
        window = np.hanning(n_fft + 1)[:-1].astype(np.float32)
        self.register_buffer("window", torch.from_numpy(window), persistent=False)
        self.wave: Tensor
        self.window: Tensor

    def forward(self) -> Tensor:
        bins = torch.arange(self.n_fft // 2 + 1, device=self.wave.device)
        turns = bins[:, None] * torch.arange(self.n_fft, device=self.wave.device)
        # -sin x = cos(x + a quarter of a turn)
        both = torch.cat([turns, turns + self.n_fft // 4])
        return self.wave[torch.remainder(both, self.n_fft)] * self.window


class LogMel(nn.Module):
    """Samples [batch, n] → mel spectrogram [batch, bands, n // hop + 1], centred frames with reflected edges."""

    def __init__(
        self,
        rate: int,
        n_fft: int,
        hop: int,
        bands: int,
        *,
        log: bool = True,
        power: float = 1.0,
        top: float | None = None,
    ) -> None:
        super().__init__()
        self.n_fft, self.hop, self.log, self.power = n_fft, hop, log, power
        self.basis = FourierBasis(n_fft)
        self.register_buffer("filters", mel_filters(rate, n_fft, bands, top or rate / 2), persistent=False)
        self.filters: Tensor

    def forward(self, audio: Tensor) -> Tensor:
        padded = F.pad(audio[:, None], (self.n_fft // 2, self.n_fft // 2), mode="reflect")
        real, imaginary = F.conv1d(padded, self.basis()[:, None], stride=self.hop).chunk(2, 1)
        energy = real.square() + imaginary.square()
        spectrum = energy if self.power == 2.0 else (energy + 1e-9).sqrt()
        mel = self.filters @ spectrum
        return torch.log(mel.clamp_min(1e-5)) if self.log else mel
