"""A light stage two: semantic tokens to sound by a source and a filter, in place of a flow and a HiFi-GAN.

`LatentNet` turns tokens (25 Hz), the phones that they speak and a timbre vector into latent frames and F0 (100 Hz).
`SourceFilterVocoder` reads a spectral envelope and an aperiodicity off the latent frames, which are those of WORLD (Morise et al.
2016), builds a harmonic and a noise source from F0, shapes both in the short-time Fourier domain, and returns to samples by
overlap-add. Since pitch is in the source, the envelope is smooth: a few dozen points say all of it, a recording tells what they
should be, and a few million weights trained on a few hours speak cleanly. The idea is that of DDSP (Engel et al. 2020) and of
neural source-filter models (Wang et al. 2019); blocks are ConvNeXt as in Vocos (Siuzdak 2023).

Both are convolutional: what a frame sounds like depends on `SourceFilterConfig.context_tokens` tokens on either side, so
a stream of windows is the same sound as the whole. Nothing is random inside: noise and phase are inputs.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.audio.mel_axis import interpolation, mel_points
from timbral.nets.tiny_mel import FourierBasis
from timbral.nets.tiny_timbre import band_centres, mean_spectrum

EDGE = 2
"""Frames on either side that overlap-add reaches into."""
LOUDNESS = (-12.0, 6.0)
"""Least and largest log magnitude of a filter."""
NEAR, DOUBT = 0.25, 1.0
"""Root mean square distance in nepers of two envelopes of one sound; and how many of them the mean of all residuals weighs."""


def points(count: int, rate: int) -> Tensor:
    """The frequencies in Hz that an envelope is known at: so many from 0 to Nyquist, evenly spaced on a mel axis."""
    return torch.from_numpy(mel_points(count, rate / 2)).float()


def between(known: Tensor, wanted: Tensor) -> Tensor:
    """The matrix [wanted, known] that interpolates linearly between frequencies, and holds the outermost ones beyond them."""
    return torch.from_numpy(interpolation(known.double().numpy(), wanted.double().numpy())).float()


def corrected(envelope: Tensor, residuals: Tensor) -> Tensor:
    """Envelopes [batch, F, points] moved by residuals [batch, n, 2, points], of each the shape of an envelope and what it lacked.

    Kernel regression (Nadaraya 1964, Watson 1964): what the envelopes of like shape lacked, and where none is, what all did.
    """
    known, lacking = residuals.unbind(2)
    shape = envelope - envelope.mean(2, keepdim=True)
    squares = shape.square().sum(2)[:, :, None] + known.square().sum(2)[:, None]
    distance = (squares - 2 * shape @ known.transpose(1, 2)) / shape.shape[2]
    alike = torch.exp(distance / (-2 * NEAR**2))
    usual = DOUBT * lacking.mean(1, keepdim=True)
    return envelope + (alike @ lacking + usual) / (alike.sum(2, keepdim=True) + DOUBT)


@dataclass(frozen=True)
class SourceFilterConfig:
    """Sizes of the light stage two.

    vocabulary: semantic tokens with the end token, which stands for a token that is not told; phonemes: kinds of phones,
    0 for a network that is told none; timbre: size of the timbre vector; hidden: width of all blocks;
    token_blocks, frame_blocks, vocoder_blocks: ConvNeXt blocks at 25 Hz, at 100 Hz and after the latent; kernel: their
    width in steps; expansion: of their inner layer; envelope, aperiodicity: points of both on a mel axis; hop: samples a
    frame; frames_per_token: frames a token.
    """

    vocabulary: int = 2048
    phonemes: int = 0
    timbre: int = 417
    hidden: int = 320
    latent: int = 192
    token_blocks: int = 3
    frame_blocks: int = 5
    vocoder_blocks: int = 3
    kernel: int = 7
    token_kernel: int = 5
    expansion: int = 3
    envelope: int = 64
    aperiodicity: int = 16
    rate: int = 24_000
    hop: int = 240
    frames_per_token: int = 4

    @property
    def window(self) -> int:
        """Samples of a Fourier frame."""
        return 4 * self.hop

    @property
    def context_tokens(self) -> int:
        """Tokens on either side that a frame depends on."""
        frames = (self.frame_blocks + self.vocoder_blocks + 2) * (self.kernel // 2) + EDGE
        return self.token_blocks * (self.token_kernel // 2) + math.ceil(frames / self.frames_per_token)


class Block(nn.Module):
    """ConvNeXt block whose inner width is scaled and shifted by the timbre: [batch, channels, time] → the same."""

    def __init__(self, channels: int, kernel: int, expansion: int, timbre: int) -> None:
        super().__init__()
        self.mix = nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.film = nn.Linear(timbre, 2 * channels)
        self.up = nn.Linear(channels, expansion * channels)
        self.down = nn.Linear(expansion * channels, channels)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)
        nn.init.normal_(self.down.weight, std=0.02)

    def forward(self, x: Tensor, timbre: Tensor) -> Tensor:
        scale, shift = self.film(timbre[:, None]).chunk(2, -1)
        y = self.norm(self.mix(x).transpose(1, 2)) * (1 + scale) + shift
        more: Tensor = self.down(F.gelu(self.up(y), approximate="tanh"))
        return x + more.transpose(1, 2)


class TimbreProjection(nn.Module):
    """Timbre vector [batch, timbre] → condition [batch, hidden]."""

    def __init__(self, config: SourceFilterConfig, hidden: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(config.timbre, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, hidden)
        )

    def forward(self, timbre: Tensor) -> Tensor:
        condition: Tensor = self.layers(timbre)
        return condition


class SpokenPhones(nn.Module):
    """The phones [batch, T, 2] that the first and the second half of a token speak → [batch, T, hidden].

    A token is a guess at what is being said; the text knows. The number `phonemes` stands for a phone that is not known.
    Begins as nothing, so that a network may learn it later.
    """

    def __init__(self, phonemes: int, hidden: int, width: int = 96) -> None:
        super().__init__()
        self.table = nn.Embedding(phonemes + 1, width)
        self.mix = nn.Linear(2 * width, hidden)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)

    def forward(self, phones: Tensor) -> Tensor:
        spoken: Tensor = self.mix(self.table(phones).flatten(2))
        return spoken


class LatentNet(nn.Module):
    """Tokens [batch, T], timbre [batch, D] and phones [batch, T, 2] → latent [batch, C, 4 T] and F0 in Hz [batch, 4 T].

    Phones are what the two halves of a token speak, where the network is told them. The last entry of the timbre vector is
    the speaker's mean log2 F0; the network predicts the deviation from it.
    """

    def __init__(self, config: SourceFilterConfig) -> None:
        super().__init__()
        self.config = config
        hidden, condition = config.hidden, 256
        self.timbre = TimbreProjection(config, condition)
        self.tokens = nn.Embedding(config.vocabulary, hidden)
        self.phones = SpokenPhones(config.phonemes, hidden) if config.phonemes else None
        self.token_blocks = nn.ModuleList(
            Block(hidden, config.token_kernel, config.expansion, condition)
            for _ in range(config.token_blocks)
        )
        self.spread = nn.Linear(hidden, config.frames_per_token * hidden)
        self.frame_blocks = nn.ModuleList(
            Block(hidden, config.kernel, config.expansion, condition) for _ in range(config.frame_blocks)
        )
        self.to_latent = nn.Conv1d(hidden, config.latent, 1)
        self.to_pitch = nn.Sequential(
            nn.Conv1d(hidden, 64, 7, padding=3), nn.GELU(approximate="tanh"), nn.Conv1d(64, 1, 1)
        )

    def forward(self, tokens: Tensor, timbre: Tensor, phones: Tensor | None = None) -> tuple[Tensor, Tensor]:
        condition = self.timbre(timbre)
        x = self.tokens(tokens)
        if self.phones is not None:
            unknown = torch.full((*tokens.shape, 2), self.config.phonemes, device=tokens.device)
            x = x + self.phones(unknown if phones is None else phones)
        x = x.transpose(1, 2)
        for block in self.token_blocks:
            x = block(x, condition)
        spread: Tensor = self.spread(x.transpose(1, 2))
        x = spread.reshape(len(spread), -1, self.config.hidden).transpose(1, 2)
        for block in self.frame_blocks:
            x = block(x, condition)
        octaves = (self.to_pitch(x)[:, 0] + timbre[:, -1:]).clamp(5.5, 9.5)
        return self.to_latent(x), torch.exp2(octaves)

    def speak(self, tokens: Tensor, timbre: Tensor, phones: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, where tokens are a guess and phones are known: the words come from phones, the melody from both.

        Tokens that stage one draws now and then say another sound or another tone, and stage two would believe them; but a
        sentence from phones alone has less of a melody. So F0 is the geometric mean with tokens and without.
        """
        untold = torch.full_like(tokens, self.config.vocabulary - 1)
        latent, f0 = self(torch.cat([tokens, untold]), timbre.repeat(2, 1), phones.repeat(2, 1, 1))
        return latent[len(tokens) :], (f0[: len(tokens)] * f0[len(tokens) :]).sqrt()


class MinimumPhase(nn.Module):
    """Log magnitudes [..., bins] (0 to Nyquist) → phases [..., bins] of the minimum-phase filters.

    The phase is the Hilbert transform of the log magnitude (Oppenheim and Schafer, Discrete-Time Signal Processing, ch. 13):
    the sine series of the cepstrum, which is the cosine series of the log magnitude.
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins
        size = 2 * (bins - 1)
        turn = 2 * math.pi * torch.arange(size, dtype=torch.float64) / size
        self.register_buffer("wave", torch.cos(turn).float(), persistent=False)
        weight = torch.full((bins,), 2.0 / size)
        weight[0] = weight[-1] = 1.0 / size
        self.register_buffer("weight", weight, persistent=False)
        self.wave: Tensor
        self.weight: Tensor

    def forward(self, magnitudes: Tensor) -> Tensor:
        size = 2 * (self.bins - 1)
        place = torch.arange(self.bins, device=self.wave.device)
        turns = torch.outer(place, place)
        cosine = self.wave[torch.remainder(turns, size)]
        sine = self.wave[torch.remainder(turns - size // 4, size)]
        cepstrum = (magnitudes * self.weight) @ cosine
        return cepstrum @ (-2 * sine)


class SourceFilterVocoder(nn.Module):
    """Latent [batch, C, F], timbre [batch, D], F0 in Hz, phase in cycles, both [batch, F], and noise → samples, [batch, F * hop].

    phase[t] is the phase of the harmonic source at the first sample of frame t. Residuals, of the voice, are as in `corrected`.
    """

    def __init__(self, config: SourceFilterConfig) -> None:
        super().__init__()
        self.config = config
        hidden, condition, bins = config.hidden, 256, config.window // 2 + 1
        self.timbre = TimbreProjection(config, condition)
        self.from_latent = nn.Conv1d(config.latent + 1, hidden, config.kernel, padding=config.kernel // 2)
        self.blocks = nn.ModuleList(
            Block(hidden, config.kernel, config.expansion, condition) for _ in range(config.vocoder_blocks)
        )
        self.norm = nn.LayerNorm(hidden)
        self.to_envelope = nn.Linear(hidden, config.envelope)
        self.to_aperiodicity = nn.Linear(hidden, config.aperiodicity)
        nn.init.normal_(self.to_envelope.weight, std=0.01)
        nn.init.normal_(self.to_aperiodicity.weight, std=0.01)
        nn.init.constant_(self.to_envelope.bias, -4.0)
        hertz = torch.linspace(0, config.rate / 2, bins)
        self.register_buffer("envelope_bins", between(points(config.envelope, config.rate), hertz), False)
        self.register_buffer(
            "aperiodicity_bins", between(points(config.aperiodicity, config.rate), hertz), False
        )
        self.register_buffer(
            "colour", between(band_centres(), points(config.envelope, config.rate)), persistent=False
        )
        self.envelope_bins: Tensor
        self.aperiodicity_bins: Tensor
        self.colour: Tensor
        self.basis = FourierBasis(config.window)
        self.minimum_phase = MinimumPhase(bins)
        scale = torch.full((bins,), 2.0 / (1.5 * config.window))
        scale[0] = scale[-1] = 1.0 / (1.5 * config.window)
        self.register_buffer("scale", scale.repeat(2), persistent=False)
        self.scale: Tensor

    def phase(self, f0: Tensor, began: Tensor) -> Tensor:
        """The phase in cycles [batch, F] at the first sample of each frame, of a source that began with [batch, 1]."""
        following = torch.cat([f0[:, 1:], f0[:, -1:]], 1)
        cycles = (f0 + following) * 0.5 * self.config.hop / self.config.rate
        return torch.remainder(began + torch.cumsum(cycles, 1) - cycles, 1.0)

    def harmonics(self, f0: Tensor, phase: Tensor) -> Tensor:
        """Sum of all harmonics up to Nyquist with equal amplitudes and unit power: [batch, F * hop]."""
        hop, rate = self.config.hop, self.config.rate
        following = torch.cat([f0[:, 1:], f0[:, -1:]], 1)
        i = torch.arange(hop, device=f0.device, dtype=f0.dtype)
        cycles = (
            phase[..., None] + (f0[..., None] * i + (following - f0)[..., None] * i * i / (2 * hop)) / rate
        )
        cycles = (cycles - torch.floor(cycles + 0.5)).flatten(1)
        count = torch.floor(0.48 * rate / f0).repeat_interleave(hop, 1)
        half = torch.sin(math.pi * cycles)
        near = half.abs() < 1e-4
        ratio = torch.sin(math.pi * (2 * count + 1) * cycles) / torch.where(near, torch.ones_like(half), half)
        return (torch.where(near, 2 * count + 1, ratio) - 1) * torch.rsqrt(2 * count)

    def spectrum(self, x: Tensor) -> Tensor:
        """Samples [batch, F * hop] → real and imaginary parts [batch, F, 2 * bins] of windows centred on the frames.

        Frames are four shifted copies of the hops, half a hop off: a product with one matrix, no strided convolution.
        """
        hop = self.config.hop
        hops = F.pad(x, (3 * hop // 2, 3 * hop // 2)).reshape(len(x), -1, hop)
        count = hops.shape[1] - 3
        basis: Tensor = self.basis()
        return torch.cat([hops[:, i : i + count] for i in range(4)], 2) @ basis.T

    def samples(self, spectrum: Tensor) -> Tensor:
        """Real and imaginary parts [batch, F, 2 * bins] → samples [batch, F * hop] by overlap-add."""
        hop = self.config.hop
        parts = ((spectrum * self.scale) @ self.basis()).split(hop, 2)
        hops = sum((F.pad(part, (0, 0, i, 3 - i)) for i, part in enumerate(parts)), torch.zeros(()))
        return hops.flatten(1)[:, 3 * hop // 2 : -(3 * hop // 2)]

    def envelope(self, latent: Tensor, timbre: Tensor, f0: Tensor) -> tuple[Tensor, Tensor]:
        """Log magnitude of the spectrum [batch, F, envelope] and log odds of noise in it [batch, F, aperiodicity], at the points.

        The network says how a frame differs from the mean spectrum of the speaker, which is a part of the timbre: so a voice or a
        microphone of a colour that was never trained on comes out in that colour.
        """
        condition = self.timbre(timbre)
        x = self.from_latent(torch.cat([latent, torch.log2(f0)[:, None] - 7.5], 1))
        for block in self.blocks:
            x = block(x, condition)
        x = self.norm(x.transpose(1, 2))
        usual = mean_spectrum(timbre) @ self.colour.T
        return self.to_envelope(x) + usual[:, None], self.to_aperiodicity(x)

    def shaped(self, envelope: Tensor, aperiodicity: Tensor) -> tuple[Tensor, Tensor]:
        """What `envelope` returns → log magnitudes of the harmonic and of the noise filter, each [batch, F, bins]."""
        whole, noise = envelope @ self.envelope_bins.T, aperiodicity @ self.aperiodicity_bins.T
        return (
            (whole - 0.5 * F.softplus(noise)).clamp(*LOUDNESS),
            (whole - 0.5 * F.softplus(-noise)).clamp(*LOUDNESS),
        )

    def render(
        self, to_harmonic: Tensor, to_noise: Tensor, f0: Tensor, phase: Tensor, noise: Tensor
    ) -> Tensor:
        """Filters [batch, F, bins] applied to the sources → samples [batch, F * hop]."""
        angle = self.minimum_phase(to_harmonic.detach())
        gain = torch.exp(to_harmonic)
        cosine, sine = gain * torch.cos(angle), gain * torch.sin(angle)
        real, imaginary = self.spectrum(self.harmonics(f0, phase)).chunk(2, 2)
        rough = torch.exp(to_noise).repeat(1, 1, 2) * self.spectrum(noise)
        return self.samples(
            torch.cat([real * cosine - imaginary * sine, real * sine + imaginary * cosine], 2) + rough
        )

    def forward(
        self,
        latent: Tensor,
        timbre: Tensor,
        f0: Tensor,
        phase: Tensor,
        noise: Tensor,
        residuals: Tensor | None = None,
    ) -> Tensor:
        envelope, aperiodicity = self.envelope(latent, timbre, f0)
        if residuals is not None:
            envelope = corrected(envelope, residuals)
        return self.render(*self.shaped(envelope, aperiodicity), f0, phase, noise)


class Recollection(nn.Module):
    """Stage two saying what was heard: tokens [batch, T], timbre, F0 [batch, F] in Hz or 0 → envelope [batch, F, points]."""

    def __init__(self, latent: LatentNet, vocoder: SourceFilterVocoder) -> None:
        super().__init__()
        self.latent, self.vocoder = latent, vocoder

    def forward(self, tokens: Tensor, timbre: Tensor, f0: Tensor) -> Tensor:
        latent, predicted = self.latent(tokens, timbre)
        envelope, _ = self.vocoder.envelope(latent, timbre, f0.where(f0 > 0, predicted))
        return envelope
