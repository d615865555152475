"""Fourier transforms of real frames in two steps of small matrix products (Cooley and Tukey 1965).

A product with one matrix exports to any graph but takes n² multiplications a frame; operators for Fourier
transforms are slow in onnxruntime for lengths that are no powers of two. Two factors take a tenth of the
product, and the matrices fit into a cache.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


def factors(n: int) -> tuple[int, int]:
    """Two factors of n that are close to each other, the first of them even."""
    return min(
        ((first, n // first) for first in range(2, n + 1, 2) if n % first == 0),
        key=lambda pair: abs(pair[0] - pair[1]),
    )


class RealFourier(nn.Module):
    """Frames [..., n] ↔ real and imaginary parts, each [..., n / 2 + 1], where n = first * second, first even.

    With n = second * i + j and k = p + first * q, the sum over i gives `first` frequencies p for each j, of
    which half are enough for real frames, and that over j the `second` frequencies q of each of these.
    """

    inner: Tensor
    inner_back: Tensor
    outer: Tensor
    outer_back: Tensor
    cosine: Tensor
    sine: Tensor
    places: Tensor
    conjugate: Tensor
    bins: Tensor
    conjugate_back: Tensor

    def __init__(self, first: int, second: int) -> None:
        super().__init__()
        self.first, self.second, self.kept = first, second, first // 2 + 1
        n, half = first * second, first // 2 + 1
        turns = 2 * np.pi * np.outer(np.arange(first), np.arange(half)) / first
        self._constant("inner", np.concatenate([np.cos(turns), -np.sin(turns)], 1))
        twiddle = np.exp(-2j * np.pi * np.outer(np.arange(second), np.arange(half)) / n)
        self._constant("cosine", twiddle.real)
        self._constant("sine", twiddle.imag)
        outer = np.exp(-2j * np.pi * np.outer(np.arange(second), np.arange(second)) / second)
        self._constant("outer", np.block([[outer.real, outer.imag], [-outer.imag, outer.real]]))
        # Of the pairs p and first - p only one is computed, which counts twice in the inverse.
        weights = np.where((np.arange(half) == 0) | (np.arange(half) == first // 2), 1.0, 2.0) / n
        back = np.concatenate([np.cos(turns) * weights, -np.sin(turns) * weights], 1).T
        self._constant("inner_back", back)
        back = np.block([[outer.real, -outer.imag], [outer.imag, outer.real]])
        self._constant("outer_back", back)
        bins = np.arange(n // 2 + 1)
        p, q = bins % first, bins // first
        mirrored = p >= half
        place = np.where(mirrored, first - p, p) * second + np.where(mirrored, second - 1 - q, q)
        self.register_buffer("places", torch.from_numpy(place), persistent=False)
        self._constant("conjugate", np.where(mirrored, -1.0, 1.0))
        k = np.add.outer(np.arange(half), first * np.arange(second)).ravel()
        beyond = k > n // 2
        self.register_buffer("bins", torch.from_numpy(np.where(beyond, n - k, k)), persistent=False)
        self._constant("conjugate_back", np.where(beyond, -1.0, 1.0))

    def _constant(self, name: str, values: np.ndarray) -> None:
        self.register_buffer(name, torch.from_numpy(values.astype(np.float32)), persistent=False)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames [batch, F, n] → real and imaginary parts."""
        shape = frames.shape[:-1]
        columns = frames.reshape(*shape, self.first, self.second).transpose(-1, -2)
        real, imaginary = (columns @ self.inner).chunk(2, -1)
        turned = torch.cat(
            [
                real * self.cosine - imaginary * self.sine,
                real * self.sine + imaginary * self.cosine,
            ],
            -2,
        ).transpose(-1, -2)
        real, imaginary = (turned @ self.outer).chunk(2, -1)
        real, imaginary = real.flatten(-2), imaginary.flatten(-2)
        return real[..., self.places], imaginary[..., self.places] * self.conjugate

    def inverse(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """Real and imaginary parts → frames [batch, F, n]."""
        shape = real.shape[:-1]
        both = [real[..., self.bins], imaginary[..., self.bins] * self.conjugate_back]
        rows = torch.cat([part.reshape(*shape, self.kept, self.second) for part in both], -1)
        rows = (rows @ self.outer_back).transpose(-1, -2)
        real, imaginary = rows.chunk(2, -2)
        turned = torch.cat(
            [
                real * self.cosine + imaginary * self.sine,
                imaginary * self.cosine - real * self.sine,
            ],
            -1,
        )
        return (turned @ self.inner_back).transpose(-1, -2).flatten(-2)


class ShortTimeFourier(nn.Module):
    """Samples ↔ spectra of Hann windows of four hops, centred on frames of one hop.

    Frames are shifted copies of hops, so that graphs need no strided convolution. hop: samples a frame, even.
    """

    def __init__(self, hop: int) -> None:
        super().__init__()
        self.hop = hop
        self.transform = RealFourier(*factors(4 * hop))
        window = torch.hann_window(4 * hop, dtype=torch.float64).float()
        self.register_buffer("window", window, persistent=False)
        self.window: Tensor

    @property
    def bins(self) -> int:
        """Frequencies of a spectrum, from 0 to Nyquist."""
        return 2 * self.hop + 1

    def analyse(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Samples [batch, F * hop] → real and imaginary parts, each [batch, F, bins]."""
        edge = 3 * self.hop // 2
        hops = functional.pad(samples, (edge, edge)).reshape(len(samples), -1, self.hop)
        count = hops.shape[1] - 3
        frames = torch.cat([hops[:, i : i + count] for i in range(4)], 2)
        real, imaginary = self.transform(frames * self.window)
        return real, imaginary

    def synthesise(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """Real and imaginary parts [batch, F, bins] → samples [batch, F * hop] by overlap-add."""
        # Windows are applied twice; the squares of four of them add up to 1.5.
        frames = self.transform.inverse(real, imaginary) * (self.window / 1.5)
        parts = [
            functional.pad(part, (0, 0, i, 3 - i)) for i, part in enumerate(torch.split(frames, self.hop, 2))
        ]
        edge = 3 * self.hop // 2
        return torch.stack(parts).sum(0).flatten(1)[:, edge:-edge]
